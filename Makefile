# `make demo` and `make test` need Python 3.11 and make, nothing else; with uv on the PATH they install faster.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
ifeq ($(UV),)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
else
INSTALL = $(UV) pip install --quiet --python $(BIN)/python --compile-bytecode
endif

# every platform and Python in one file; hashes, and no addresses
LOCK := --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet

# in as many processes as there are cores, a file in one of them; in the order of the files: the long ones come early
PYTEST := $(BIN)/pytest -n logical --dist loadfile --no-loadscope-reorder

PYTHONS := python3.12 python3.13
QUICK := tests/api tests/test_contract.py tests/test_fetch.py tests/test_package.py tests/test_redact.py tests/test_settings.py tests/warehouse/test_source.py

.PHONY: help demo test test-engines test-superset test-pythons smoke bench lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.run  ## run the whole pipeline against the built-in local Console API
	$(BIN)/statsig-runs demo

test: $(VENV)/.dev  ## all checks, and the tests that need no other engine than DuckDB
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) --ignore tests/engines --ignore tests/superset

test-engines: $(VENV)/.dev  ## the tests of the other engines; those whose server or extra is not there are skipped
	$(PYTEST) tests/engines

test-superset: $(VENV)/.dev  ## the dashboard in a Superset of its own, in a browser; skipped where that cannot be installed
	-$(MAKE) $(VENV)/.superset
	$(BIN)/pytest tests/superset

test-pythons:  ## the smoke test with each other Python that is promised, if it is there
	@for python in $(PYTHONS); do \
	    if $$python -c '' 2>/dev/null; \
	    then $(MAKE) --no-print-directory PYTHON=$$python VENV=.venv-$$python smoke || exit 1; \
	    else echo "$$python is not installed: skipped"; fi; \
	done

smoke: $(VENV)/.dev  ## some quick tests, and the demo
	$(BIN)/pytest -q $(QUICK)
	cd $(VENV) && bin/statsig-runs demo

bench: $(VENV)/.dev  ## the benchmarks, each beside its peer
	$(BIN)/python bench/fetch.py
	$(BIN)/python bench/load.py
	$(BIN)/python bench/models.py
	$(BIN)/python bench/sync.py

lock:  ## write the locked requirements anew, within the bounds of pyproject.toml; needs uv
	uv pip compile pyproject.toml --all-extras --group dev $(LOCK) --output-file requirements/dev.txt
	uv pip compile pyproject.toml --constraint requirements/dev.txt $(LOCK) --output-file requirements/run.txt
	echo hatchling | uv pip compile - --constraint requirements/dev.txt $(LOCK) --output-file requirements/build.txt
	uv pip compile requirements/superset.in $(LOCK) --output-file requirements/superset.txt

clean:  ## remove the environment and what was built
	rm -rf $(VENV) $(VENV)-* build dist

$(BIN)/python:
ifeq ($(UV),)
	$(PYTHON) -m venv $(VENV)
else
	$(UV) venv --quiet --python $(PYTHON) $(VENV)
endif

# the build backend comes from the lock as well, hence no build isolation
$(VENV)/.run: $(BIN)/python requirements/run.txt pyproject.toml
	$(INSTALL) --require-hashes --no-deps -r requirements/run.txt
	$(INSTALL) --require-hashes --no-deps -r requirements/build.txt
	$(INSTALL) --no-build-isolation --no-deps --editable .
	touch $@

# the older DuckDB is in a folder of its own: --no-deps, or pip measures it against what the environment holds; and
# --upgrade, or a newer lock leaves in the folder what is there
$(VENV)/.dev: $(BIN)/python requirements/dev.txt requirements/older-duckdb.txt pyproject.toml
	$(INSTALL) --require-hashes --no-deps -r requirements/dev.txt
	$(INSTALL) --require-hashes --no-deps --upgrade --target $(VENV)/older-duckdb -r requirements/older-duckdb.txt
	$(INSTALL) --no-build-isolation --no-deps --editable .
	touch $@ $(VENV)/.run

# Superset needs older versions than we do
$(VENV)/.superset: requirements/superset.txt
	rm -rf $(VENV)/superset
	$(PYTHON) -m venv $(VENV)/superset
	$(subst $(BIN)/python,$(VENV)/superset/bin/python,$(INSTALL)) --require-hashes --no-deps -r requirements/superset.txt
	touch $@
