"""What answers say: why a server refused, what a file is called, whether it is a file at all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, cast

from ..trouble import DownloadError
from .links import public

PAGES = {
    "text/html": (".html", ".htm"),
    "application/xhtml+xml": (".html", ".xhtml"),
    "application/json": (".json", ".index"),
    "application/xml": (".xml",),
    "text/xml": (".xml",),
}
"""Media types of pages and of error messages, and the files that may have them nevertheless."""

_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)
_WEB_PAGE = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)


def refusal(  # noqa: PLR0911 - one return per kind of status
    who: str, status: int, headers: Mapping[str, str], *, about: str = "the file", said: str = ""
) -> DownloadError:
    """Give the error for a status that is no success, as any server may send it.

    *who* and *about* are for the message; *said* is what the server itself says, cleaned.
    """
    tail = f": {said}" if said else "."
    details = {"status": status}
    wait = retry_after(headers)
    if status == 401:
        return DownloadError("DOWNLOAD_AUTH_REQUIRED", f"{who} wants a token{tail}", details=details)
    if status == 403:
        return DownloadError("DOWNLOAD_UPSTREAM_FORBIDDEN", f"{who} refused {about}{tail}", details=details)
    if status == 404:
        return DownloadError("DOWNLOAD_NOT_FOUND", f"{who} does not have {about}{tail}", details=details)
    if status in {410, 451}:
        return DownloadError("DOWNLOAD_GONE", f"{who} has removed {about}{tail}", details=details)
    if status == 429:
        return DownloadError(
            "DOWNLOAD_UPSTREAM_RATE_LIMITED",
            f"{who} wants fewer requests{tail}",
            details=details,
            retry_after_s=wait,
        )
    if status >= 500 or status in {408, 425}:
        return DownloadError(
            "DOWNLOAD_UPSTREAM_ERROR",
            f"{who} answered {status}{tail}",
            details=details,
            retry_after_s=wait,
        )
    return DownloadError(
        "DOWNLOAD_BAD_RESPONSE", f"{who} answered {status}, which is no file{tail}", details=details
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Give the seconds that Retry-After asks for, as a number or a date (RFC 9110), at most an hour."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), 3600.0)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    return min(max(0.0, (until - datetime.now(timezone.utc)).total_seconds()), 3600.0)


def plain(text: object, most: int = 200) -> str:
    """Give what a server says in one printable line, its links without secrets; ``""`` for no text."""
    if not isinstance(text, str):
        return ""
    text = _URL.sub(lambda found: public(found.group()), text[:4096])
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def fields_of(body: bytes) -> dict[str, Any]:
    """Give the object that a body is; empty where it is none, or was cut off."""
    try:
        return as_object(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def as_object(value: object) -> dict[str, Any]:
    """Give a decoded JSON object; empty where it is none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Give a decoded JSON array; empty where it is none."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def whole_number(headers: Mapping[str, str], name: str) -> int | None:
    """Give a header that is a count of bytes; None where it is none."""
    text = headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def media_type(headers: Mapping[str, str]) -> str | None:
    """Give the media type without its parameters, in lower case."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() or None


def disposition_name(headers: Mapping[str, str]) -> str | None:
    """Give the file name of Content-Disposition (RFC 6266: ``filename*`` first), without folders."""
    value = headers.get("content-disposition", "")
    if not value or len(value) > 4096 or not value.isprintable():
        return None
    if not value.isascii():  # servers send UTF-8 unasked; HTTP libraries read it as Latin-1
        try:
            value = value.encode("latin-1").decode()
        except ValueError:
            return None
    message = Message()
    # The standard library reads "filename*" only alone: beside "filename" it gives the first of the two.
    starred = re.search(r"(?:^|;)\s*filename\*\s*=\s*([^;]+)", value, re.IGNORECASE)
    message["Content-Disposition"] = f"attachment; filename*={starred.group(1)}" if starred else value
    try:
        name = message.get_filename()
    except (ValueError, LookupError):
        return None
    name = (name or "").replace("\\", "/").rpartition("/")[2].strip()
    return name or None


def refuse_page(who: str, media: str | None, head: bytes, name: str | None) -> None:
    """Raise DownloadError DOWNLOAD_BAD_RESPONSE if what comes is a web page or an error, not a file."""
    allowed = PAGES.get(media or "")
    ending = (name or "").lower()
    listed = allowed is not None and not ending.endswith(allowed)
    if listed or (_WEB_PAGE.match(head) and not ending.endswith((".html", ".htm", ".xhtml"))):
        raise DownloadError(
            "DOWNLOAD_BAD_RESPONSE",
            f"The link leads to a web page, not a file: {who} answered with {media or 'HTML'}.",
            hint="Copy the link of the download itself, not of the page it is on.",
            details={"media_type": media},
        )
