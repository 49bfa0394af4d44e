"""One message to a Slack-compatible webhook, whose address is a secret.

dlt brings `send_slack_message`, which does not fit: it waits without end, follows redirects, and its error repeats
the address. Here no exception of a library leaves, because any of them may name it.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from statsig_runs.errors import ConfigurationError, StatsigRunsError

SETTING: Final = (
    "RUNTIME__SLACK_INCOMING_HOOK in the environment, or slack_incoming_hook under [runtime] in .dlt/secrets.toml"
)
_TIMEOUT: Final = (5, 15)
"""Seconds to connect, and between two bytes of the answer."""
_ANSWER_TIMEOUT: Final = 15.0
"""Seconds until the answer's head is complete."""


class NotificationError(StatsigRunsError):
    """The message was not delivered."""


def check_hook(hook: str | None) -> str:
    """The webhook's address, if it can be used.

    Raises:
        ConfigurationError: there is none, or it is neither https nor on this machine; the text does not repeat it.
    """
    from statsig_runs.api.address import is_loopback

    if not hook:
        raise ConfigurationError(f"--notify needs the address of a webhook. Set {SETTING}.")
    try:
        parts = urlsplit(hook)
        is_usable = bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
        )
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ConfigurationError(f"The address of the webhook must begin with https://. Check {SETTING}.")
    return hook


def post(hook: str, text: str) -> None:
    """Post one message.

    Raises:
        NotificationError: nobody answered, or not with success; the text does not repeat the address.
    """
    import requests

    from statsig_runs.api.wire import DeadlineAdapter, find_certificates, find_proxies

    adapter = DeadlineAdapter(_ANSWER_TIMEOUT)
    try:
        request = requests.Request("POST", hook, json={"text": text}).prepare()
        verify, proxies = find_certificates(hook), find_proxies(hook)
        with adapter.send(request, stream=True, timeout=_TIMEOUT, verify=verify, proxies=proxies) as answer:
            status = answer.status_code
    except ConfigurationError as error:
        raise NotificationError(f"{error} Nobody was notified.") from None
    except requests.Timeout:
        raise NotificationError("The webhook did not answer in time; nobody was notified.") from None
    except Exception as error:  # noqa: BLE001  any library's text may repeat the address
        raise NotificationError(
            f"The webhook could not be reached ({type(error).__name__}); nobody was notified."
        ) from None
    finally:
        adapter.close()
    if not 200 <= status < 300:  # noqa: PLR2004  success, in HTTP
        raise NotificationError(f"The webhook answered with HTTP {status}; nobody was notified. Is it still valid?")
