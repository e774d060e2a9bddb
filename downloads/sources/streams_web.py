"""Answers the questions of sources over the guarded client of ``access/``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from ...access import Rules, Stream, StreamError, StreamLimits, Streams
from ..plan import Stop
from ..replies import of_stream_error
from .web_api import Answer, Question

REFUSAL_BYTES = 4096
"""How much is read of an answer that is no success, to say why."""
LIMITS = StreamLimits(stall_s=30.0)


class StreamsWeb:
    """Implements :class:`~.web_api.Web`."""

    def __init__(self, streams: Streams, limits: StreamLimits = LIMITS) -> None:
        self._streams = streams
        self._limits = limits

    def ask(self, question: Question, stop: Stop) -> Answer:
        """Send one request; read what is asked of its body, and close the connection."""
        stop.check()
        try:
            with self._open(question, stop) as stream:
                headers = {name.lower(): value for name, value in reversed(stream.headers)}
                body = self._body(question, stream)
                most = question.most_bytes
                return Answer(stream.status, headers, body[:most], len(body) > most, stream.url)
        except StreamError as error:
            stop.check()
            raise of_stream_error(error) from None

    def _open(self, question: Question, stop: Stop) -> Stream:
        rules: Rules = self._streams.rules
        if question.private:
            rules = replace(rules, allow_http=True, allow_private=True)
        return self._streams.open(
            question.method,
            question.url,
            headers=question.headers,
            entry=rules,
            hops=question.hop_hosts,
            check_hop=question.check_hop,
            max_hops=question.hops,
            limits=self._limits,
            on_stop=stop.on_stop,
        )

    def _body(self, question: Question, stream: Stream) -> bytes:
        """Read one byte more than is asked for; of a refusal only the beginning, if it can be read."""
        if question.method == "HEAD" or not question.most_bytes:
            return b""
        if stream.status < 400:
            return stream.read(question.most_bytes + 1)
        with suppress(StreamError):
            return stream.read(min(question.most_bytes, REFUSAL_BYTES))
        return b""
