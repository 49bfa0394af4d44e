"""Below the API: what never ends is ended, interim answers shift nothing, and the environment's trust is heeded."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from statsig_runs.api import FetchedRun, Patience, Runs
from statsig_runs.api.wire import DeadlineAdapter
from statsig_runs.errors import ApiError, ConfigurationError
from tests.support.certificates import Authority
from tests.support.clients import BODY, Open, assert_holds_no_key
from tests.support.wire_server import WireServer, http, send, trickle

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP_NOTHING = b"\x1f\x8b\x08" + b"\0" * 7  # the head of a file, after which empty blocks may go on for ever
ENDLESS = {
    "a status line": (b"HTTP/1.1 200 ", b"O"),
    "a header": (OK + b"X-Long: ", b"a"),
    "headers": (OK, b"X: y\r\n"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "103 Early Hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "a body": (OK + b"Content-Length: 1000000\r\n\r\n", b" "),
    "a body of no stated length": (OK + b"\r\n", b" "),
    "a body that unpacks to nothing": (OK + b"Content-Encoding: gzip\r\n\r\n" + GZIP_NOTHING, b"\0\0\0\xff\xff"),
    "chunks": (CHUNKED, b"1\r\n \r\n"),
    "the size of a chunk": (CHUNKED, b"0"),
    "a remark on a chunk": (CHUNKED + b"1;", b"a"),
    "trailers": (CHUNKED + b"1\r\n{\r\n0\r\n", b"X: y\r\n"),
    "a trailer": (CHUNKED + b"1\r\n{\r\n0\r\nX: ", b"y"),
}
"""What an answer begins with, and what then trickles."""

TRUST = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _no_trust_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*TRUST, "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("with_tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("what", ENDLESS)
def test_an_answer_of_which_anything_trickles_for_ever_is_given_up(
    what: str, open_api: Open, authority: Authority, monkeypatch: pytest.MonkeyPatch, *, with_tls: bool
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    hasty = Patience(read_timeout=100, answer_timeout=0.2, max_attempts=1)
    head, drop = ENDLESS[what]
    with WireServer(trickle(head, drop), authority.tls if with_tls else None) as server:
        with pytest.raises(ApiError, match=r"not complete after 0\.2 s|more than 100 headers") as failure:
            Runs(open_api(server.url, patience=hasty)).read("r")
        assert len(server.requests) == 1
    assert_holds_no_key(failure.value)


def test_a_proxy_whose_answer_trickles_is_given_up(open_api: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    hasty = Patience(connect_timeout=100, answer_timeout=0.2, max_attempts=1)
    with WireServer(trickle(OK + b"X-Long: ", b"a")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(ApiError, match=r"not complete after 0\.2 s"):
            Runs(open_api("https://statsig.invalid", patience=hasty)).read("r")


def test_each_answer_of_a_connection_has_its_own_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr("statsig_runs.api.wire.time.monotonic", lambda: clock)
    request = requests.Request("GET", "http://127.0.0.1/").prepare()
    adapter = DeadlineAdapter(30)
    with WireServer(send(http(200, b"x"))) as server:
        request.url = server.url
        for _ in range(5):
            assert adapter.send(request, stream=True, timeout=(5, 5)).content == b"x"
            clock += 29
        assert (server.connections, len(server.requests)) == (1, 5)
    adapter.close()


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]
)
def test_interim_answers_before_the_answer_are_skipped(interim: bytes, open_api: Open) -> None:
    with WireServer(send(interim * 3, http(200, BODY))) as server:
        api = open_api(server.url)
        assert [getattr(Runs(api).read("r"), "body", None) for _ in range(3)] == [b'{"runID": "r", "n": 1.0}'] * 3
        assert (server.connections, len(server.requests)) == (1, 3)


def test_an_answer_that_switches_to_another_protocol_is_no_answer(open_api: Open) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    with WireServer(send(switch, http(200, BODY))) as server:
        with pytest.raises(ApiError, match="101, which nobody asked for"):
            Runs(open_api(server.url, patience=Patience(max_attempts=2, first_backoff=0.001))).read("r")
        assert server.connections == 2


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_bundle_that_the_environment_names_is_trusted(
    name: str, open_api: Open, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(authority.bundle))
    with WireServer(send(http(200, BODY)), authority.tls) as server:
        assert isinstance(Runs(open_api(server.url)).read("r"), FetchedRun)


@pytest.mark.skipif(not shutil.which("openssl"), reason="names the files of a folder of certificates")
def test_a_folder_of_certificates_is_trusted(
    open_api: Open, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = ["openssl", "x509", "-subject_hash", "-noout", "-in", str(authority.bundle)]
    name = subprocess.run(named, check=True, capture_output=True, text=True).stdout.strip()
    shutil.copy(authority.bundle, tmp_path / f"{name}.0")
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path / 'nowhere'}:{tmp_path}")
    with WireServer(send(http(200, BODY)), authority.tls) as server:
        assert isinstance(Runs(open_api(server.url)).read("r"), FetchedRun)


def test_an_authority_that_nobody_named_is_not_trusted_and_sees_no_request(
    open_api: Open, authority: Authority
) -> None:
    with WireServer(send(http(200, BODY)), authority.tls) as server:
        with pytest.raises(ApiError, match="certificate verify failed"):
            Runs(open_api(server.url, patience=Patience(max_attempts=1))).read("r")
        assert server.requests == []


@pytest.mark.parametrize("name", TRUST)
def test_a_bundle_that_does_not_exist_is_said_before_anything_is_sent(
    name: str, open_api: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    with pytest.raises(
        ConfigurationError, match=rf"^{name} names .*/nowhere, which does not exist\. Correct or unset it\.$"
    ):
        open_api("https://statsig.invalid")
    open_api("http://127.0.0.1:9")  # needs no certificates


@pytest.mark.parametrize(
    "content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"]
)
def test_a_bundle_without_a_certificate_is_said(
    content: str, open_api: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with pytest.raises(ConfigurationError, match="holds no certificates in PEM form"):
        open_api("https://statsig.invalid")
