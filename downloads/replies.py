"""What a source's answers mean for a download: which error, whether it passes, when to try again."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping

from ..access import Headers, StreamError
from .trouble import DownloadError

EXCERPT_BYTES = 4096
"""How much is read of the body of an answer that is no file."""
LONGEST_WAIT_S = 600.0
"""Sources that ask for more patience are not taken at their word."""
MAY_PASS = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 525)})

_CODES = {
    "refused": "DOWNLOAD_INVALID_URL",
    "hop_refused": "DOWNLOAD_FORBIDDEN_REDIRECT",
    "too_many_redirects": "DOWNLOAD_TOO_MANY_REDIRECTS",
    "blocked_address": "DOWNLOAD_BLOCKED_ADDRESS",
    "connect": "DOWNLOAD_NETWORK_ERROR",
    "tls": "DOWNLOAD_TLS_ERROR",
    "timeout": "DOWNLOAD_TIMEOUT",
    "stalled": "DOWNLOAD_STALLED",
    "incomplete": "DOWNLOAD_INCOMPLETE",
    "broken": "DOWNLOAD_NETWORK_ERROR",
    "bad_response": "DOWNLOAD_BAD_RESPONSE",
    "aborted": "DOWNLOAD_NETWORK_ERROR",
}
_STATUSES: Mapping[int, tuple[str, str, str | None]] = {
    401: ("DOWNLOAD_AUTH_REQUIRED", "wants a token, or another one", "Set the token of that source."),
    403: ("DOWNLOAD_UPSTREAM_FORBIDDEN", "refused the file", "The token may lack the right to it."),
    404: ("DOWNLOAD_NOT_FOUND", "has no such file", None),
    410: ("DOWNLOAD_GONE", "has removed the file", None),
    451: ("DOWNLOAD_GONE", "may not give out the file for legal reasons", None),
    429: ("DOWNLOAD_UPSTREAM_RATE_LIMITED", "wants fewer requests", "Wait a while, or set a token."),
}
_PAGE = re.compile(
    r"(text/html|application/xhtml\+xml|(application|text)/(json|xml|javascript)|[a-z]+/[a-z0-9.-]+\+(json|xml))\s*(;.*)?",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_LINK = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_SECRET = re.compile(r"[A-Za-z0-9_\-+/=.%]{24,}")


def of_stream_error(error: StreamError) -> DownloadError:
    """Give the download's error for one of the guarded client."""
    return DownloadError(_CODES[error.kind], error.message)


def of_status(status: int, headers: Headers, excerpt: bytes, shown: str) -> DownloadError:
    """Give the error for an answer that is neither 200 nor 206 nor a redirect. *shown* names the source."""
    details = {"status": status, "excerpt": cleaned(excerpt)}
    if status in _STATUSES:
        code, words, hint = _STATUSES[status]
        error = DownloadError(code, f"{shown} {words} ({status}).", hint=hint, details=details)
    elif status in MAY_PASS or status >= 500:
        error = DownloadError("DOWNLOAD_UPSTREAM_ERROR", f"{shown} failed ({status}).", details=details)
    else:
        message = f"{shown} answered {status}, which is no file."
        error = DownloadError("DOWNLOAD_BAD_RESPONSE", message, details=details)
    error.retry_after_s = retry_after_s(headers, time.time())
    return error


def of_page(media_type: str, excerpt: bytes, shown: str) -> DownloadError:
    """Give the error for a page, or a machine's message, in the place of a file."""
    return DownloadError(
        "DOWNLOAD_BAD_RESPONSE",
        f"{shown} sent {media_type.partition(';')[0].strip()[:60]} in place of a file.",
        hint="The link may be that of a page, or need a token.",
        details={"excerpt": cleaned(excerpt)},
    )


def is_page(media_type: str | None) -> bool:
    """Say whether a Content-Type is that of pages and messages. text/plain is not: some servers' default."""
    return media_type is not None and _PAGE.fullmatch(media_type.strip()) is not None


def retry_after_s(headers: Headers, now: float) -> float | None:
    """Read Retry-After, as seconds from *now* (Unix time); None without one that makes sense."""
    value = next((value for name, value in headers if name.lower() == "retry-after"), "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value[:12]), LONGEST_WAIT_S)
    try:
        at = email.utils.parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError, OSError):
        return None
    return min(max(0.0, at - now), LONGEST_WAIT_S)


def cleaned(body: bytes, most: int = 200) -> str:
    """Give the words of a body for people: no markup, nothing unprintable, no links, nothing like a token."""
    text = _MARKUP.sub(" ", body.decode("utf-8", "replace"))
    text = _SECRET.sub("…", _LINK.sub("…", text))
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split())[:most]
