"""Links that clients paste: read, judged by their host, and cleaned for storing. Touches no network.

A host is compared as it goes into a request: ASCII (IDNA), lower case, whole. So none of
``huggingface.co.evil.example``, ``huggingface.co@evil.example`` or a name with a Cyrillic letter passes for
another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from yarl import URL

from ...access.addresses import literal
from ..trouble import DownloadError

SECRET_KEYS = frozenset(
    {
        *("token", "access_token", "auth", "authorization", "api_key", "apikey", "api-key", "key", "jwt"),
        *("password", "pwd", "secret", "sig", "signature", "credential", "awsaccesskeyid", "googleaccessid"),
        *("expires", "policy", "key-pair-id"),  # no secrets, but useless and different without the signature
    }
)
"""Query keys, in lower case, whose values open a door or belong to what does."""
SECRET_STARTS = ("x-amz-", "x-goog-", "x-ms-", "x-oss-", "x-cos-", "q-sign", "q-ak")
MOST_LETTERS = 8192

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_AUTHORITY = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_-]{1,63})*")


@dataclass(frozen=True, slots=True)
class Link:
    """A link, taken apart. *path* has its percent signs still; *query* is decoded."""

    scheme: str
    host: str
    """ASCII, lower case, without brackets and port."""
    port: int | None
    """None: the scheme's own."""
    path: str
    query: tuple[tuple[str, str], ...]
    raw_query: str
    is_address: bool
    """Whether the host is an IP address in any notation."""

    @property
    def origin(self) -> str:
        """Scheme, host and port, as a request writes them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port is not None else "")

    @property
    def url(self) -> str:
        """The link as it is requested: with its query, without a fragment."""
        return f"{self.origin}{self.path or '/'}" + (f"?{self.raw_query}" if self.raw_query else "")

    @property
    def parts(self) -> tuple[str, ...]:
        """What stands between the path's slashes, decoded; without what is empty at either end."""
        return tuple(unquote(part) for part in self.path.strip("/").split("/") if part)

    @property
    def last(self) -> str | None:
        """The last part of the path, the file's name in most links."""
        return self.parts[-1] if self.parts and not self.path.endswith("/") else None

    def asks(self, key: str) -> str | None:
        """Give the first value of a query key, whatever its case; None where there is none."""
        return next((value for name, value in self.query if name.lower() == key and value), None)


def scheme_of(url: str) -> str:
    """Give a link's scheme in lower case, ``""`` if it has none."""
    found = _SCHEME.match(url)
    return found.group(1).lower() if found else ""


def parse(url: str) -> Link:
    """Take an http or https link apart. Raises DownloadError DOWNLOAD_INVALID_URL."""
    authority = _AUTHORITY.match(url)
    if authority is None or _UNSAFE.search(url) or len(url) > MOST_LETTERS:
        raise invalid("That is not a link.", hint="It begins with https:// and has no spaces.")
    scheme = scheme_of(url)
    if scheme not in {"https", "http"}:
        raise invalid(f"A link that begins with {scheme}:// cannot be fetched.", hint="Use an https link.")
    if "@" in authority.group(1):
        raise invalid("The link has a user name or password in it.", hint="Leave out what stands before @.")
    if "%" in authority.group(1):
        raise invalid("The link has a percent sign in its host.")
    try:
        split = URL(url, encoded=url.isascii())
        host = (split.raw_host or "").lower()
        port = split.explicit_port
        address = literal(host) if host else None
    except ValueError:
        raise invalid("The link has no valid host or port.") from None
    if address is None and _NAME.fullmatch(host) is None:  # so a dot at the end is none either
        raise invalid("The link has no valid host.")
    if port == {"https": 443, "http": 80}[scheme]:
        port = None
    path = split.raw_path
    if any(part in {".", ".."} for part in unquote(path).replace("\\", "/").split("/")):
        raise invalid("The link has . or .. in its path.")
    return Link(
        scheme,
        host if address is None else str(address),
        port,
        path if url.isascii() else quote(path, safe="/%:@!$&'()*+,;=~-._"),
        tuple(parse_qsl(split.raw_query_string, keep_blank_values=True)),
        split.raw_query_string,
        address is not None,
    )


def admitted(link: Link, patterns: Iterable[str]) -> bool:
    """Say whether a link's host is one of *patterns*: whole names, ``*.example.com``, or ``*`` for any name.

    An IP address must be named as it is; no pattern stands for it.
    """
    if link.is_address:
        return any(link.host == pattern.lower().strip("[]") for pattern in patterns)
    return host_matches(link.host, patterns)


def host_matches(host: str, patterns: Iterable[str]) -> bool:
    """Say whether a host's name is one of *patterns*."""
    return any(fnmatchcase(host, pattern.lower()) for pattern in patterns)


def public(url: str) -> str:
    """Give a link as it may be stored and shown: no user, no fragment, no key or signature in its query."""
    if scheme_of(url) not in {"https", "http"}:
        return url.partition("#")[0]
    try:
        split = urlsplit(url)
    except ValueError:
        return "(not a link)"
    kept = "&".join(
        pair for pair in split.query.split("&") if pair and not is_secret(unquote(pair.partition("=")[0]))
    )
    return urlunsplit((split.scheme.lower(), split.netloc.rpartition("@")[2], split.path, kept, ""))


def is_secret(key: str) -> bool:
    """Say whether the value of a query key is to be kept out of what is stored and shown."""
    folded = key.strip().lower()
    return folded in SECRET_KEYS or folded.startswith(SECRET_STARTS) or folded.endswith(("token", "_key"))


def segment(text: str) -> str:
    """Quote one part of a path: a slash in it too."""
    return quote(text, safe="")


def whole(path: str) -> str:
    """Quote a path, keeping its slashes."""
    return quote(path, safe="/")


def invalid(message: str, *, hint: str | None = None, **details: object) -> DownloadError:
    """Make a DOWNLOAD_INVALID_URL."""
    return DownloadError("DOWNLOAD_INVALID_URL", message, hint=hint, details=dict(details))


def forbidden(host: str, allowed: Iterable[str]) -> DownloadError:
    """Make a DOWNLOAD_FORBIDDEN_DOMAIN that says which hosts there are."""
    names = list(dict.fromkeys(allowed))
    return DownloadError(
        "DOWNLOAD_FORBIDDEN_DOMAIN",
        f"Downloads may not come from {host[:120]}, but from: {', '.join(names) or 'nowhere'}.",
        hint="The setting download_hosts names further hosts.",
        details={"host": host[:253], "allowed": names},
    )
