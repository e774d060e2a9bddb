"""urllib3's connections, leading to addresses that were vetted before. Imported when the first one is made.

urllib3 is what requests is made of. Its pools are left out, and with them what a stream must not do: they log
each request's whole path and query, tokens and all, rewrite the path, and keep connections for later.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import urllib3.connection

from .line import Line, Pair, Watched

BUFFER_BYTES = 16 * 1024
"""Enough for an answer's headers; a body is read past it."""


class Answer(http.client.HTTPResponse):
    """An answer that is read through its :class:`Line`."""

    def __init__(self, sock: socket.socket, *args: Any, line: Line, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        raw: Any = self.fp.detach()  # type: ignore[attr-defined]
        self.sock = sock
        self.fp = io.BufferedReader(Watched(raw, sock, line), BUFFER_BYTES)


class _Plain(urllib3.connection.HTTPConnection):
    line: Line
    pairs: Sequence[Pair]

    def _new_conn(self) -> socket.socket:
        return self.line.dial(self.pairs)


class _Secure(urllib3.connection.HTTPSConnection):
    line: Line
    pairs: Sequence[Pair]

    def _new_conn(self) -> socket.socket:
        return self.line.dial(self.pairs)


class Connection:
    """One request on one connection to one of *pairs*; TLS, if any, is with *host*."""

    def __init__(
        self,
        host: str,
        port: int,
        pairs: Sequence[Pair],
        line: Line,
        *,
        tls: ssl.SSLContext | None,
        timeout_s: float,
    ) -> None:
        made: Any
        if tls is None:
            made = _Plain(host, port, timeout=timeout_s)
        else:
            made = _Secure(host, port, timeout=timeout_s, ssl_context=tls)
        made.line, made.pairs = line, pairs
        made.response_class = functools.partial(Answer, line=line)
        self._made = made
        self._answer: Answer | None = None

    def connect(self) -> None:
        """Connect, and shake hands. Raises StreamError, OSError and what ssl raises."""
        self._made.connect()

    def ask(self, method: str, target: str, headers: dict[str, str]) -> Answer:
        """Send a request; give the answer, whose headers are there. Raises OSError and HTTPException."""
        self._made.request(method, target, headers=headers)
        # Not urllib3's own getresponse: it would log the whole URL of an answer with odd headers.
        answer: Any = http.client.HTTPConnection.getresponse(self._made)
        self._answer = answer
        return answer

    def close(self) -> None:
        """Close it, and its answer."""
        if self._answer is not None:
            self._answer.close()
        self._made.close()


def trusting() -> ssl.SSLContext:
    """Trust whom the operating system trusts; where it has no store, whom Mozilla trusts (certifi)."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    folder = ssl.get_default_verify_paths().capath  # read by OpenSSL when it is needed, so not counted yet
    if not context.cert_store_stats().get("x509_ca") and not (folder and any(Path(folder).iterdir())):
        import certifi  # noqa: PLC0415 - requests brings it; seldom needed

        context.load_verify_locations(certifi.where())
    return context
