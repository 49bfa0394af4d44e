"""What may be put into a request: the key, the base URL, names as parts of a path, and links to further pages.

Pure checks of texts; nothing is sent here. Whoever passes them cannot send the key in plain text, to another host, or
ask for another path than the one meant.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import quote, urljoin, urlsplit

import requests

from statsig_runs.errors import ApiError, ConfigurationError


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


def segment(name: str) -> str:
    """Return a name as one segment of a path, whatever it holds; empty where it is no text that can be sent."""
    try:
        encoded = quote(name, safe="")
    except UnicodeEncodeError:
        return ""
    return encoded.replace(".", "%2E") if encoded in {".", ".."} else encoded  # bare: this folder, or the one above


def link_target(base_url: str, path: str, link: str) -> str:
    """Return path and query of a further page of the list at `path`.

    Args:
        base_url: as from `check_base_url`.
        path: the list's path below it.
        link: a page's `nextPage`, relative or absolute.

    Raises:
        ApiError: the link leads to another host or path.
    """
    home = urlsplit(base_url + path)
    target = ""
    try:
        there = urlsplit(urljoin(base_url + path, link))
        same_host = (there.scheme, there.netloc.lower()) == (home.scheme, home.netloc.lower())
        if same_host and there.path in {home.path, path}:
            target = f"{path}?{quote(there.query, safe=_QUERY)}"
    except ValueError:
        target = ""
    if not target:
        raise ApiError(f"The Console API at {home.netloc} links its next page to another place; not followed.")
    return target


_QUERY = "!$&'()*+,;=:@/?%[]"  # what may stand in a query as it is, `%` for what is encoded already
