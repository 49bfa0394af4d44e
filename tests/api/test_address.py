"""What may be asked, and where: nothing that sends the key in plain text, elsewhere, or to another path."""

import pytest

from statsig_runs.api.address import check_base_url, check_key, link_target
from statsig_runs.api.runs import run_target
from statsig_runs.errors import ApiError, ConfigurationError

BASE = "https://api.example"
RUNS = "/console/v1/ingestion/runs"


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://statsigapi.net", "https://statsigapi.net"),
        ("https://statsigapi.net/", "https://statsigapi.net"),
        ("https://proxy.example:8443/statsig/", "https://proxy.example:8443/statsig"),
        ("http://127.0.0.1:8571", "http://127.0.0.1:8571"),
        ("http://127.8.8.8", "http://127.8.8.8"),
        ("http://[::1]:8571", "http://[::1]:8571"),
        ("http://LocalHost:8571", "http://localhost:8571"),
    ],
)
def test_https_anywhere_and_http_on_loopback_are_accepted(url: str, normal: str) -> None:
    assert check_base_url(url) == normal


@pytest.mark.parametrize(
    "url",
    [
        "http://statsigapi.net",
        "http://192.168.0.1",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://0.0.0.0",
        "http://2130706433",
        "http://[::ffff:8.8.8.8]",
        "https://user:s3cret@statsigapi.net",
        "https://:s3cret@statsigapi.net",
        "http://127.0.0.1:80@evil.example",
        "https://statsigapi.net/?x=s3cret",
        "https://statsigapi.net?",
        "https://statsigapi.net/#s3cret",
        "ftp://statsigapi.net",
        "statsigapi.net",
        "https://",
        "https:///console",
        "https://statsigapi.net:0",
        "https://statsigapi.net:99999",
        "https://[::1",
        "https://a b.example",
        "",
    ],
)
def test_other_base_urls_are_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base URL") as refusal:
        check_base_url(url)
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    "key", ["console-a b", "console-a\n", "\tconsole-a", "console-é", "console-\x00", "console-\u200ba"]
)
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="copy it again") as refusal:
        check_key(key)
    assert "console-" not in str(refusal.value)


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        check_key("")


@pytest.mark.parametrize(
    ("run_id", "segment"),
    [
        ("de941fa2-3e0f-44ec-a44c-5c51eed07e0z", "de941fa2-3e0f-44ec-a44c-5c51eed07e0z"),
        ("../x", "..%2Fx"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("...", "..."),
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("%2e%2e", "%252e%252e"),
        ("a b\n", "a%20b%0A"),
        ("é", "%C3%A9"),
    ],
)
def test_a_run_id_is_one_segment_of_the_path(run_id: str, segment: str) -> None:
    assert run_target(run_id) == f"{RUNS}/{segment}"


@pytest.mark.parametrize("run_id", ["", "\udcff", "a\0"])
def test_an_id_that_cannot_be_sent_is_refused(run_id: str) -> None:
    with pytest.raises(ConfigurationError, match="run id"):
        run_target(run_id)


@pytest.mark.parametrize(
    ("link", "query"),
    [
        ("/console/v1/ingestion/runs?page=2", "page=2"),
        ("?page=2", "page=2"),
        ("https://api.example/console/v1/ingestion/runs?page=2&limit=100", "page=2&limit=100"),
        ("https://API.example/console/v1/ingestion/runs?cursor=a%2Fb==", "cursor=a%2Fb=="),
        ("/console/v1/ingestion/runs?page=2#top", "page=2"),
        ("/console/v1/ingestion/runs?page=2 \u2028é", "page=2%20%E2%80%A8%C3%A9"),
    ],
)
def test_a_link_to_the_next_page_keeps_its_query(link: str, query: str) -> None:
    assert link_target(BASE, RUNS, link) == f"{RUNS}?{query}"


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/console/v1/ingestion/runs?page=2",
        "http://api.example/console/v1/ingestion/runs?page=2",
        "https://api.example:8443/console/v1/ingestion/runs?page=2",
        "https://user@api.example/console/v1/ingestion/runs?page=2",
        "//evil.example/console/v1/ingestion/runs?page=2",
        "/\\evil.example/console/v1/ingestion/runs?page=2",
        "/console/v1/ingestion/runs/../../../admin?page=2",
        "/console/v1/ingestion/runs/x?page=2",
        "javascript:alert(1)",
        "http://[::1",
    ],
)
def test_a_link_that_leads_elsewhere_is_refused(link: str) -> None:
    with pytest.raises(ApiError, match="another place"):
        link_target(BASE, RUNS, link)


def test_links_are_followed_behind_a_proxy_with_a_path_of_its_own() -> None:
    link = "/console/v1/ingestion/runs?page=2"
    assert link_target("https://proxy.example/statsig", RUNS, link) == f"{RUNS}?page=2"
