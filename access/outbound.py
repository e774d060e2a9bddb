"""HTTP requests to addresses that a client named: webhooks, ``files:`` inputs, downloads.

Nothing here can be made to reach what :class:`Rules` does not admit. A name is resolved once per connection,
all its addresses are judged, and the connection goes to one of exactly these, so that a name that changes
its mind (DNS rebinding) gains nothing. Redirects are followed only where asked for, each judged like the
first URL. No proxies, no cookies, no ``.netrc``, no compressed bodies.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext
from typing import BinaryIO

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from .resolver import GuardedResolver
from .rules import OutboundError, Rules, headers_for, not_public, redacted, refused
from .sink import Sink

REPLY_BYTES = 64 * 1024
"""How much of the answer to a POST is read at most."""
PIECE_BYTES = 256 * 1024
"""How much of a body is gathered before it is written, off the event loop."""
MOST_HEADERS = 256
"""An answer with more headers is none; older versions of aiohttp take any number."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: to connect, until the answer's headers, without a byte of body, and for all together."""

    connect_s: float = 10.0
    answer_s: float = 30.0
    stall_s: float = 30.0
    total_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a POST. *body* has at most REPLY_BYTES of it, fewer if it broke off."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was fetched. *url* is where the last redirect led; it may hold tokens."""

    size: int
    sha256: str
    media_type: str
    url: str


class Answer:
    """An answer whose headers are here. *url* is where it came from; it may hold tokens."""

    def __init__(self, response: aiohttp.ClientResponse, shown: str) -> None:
        self._response = response
        self._shown = shown
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url = str(response.url)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Give the body as it comes. Raises OutboundError OUTBOUND_FAILED or OUTBOUND_TIMEOUT."""
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"identity", ""}:
            raise OutboundError("OUTBOUND_FAILED", f"{self._shown} sent a compressed body unasked.")
        with _translated(self._shown):
            async for piece in self._response.content.iter_any():
                yield piece


class Outbound:
    """Sends requests under *rules* within *limits*. One for each purpose; on one event loop; to be closed.

    *resolver* and *tls* are for tests: who is asked for addresses, and whom certificates are trusted from.
    """

    def __init__(
        self,
        rules: Rules,
        limits: Limits | None = None,
        *,
        user_agent: str = "Backplane",
        resolver: AbstractResolver | None = None,
        tls: SSLContext | None = None,
    ) -> None:
        self.rules = rules
        self._limits = limits or Limits()
        self._user_agent = user_agent
        self._resolver = resolver
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections. A later request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def check(self, url: str) -> None:
        """Judge a URL by its looks, before it is stored. Raises OutboundError OUTBOUND_REFUSED."""
        self.rules.check(url)

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        hops: int = 0,
        limits: Limits | None = None,
    ) -> AsyncGenerator[Answer, None]:
        """Send a request; its answer's body can be read inside the ``async with``.

        Follows up to *hops* redirects, of GET and HEAD only; with 0 a redirect is an answer like others.
        Headers that may be secret go to the first URL's origin only. Raises OutboundError: OUTBOUND_REFUSED,
        OUTBOUND_FAILED or OUTBOUND_TIMEOUT.
        """
        limits = limits or self._limits
        deadline = asyncio.get_running_loop().time() + limits.total_s
        target, sent = self.rules.check(url), dict(headers or {})
        follows = hops > 0 and method in {"GET", "HEAD"}
        left = hops
        while True:
            response = await self._send(method, target, sent, body, limits, deadline)
            try:
                if len(response.headers) > MOST_HEADERS:
                    raise OutboundError("OUTBOUND_FAILED", f"{redacted(str(target))} sent too many headers.")
                if not follows or response.status not in REDIRECTS:
                    yield Answer(response, redacted(str(target)))
                    return
                if not left:
                    raise OutboundError("OUTBOUND_FAILED", f"{redacted(url)} led from redirect to redirect.")
                following = self.rules.check_hop(target, response.headers.get("Location", ""))
            finally:
                response.close()  # and its connection, unless the body was read to its end
            left -= 1
            sent, target = headers_for(sent, target, following), following

    async def fetch(
        self,
        url: str,
        into: Path | BinaryIO,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        hops: int = 5,
        limits: Limits | None = None,
    ) -> Fetched:
        """GET *url* into a file: a path where none is yet, or an open one. A path is removed if it fails.

        Written and hashed off the event loop. Raises OutboundError: OUTBOUND_TOO_LARGE if the answer says or
        has more than *max_bytes*, OUTBOUND_FAILED unless its status is 200, and those of :meth:`request`.
        Raises OSError if the file cannot be written, FileExistsError if it is there.
        """
        shown = redacted(url)
        async with self.request("GET", url, headers=headers, hops=hops, limits=limits) as answer:
            if answer.status != 200:
                raise OutboundError(
                    "OUTBOUND_FAILED",
                    f"{shown} answered {answer.status}.",
                    details={"status": answer.status},
                )
            declared = answer.headers.get("Content-Length", "")
            if declared.isdecimal() and int(declared) > max_bytes:
                raise _too_large(shown, max_bytes)
            sink = await asyncio.to_thread(Sink, into)
            try:
                await _pour(answer, sink, shown, max_bytes)
            except BaseException:
                await asyncio.shield(asyncio.to_thread(sink.discard))
                raise
            await asyncio.to_thread(sink.close)
            media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            return Fetched(sink.size, sink.sha256(), media_type, answer.url)

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, total_s: float | None = None
    ) -> Reply:
        """POST *body*, following no redirect. What comes after REPLY_BYTES is not read.

        Raises OutboundError as :meth:`request` does, until the answer's headers are here; an answer whose
        body then breaks off is an answer.
        """
        limits = self._limits
        if total_s is not None:
            limits = Limits(limits.connect_s, total_s, min(limits.stall_s, total_s), total_s)
        async with self.request("POST", url, headers=headers, body=body, limits=limits) as answer:
            read = bytearray()
            with contextlib.suppress(OutboundError):
                async with contextlib.aclosing(answer.pieces()) as pieces:
                    async for piece in pieces:
                        read += piece
                        if len(read) >= REPLY_BYTES:
                            break
            return Reply(answer.status, answer.headers, bytes(read[:REPLY_BYTES]))

    async def _send(
        self,
        method: str,
        target: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        limits: Limits,
        deadline: float,
    ) -> aiohttp.ClientResponse:
        left = deadline - asyncio.get_running_loop().time()
        shown = redacted(str(target))
        with _translated(shown):
            if left <= 0:
                raise asyncio.TimeoutError
            return await asyncio.wait_for(
                self._opened().request(
                    method,
                    target,
                    headers={**headers, "Accept-Encoding": "identity"},
                    data=body,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(
                        total=left, sock_connect=limits.connect_s, sock_read=limits.stall_s
                    ),
                ),
                min(limits.answer_s, left),
            )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = GuardedResolver(self.rules, self._resolver or aiohttp.ThreadedResolver())
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=resolver, use_dns_cache=False, limit=64, ssl=self._tls or True
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self._user_agent},
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


async def _pour(answer: Answer, sink: Sink, shown: str, max_bytes: int) -> None:
    gathered, size = bytearray(), 0
    async with contextlib.aclosing(answer.pieces()) as pieces:
        async for piece in pieces:
            size += len(piece)
            if size > max_bytes:
                raise _too_large(shown, max_bytes)
            gathered += piece
            if len(gathered) >= PIECE_BYTES:
                await asyncio.to_thread(sink.write, bytes(gathered))
                gathered.clear()
    await asyncio.to_thread(sink.write, bytes(gathered))


def _too_large(shown: str, max_bytes: int) -> OutboundError:
    return OutboundError(
        "OUTBOUND_TOO_LARGE",
        f"What {shown} sends is larger than {max_bytes} bytes.",
        details={"max_bytes": max_bytes},
    )


@contextmanager
def _translated(shown: str) -> Generator[None, None, None]:
    """Make an OutboundError of what aiohttp raises, whose words name inner addresses and whole URLs."""
    try:
        yield
    except aiohttp.ClientConnectorDNSError:
        raise refused(not_public(shown)) from None
    except asyncio.TimeoutError:
        raise OutboundError("OUTBOUND_TIMEOUT", f"{shown} did not answer in time.") from None
    except aiohttp.ClientSSLError:
        raise OutboundError("OUTBOUND_FAILED", f"{shown} has no certificate that is trusted.") from None
    except aiohttp.ClientConnectorError:
        raise OutboundError("OUTBOUND_FAILED", f"{shown} cannot be reached.") from None
    except (aiohttp.ClientError, OSError, ValueError):
        raise OutboundError("OUTBOUND_FAILED", f"{shown} broke off, or sent what is not HTTP.") from None
