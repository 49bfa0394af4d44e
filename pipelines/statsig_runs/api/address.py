"""What may be put into a request: the key, the base URL, run ids and links to further pages.

Pure checks of texts; nothing is sent here. Whoever passes them cannot send the key in plain text, to another host, or
ask for another path than the one meant.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import quote, urljoin, urlsplit

import requests

from statsig_runs.errors import ApiError, ConfigurationError

RUNS_PATH = "/console/v1/ingestion/runs"


def check_key(api_key: str) -> None:
    """Make sure that a key can be sent in a header.

    Raises:
        ConfigurationError: it is empty, or holds something else than visible ASCII characters.
    """
    if not api_key:
        raise ConfigurationError("The Console API key is empty.")
    if not all("!" <= character <= "~" for character in api_key):
        raise ConfigurationError(
            "The Console API key holds a space, a line break or another character that no key has: copy it again."
        )


def check_base_url(base_url: str) -> str:
    """Return the API's address in its normal form, without a slash at its end.

    Raises:
        ConfigurationError: not https (plain http is for loopback only), or more than host, port and path.
    """
    problem = ""
    url = ""
    try:
        parts = urlsplit(base_url)
        url = (requests.Request("GET", base_url).prepare().url or "").rstrip("/")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            problem = "is no address such as https://statsigapi.net"
        elif parts.username is not None or parts.password is not None:
            problem = "must not hold a user or a password"
        elif "?" in base_url or "#" in base_url:
            problem = "must not hold a query or a fragment"
        elif parts.scheme == "http" and not is_loopback(parts.hostname):
            problem = "must be https, or the network would see the key; plain http is for 127.0.0.1 and localhost"
    except (ValueError, requests.RequestException):
        problem = "is no address such as https://statsigapi.net"
    if problem:  # the address is not repeated: it may hold a password
        raise ConfigurationError(f"The base URL of the Console API {problem}.")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: 127.0.0.0/8, ::1 or localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def run_target(run_id: str) -> str:
    """Return the path of one run: whatever the id holds, it is one segment.

    Raises:
        ConfigurationError: the id is empty, or no text that can be sent.
    """
    if not run_id:
        raise ConfigurationError("A run id is empty.")
    try:
        segment = quote(run_id, safe="")
    except UnicodeEncodeError:
        segment = ""
    if not segment or "\0" in run_id:  # no database stores a text with U+0000
        raise ConfigurationError(f"The run id {run_id!r} is no valid text.")
    if segment in {".", ".."}:  # a bare one means this folder, or the one above
        segment = segment.replace(".", "%2E")
    return f"{RUNS_PATH}/{segment}"


def page_target(base_url: str, link: str) -> str:
    """Return path and query of a page of the list.

    Args:
        base_url: as from `check_base_url`.
        link: a page's `nextPage`, relative or absolute.

    Raises:
        ApiError: the link leads to another host or path.
    """
    home = urlsplit(base_url + RUNS_PATH)
    target = ""
    try:
        there = urlsplit(urljoin(base_url + RUNS_PATH, link))
        same_host = (there.scheme, there.netloc.lower()) == (home.scheme, home.netloc.lower())
        if same_host and there.path in {home.path, RUNS_PATH}:
            target = f"{RUNS_PATH}?{quote(there.query, safe=_QUERY)}"
    except ValueError:
        target = ""
    if not target:
        raise ApiError(f"The Console API at {home.netloc} links its next page to another place; not followed.")
    return target


_QUERY = "!$&'()*+,;=:@/?%[]"  # what may stand in a query as it is, `%` for what is encoded already
