"""One quick question: does anything answer at this address, directly or through the proxy?"""

from __future__ import annotations

import os
import queue
import socket
import ssl
import threading
import urllib.error
import urllib.request
from urllib.parse import urlsplit

#: Enough to connect; users of slow links set the hub's own HF_HUB_ETAG_TIMEOUT (seconds).
_PATIENCE_S = 1.0
_PORTS = {"http": 80, "https": 443}


def patience_s() -> float:
    """Seconds that the hub has to answer."""
    return float(os.environ.get("HF_HUB_ETAG_TIMEOUT", _PATIENCE_S))


def why_unreachable(url: str, timeout_s: float) -> str | None:
    """Tries to connect, the name lookup included in the time.

    Args:
        url: http or https address of a server; proxies of the environment are honoured.
        timeout_s: seconds after which the answer is no.

    Returns:
        None if something answers, else the reason in a few words.
    """
    answers: queue.Queue[str | None] = queue.Queue()
    # A thread, because a name lookup has no timeout of its own; as a daemon it does not hold up the exit.
    threading.Thread(target=lambda: answers.put(_try(url, timeout_s)), daemon=True).start()
    try:
        return answers.get(timeout=timeout_s)
    except queue.Empty:
        return f"no answer within {timeout_s:g} s; HF_HUB_ETAG_TIMEOUT=10 waits longer"


def _try(url: str, timeout_s: float) -> str | None:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        return "not an http or https address"
    proxied = parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(parts.hostname)
    try:
        if proxied:
            return _through_proxy(url, timeout_s)
        socket.create_connection(
            (parts.hostname, parts.port or _PORTS[parts.scheme]), timeout=timeout_s
        ).close()
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__
    return None


def _through_proxy(url: str, timeout_s: float) -> str | None:
    """A proxy always accepts a connection, so ask it for the page; any page, an error's too, is an answer."""
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - the scheme was checked
    try:
        urllib.request.build_opener().open(request, timeout=timeout_s).close()
    except urllib.error.HTTPError:
        return None
    except urllib.error.URLError as error:
        # Certificates are for the download to judge: its HTTP client may trust others than this one.
        return None if isinstance(error.reason, ssl.SSLError) else str(error.reason)
    return None
