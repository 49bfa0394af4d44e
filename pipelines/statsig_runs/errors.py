"""Every error that `statsig-runs` raises on purpose; it knows nothing of the rest of the package.

    StatsigRunsError               exit 1   something the program did not expect
    ├── ConfigurationError         exit 2   usage, a setting, a file that cannot be read
    ├── NotAuthorisedError         exit 3   the API refused the key (401, 403)
    ├── CheckFailedError           exit 5   a threshold of `check` is missed, or what `wait-for` waits for did not come
    ├── ApiError                   exit 6   the API could not be reached, or answered nonsense to the end
    │   ├── NotTheApiError         exit 6   something else answers (2 where base_url was set by hand)
    │   ├── ApiRequestError        exit 6   the API refused one request (a 4xx other than 401, 403, 404, 429)
    │   ├── AnswerTooLongError     exit 6   an answer is over the size limit
    │   └── RequestsSpentError     never    `--max-requests` is used up; the sync ends in good order
    ├── ModelsError                exit 1   the dbt project did not build, or one of its tests failed
    ├── StorageError               exit 1   the database or the disk refused a write
    ├── LockHeldTooLongError       exit 7   another sync holds the lock for longer than any sync takes
    └── AlreadyRunningError        exit 75  another sync holds the lock (EX_TEMPFAIL: try again later)

An error's text says what happened, what was kept and what to do next, and never holds a secret.
"""

from __future__ import annotations


class StatsigRunsError(Exception):
    """Base of all errors raised on purpose; `exit_code` is the process's exit status."""

    exit_code = 1


class ConfigurationError(StatsigRunsError):
    """A setting, an option or an input file is missing or unusable."""

    exit_code = 2


class NotAuthorisedError(StatsigRunsError):
    """The API refused the key."""

    exit_code = 3


class CheckFailedError(StatsigRunsError):
    """A threshold of `statsig-runs check` is missed, or what `statsig-runs wait-for` waits for did not come."""

    exit_code = 5


class ApiError(StatsigRunsError):
    """The API could not be reached, or no usable answer came after all retries."""

    exit_code = 6


class NotTheApiError(ApiError):
    """What answers is not the Console API; `is_setting` says that the address was set by hand."""

    def __init__(self, message: str, *, is_setting: bool = False) -> None:
        super().__init__(message)
        if is_setting:
            self.exit_code = ConfigurationError.exit_code


class ApiRequestError(ApiError):
    """The API refused one request; `status` is the HTTP status."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class AnswerTooLongError(ApiError):
    """An answer is over the size limit; one that asks for less may not be."""


class RequestsSpentError(ApiError):
    """The requests that one sync may make are used up."""


class ModelsError(StatsigRunsError):
    """The dbt project did not build, or one of its tests failed."""


class StorageError(StatsigRunsError):
    """The database or the disk refused a write."""


class LockHeldTooLongError(StatsigRunsError):
    """Another sync has held the lock for longer than any sync takes: it hangs, and somebody has to end it."""

    exit_code = 7


class AlreadyRunningError(StatsigRunsError):
    """Another sync works on the same database."""

    exit_code = 75


def as_told(error: Exception) -> StatsigRunsError:
    """An error raised on purpose as it is; any other as one that says so."""
    if isinstance(error, StatsigRunsError):
        return error
    text = f"{type(error).__name__}: {error}".strip()
    return StatsigRunsError(
        f"Something unexpected: {text}\nWhat was loaded is kept. --log-level debug shows where it happened."
    )
