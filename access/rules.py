"""Where an outbound request may go, as far as its URL tells. What its name leads to is the resolver's part.

No message holds more of a URL than its scheme, host and port: paths and queries carry tokens.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from yarl import URL

from ..errors import ApiError
from ..settings import Settings
from .addresses import Address, kind_of, literal, parsed

NOT_HTTP = frozenset(
    {
        # from 1024 on: what browsers refuse too (the Fetch standard's "port blocking"), ...
        *(1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669),
        *(6679, 6697, 10080),
        # ... and stores that take the lines of a POST body for commands
        *(6379, 11211),
    }
)
"""Ports that are refused though they are 1024 or higher. Below 1024 only 80 and 443 are taken."""

KEPT_ACROSS_ORIGINS = frozenset(
    {"accept", "accept-language", "if-match", "if-modified-since", "if-none-match", "if-range", "range"}
)
"""Request headers that follow a redirect to another origin; all others may hold a secret."""

_AUTHORITY = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_-]{1,63})*")


class OutboundError(ApiError):
    """A request to another server was refused or failed; *code* is one of the OUTBOUND codes."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What outbound requests may reach.

    *allow_http*: plain ``http`` beside ``https``. *allow_private*: loopback and private networks; never
    link-local addresses and metadata services. *hosts*: patterns such as ``*.example.com``, of which the
    host must match one; empty for any host. *allow*: single (address, port) pairs that are reached whatever
    kind of address it is, for tests.
    """

    allow_http: bool = False
    allow_private: bool = False
    hosts: tuple[str, ...] = ()
    allow: Container[tuple[str, int]] = ()

    @classmethod
    def of(cls, settings: Settings, *, hosts: tuple[str, ...] = ()) -> Rules:
        """Give the rules as set: a server that may reach private networks may also speak plain http."""
        allowed = settings.outbound_allow_private
        return cls(allow_http=allowed, allow_private=allowed, hosts=hosts)

    def admits(self, address: Address, port: int) -> bool:
        """Say whether a connection to this address may be opened."""
        kind = kind_of(address)
        return (
            kind == "public"
            or (kind == "private" and self.allow_private)
            or (str(address), port) in self.allow
        )

    def admits_text(self, address: str, port: int) -> bool:
        """Say the same of an address as a resolver gives it."""
        found = parsed(address)
        return found is not None and self.admits(found, port)

    def admits_port(self, port: int) -> bool:
        """Say whether it is a port that web servers use."""
        return port in {80, 443} or (port >= 1024 and port not in NOT_HTTP)

    def check(self, url: str) -> URL:
        """Give *url* in the one form in which it is requested. Raises OutboundError OUTBOUND_REFUSED."""
        return self._checked(_split(url))

    def check_hop(self, origin: URL, location: str) -> URL:
        """Give where a redirect leads. Raises OutboundError OUTBOUND_REFUSED, also for https to http."""
        if _UNSAFE.search(location):
            raise refused("The redirect leads to what is not a URL.")
        try:
            joined = str(origin.join(URL(location, encoded=location.isascii())).with_fragment(None))
        except ValueError:  # also of a port that is none, which only the writing finds
            raise refused("The redirect leads to what is not a URL.") from None
        target = self._checked(_split(joined))
        if origin.scheme == "https" and target.scheme != "https":
            raise refused(f"The redirect leads from https to {redacted(str(target))}.")
        return target

    def _checked(self, url: URL) -> URL:
        shown = redacted(str(url))
        host, port = url.raw_host or "", url.port or 0
        if url.scheme not in {"https", "http"}:
            raise refused(f"{shown} is neither https nor http.")
        if not self.admits_port(port):
            raise refused(f"{shown} has a port that is not for the web.", hint="80, 443 or 1024 and higher.")
        try:
            address = literal(host)
        except ValueError:
            raise refused(f"{shown} has no valid host.") from None
        if address is None and _NAME.fullmatch(host.lower().removesuffix(".")) is None:
            raise refused(f"{shown} has no valid host.")
        if address is not None and not self.admits(address, port):
            raise refused(not_public(shown))
        host = (host if address is None else str(address)).lower()
        if url.scheme == "http" and not self.allow_http:
            raise refused(f"{shown} is not https.", hint="Plain http is taken with outbound_allow_private.")
        plain = host.removesuffix(".")
        if self.hosts and not any(fnmatchcase(plain, pattern.lower()) for pattern in self.hosts):
            raise refused(f"{shown} is not among the hosts that are allowed.")
        authority = f"[{host}]" if ":" in host else host
        if not url.is_default_port():
            authority += f":{port}"
        query = f"?{url.raw_query_string}" if url.raw_query_string else ""
        return URL(f"{url.scheme}://{authority}{url.raw_path or '/'}{query}", encoded=True)


def _split(url: str) -> URL:
    authority = _AUTHORITY.match(url)
    if authority is None or _UNSAFE.search(url) or len(url) > 8192:
        raise refused("That is not a URL.", hint="It begins with https:// and has no spaces.")
    if "@" in authority.group(1):
        raise refused(f"{redacted(url)} has a user name or password in it.", hint="Leave them out.")
    if "%" in authority.group(1):
        raise refused(f"{redacted(url)} has no valid host.")
    try:
        split = URL(url, encoded=url.isascii())
        _ = split.port  # raises for what is no port
    except ValueError:
        raise refused(f"{redacted(url)} has no valid host or port.") from None
    return split


def headers_for(headers: Mapping[str, str], origin: URL, target: URL) -> dict[str, str]:
    """Give the headers that may go along from *origin* to *target*: no secrets to another origin."""
    if origin.origin() == target.origin():
        return dict(headers)
    return {name: value for name, value in headers.items() if name.lower() in KEPT_ACROSS_ORIGINS}


def redacted(url: str) -> str:
    """Give what of a URL may be logged and shown: scheme, host, port, and ``/…`` for all that follows."""
    authority = _AUTHORITY.match(url)
    if authority is None:
        return "(not a URL)"
    scheme = url.partition(":")[0].lower()
    host = "".join(letter if letter.isprintable() else "?" for letter in authority.group(1))
    host = host.rpartition("@")[2][:120]
    return f"{scheme}://{host}{'' if authority.end() >= len(url.rstrip('/')) else '/…'}"


def refused(message: str, *, hint: str | None = None) -> OutboundError:
    """Make an OUTBOUND_REFUSED."""
    return OutboundError("OUTBOUND_REFUSED", message, hint=hint)


def not_public(shown: str) -> str:
    """Say that a host leads nowhere public; in the same words for every reason, so as to tell nothing."""
    return f"{shown} has no public address, or its name cannot be resolved."
