"""HTTP requests from worker threads, for large bodies: what :class:`Outbound` is on the event loop.

The same rules hold: a name is resolved once per connection, all its addresses are judged, and the connection
goes to one of exactly these; each redirect is judged like the first URL; no proxies, no cookies, no
``.netrc``, no compressed bodies. Besides, an answer whose headers contradict each other is refused.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING

from yarl import URL

from .addresses import literal
from .framing import Framing, framing
from .line import Line, Pair, Resolve, StreamError, StreamLimits
from .outbound import REDIRECTS
from .rules import OutboundError, Rules, headers_for, not_public, redacted

if TYPE_CHECKING:
    from .pinned import Answer, Connection

PROJECT = "https://github.com/backplane-comfy/backplane"
CHUNKED_BYTES = 64 * 1024
"""How much of a chunked body is read at once: what is read of it comes whole or not at all."""

_STOPPED = frozenset({"MissingHeaderBodySeparatorDefect", "FirstHeaderLineIsContinuationDefect"})

Headers = tuple[tuple[str, str], ...]
"""All headers of an answer as they came, in order."""
OnStop = Callable[[Callable[[], None]], Callable[[], None]]
"""Has a call made when all shall end, and gives what undoes that."""


@dataclass(frozen=True, slots=True)
class Hop:
    """An answer that led on to the next. *url* may hold tokens."""

    url: str
    status: int
    headers: Headers

    def header(self, name: str) -> str | None:
        """Give a header's last value."""
        return header(self.headers, name)


def header(headers: Headers, name: str) -> str | None:
    """Give the last value of the header *name*, in any case; None if there is none."""
    wanted = name.lower()
    return next((value for each, value in reversed(headers) if each.lower() == wanted), None)


class Stream:
    """An answer whose headers are here, and whose body is read by one thread; to be closed.

    *url* is where the last redirect led, and may hold tokens. *hops* are the redirects, the first one first.
    *length* is the body's, in bytes, where the headers tell.
    """

    def __init__(
        self,
        connection: Connection,
        answer: Answer,
        line: Line,
        *,
        method: str,
        url: str,
        hops: tuple[Hop, ...],
        undo: Callable[[], None],
    ) -> None:
        self.status: int = answer.status
        self.headers = _headers_of(answer)
        self.url = url
        self.hops = hops
        self._connection = connection
        self._answer = answer
        self._line = line
        self._undo = undo
        self._fp: io.BufferedReader = answer.fp
        self._begun = False
        self._framing: Framing | None = None
        self._unframed = ""
        try:
            self._framing = framing(method, answer.status, self.headers)
        except ValueError as error:
            self._unframed = f"{line.shown} {error}."
            if answer.status < 300:
                raise StreamError("bad_response", self._unframed) from None
        self.length = None if self._framing is None else self._framing.length
        self._left = self.length

    def __enter__(self) -> Stream:  # noqa: PYI034 - Self came with Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def header(self, name: str) -> str | None:
        """Give a header's last value."""
        return header(self.headers, name)

    def readinto(self, view: memoryview) -> int:
        """Read up to ``len(view)`` bytes of the body, fewer if they come slowly; 0 at its end.

        Raises StreamError: ``incomplete`` if it ended before its length, ``stalled``, ``broken``,
        ``bad_response`` (more came than its length) or ``aborted``.
        """
        if self._framing is None:
            raise StreamError("bad_response", self._unframed)
        if self._left == 0 or not view:
            return 0
        if not self._begun:
            self._begun = True
            self._line.expect_body(self._answer.sock, slices=not self._framing.chunked)
        self._line.fill()
        if self._framing.chunked:
            return self._chunk(view[:CHUNKED_BYTES])
        if self._left is None:
            count = self._fp.readinto(view)
            self._left = None if count else 0
            return count
        count = self._fp.readinto(view[: self._left])
        if not count:
            raise StreamError("incomplete", f"{self._line.shown} ended {self._left} bytes too early.")
        self._left -= count
        if not self._left:
            self._nothing_more()
        return count

    def read(self, most: int) -> bytes:
        """Read the body, or its first *most* bytes. Raises StreamError as :meth:`readinto` does."""
        read = bytearray()
        piece = memoryview(bytearray(min(most, CHUNKED_BYTES)))
        while len(read) < most:
            count = self.readinto(piece[: most - len(read)])
            if not count:
                break
            read += piece[:count]
        return bytes(read)

    def abort(self) -> None:
        """End it, now and for good; from any thread. Whoever reads gets StreamError ``aborted`` at once."""
        self._line.abort()

    def close(self) -> None:
        """Close the connection; by the thread that reads. Once is enough, twice does no harm."""
        self._undo()
        self._connection.close()
        self._line.hang_up(finished=self._left == 0)

    def _chunk(self, view: memoryview) -> int:
        try:
            count = self._answer.readinto(view)
        except http.client.IncompleteRead:
            self._line.check()
            raise StreamError("incomplete", f"{self._line.shown} ended within a chunk.") from None
        except (http.client.HTTPException, ValueError):
            raise StreamError("bad_response", f"{self._line.shown} sent chunks that are none.") from None
        self._left = None if count else 0
        return count

    def _nothing_more(self) -> None:
        """Refuse a body that goes on past its length, as far as that can be told without waiting."""
        sock = self._answer.sock
        try:
            sock.settimeout(0)
            more = len(self._fp.peek(1)) > 0
        except (StreamError, OSError, ValueError):
            more = False
        if more:
            raise StreamError("bad_response", f"{self._line.shown} sent more than its Content-Length.")


class Streams:
    """Sends GET and HEAD under *rules*. Any number of threads may use it at once; it keeps nothing open.

    *resolve* and *tls* are for tests: who is asked for addresses (each pair that it gives is judged by the
    rules, and then connected to), and whom certificates are trusted from.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        user_agent: str = "Backplane",
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rules = rules
        self._user_agent = user_agent if "(" in user_agent else f"{user_agent} (+{PROJECT})"
        self._resolve = resolve or _ask_system
        self._tls = tls
        self._clock = clock
        self._lock = threading.Lock()

    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        entry: Rules | None = None,
        hops: tuple[str, ...] = (),
        check_hop: Callable[[str, str], bool] | None = None,
        max_hops: int = 5,
        limits: StreamLimits | None = None,
        on_stop: OnStop | None = None,
    ) -> Stream:
        """Send a request and wait for the answer's headers.

        *entry* are the rules for this URL in place of the usual ones. A redirect may lead to the URL's own
        host and to those that match the patterns *hops*, if *check_hop* (from, to) says so too; with 0
        *max_hops* a redirect is an answer like others. *headers* that may be secret go to the URL's own
        origin only. *on_stop* lets another thread end it, also while it connects. Raises StreamError.
        """
        if method not in {"GET", "HEAD"}:
            raise ValueError(f"{method} is for others to send")
        line = Line(limits or StreamLimits(), self._clock)
        undo = on_stop(line.abort) if on_stop is not None else _nothing
        try:
            return self._follow(
                method, url, dict(headers or {}), entry or self.rules, hops, check_hop, max_hops, line, undo
            )
        except BaseException:
            undo()
            line.hang_up()
            raise

    def _follow(
        self,
        method: str,
        url: str,
        sent: dict[str, str],
        entry: Rules,
        hosts: tuple[str, ...],
        check_hop: Callable[[str, str], bool] | None,
        most: int,
        line: Line,
        undo: Callable[[], None],
    ) -> Stream:
        try:
            target = entry.check(url)
        except OutboundError as error:
            raise StreamError("refused", error.message) from None
        rules = replace(entry, hosts=((target.raw_host or "").removesuffix("."), *hosts))
        hops: list[Hop] = []
        while True:
            line.shown = redacted(str(target))
            connection, answer = self._ask(method, target, sent, rules, line)
            try:
                hop = Hop(str(target), answer.status, _headers_of(answer))
                if not most or answer.status not in REDIRECTS:
                    return Stream(
                        connection, answer, line, method=method, url=hop.url, hops=tuple(hops), undo=undo
                    )
                following = _next(rules, target, hop, check_hop, left=most - len(hops))
            except BaseException:
                connection.close()
                raise
            connection.close()
            hops.append(hop)
            sent, target = headers_for(sent, target, following), following

    def _ask(
        self, method: str, target: URL, sent: Mapping[str, str], rules: Rules, line: Line
    ) -> tuple[Connection, Answer]:
        from .pinned import Connection  # noqa: PLC0415 - urllib3 is loaded when it is needed

        host, port = target.raw_host or "", target.port or 0
        pairs = self._vetted(host, port, rules, line)
        tls = self._trust() if target.scheme == "https" else None
        answer_s = line.limits.answer_s
        connection = Connection(host, port, pairs, line, tls=tls, timeout_s=answer_s)
        all_sent = {"User-Agent": self._user_agent, "Accept": "*/*", **sent}
        all_sent |= {"Accept-Encoding": "identity", "Connection": "close"}
        try:
            _shake_hands(connection, line)
            answer = _answered(connection, line, method, target.raw_path_qs, all_sent)
            _check_head(answer, line)
        except BaseException:
            connection.close()
            raise
        return connection, answer

    def _vetted(self, host: str, port: int, rules: Rules, line: Line) -> list[Pair]:
        address = literal(host)
        pairs = list(line.resolve(self._resolve, host, port)) if address is None else [(str(address), port)]
        if not all(rules.admits_text(ip, at) for ip, at in pairs):
            raise StreamError("blocked_address", not_public(line.shown))
        return pairs

    def _trust(self) -> ssl.SSLContext:
        from .pinned import trusting  # noqa: PLC0415 - urllib3 is loaded when it is needed

        with self._lock:
            if self._tls is None:
                self._tls = trusting()
            return self._tls


def _nothing() -> None:
    """Undo nothing."""


def _ask_system(host: str, port: int) -> list[Pair]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((str(sockaddr[0]), port) for *_, sockaddr in found))


def _headers_of(answer: Answer) -> Headers:
    return tuple(answer.headers.items())


def _check_head(answer: Answer, line: Line) -> None:
    """Refuse 1xx answers, and headers whose reading stopped before their end: some may be missing."""
    stopped = any(type(defect).__name__ in _STOPPED for defect in answer.headers.defects)
    if answer.status < 200 or stopped or answer.headers.get_payload():
        raise StreamError("bad_response", f"{line.shown} sent headers that are none.")


def _next(
    rules: Rules, target: URL, hop: Hop, check_hop: Callable[[str, str], bool] | None, *, left: int
) -> URL:
    if not left:
        raise StreamError("too_many_redirects", f"{redacted(hop.url)} led to one redirect too many.")
    # Header fields are read as Latin-1; where a URL has other letters it was sent as UTF-8.
    location = (hop.header("Location") or "").encode("latin-1", "replace").decode("utf-8", "replace")
    if not location:
        raise StreamError("bad_response", f"{redacted(hop.url)} sent a redirect that leads nowhere.")
    try:
        following = rules.check_hop(target, location)
    except OutboundError as error:
        raise StreamError("hop_refused", error.message) from None
    except ValueError:
        raise StreamError("hop_refused", "The redirect leads to what is not a URL.") from None
    if check_hop is not None and not check_hop(hop.url, str(following)):
        shown = redacted(str(following))
        raise StreamError("hop_refused", f"{redacted(hop.url)} may not lead to {shown}.")
    return following


def _shake_hands(connection: Connection, line: Line) -> None:
    try:
        connection.connect()
        line.check()
    except ssl.SSLCertVerificationError as error:
        message = f"{line.shown} has no certificate that is trusted ({error.verify_message.rstrip('.')})."
        raise StreamError("tls", message) from None
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError, ConnectionError):
        line.check()
        raise StreamError("connect", f"{line.shown} closed the connection.") from None
    except ssl.SSLError:
        line.check()
        raise StreamError("tls", f"{line.shown} and this server agree on no TLS.") from None
    except TimeoutError:
        raise StreamError("timeout", f"{line.shown} was too slow with TLS.") from None
    except OSError:
        line.check()
        raise StreamError("connect", f"{line.shown} cannot be reached.") from None
    except ValueError:  # urllib3's own comparison of names, where OpenSSL has none
        raise StreamError("tls", f"{line.shown} has no certificate that is trusted.") from None


def _answered(
    connection: Connection, line: Line, method: str, target: str, headers: dict[str, str]
) -> Answer:
    line.expect_answer()
    try:
        return connection.ask(method, target, headers)
    except http.client.RemoteDisconnected:
        line.check()
        raise StreamError("broken", f"{line.shown} closed the connection.") from None
    except (http.client.HTTPException, UnicodeError):
        raise StreamError("bad_response", f"{line.shown} sent what is not HTTP.") from None
    except TimeoutError:
        raise StreamError("timeout", f"{line.shown} did not answer in time.") from None
    except OSError:
        line.check()
        raise StreamError("broken", f"The connection to {line.shown} broke.") from None
    except ValueError:  # http.client refuses a header with a line break in it
        raise StreamError("refused", f"The headers for {line.shown} cannot be sent.") from None
