"""What may come in and go out. For now: safe HTTP requests to addresses that clients named."""

from __future__ import annotations

from .line import StreamError, StreamLimits
from .outbound import Answer, Fetched, Limits, Outbound, Reply
from .rules import OutboundError, Rules, redacted
from .streams import Headers, Hop, Stream, Streams, header

__all__ = [
    "Answer",
    "Fetched",
    "Headers",
    "Hop",
    "Limits",
    "Outbound",
    "OutboundError",
    "Reply",
    "Rules",
    "Stream",
    "StreamError",
    "StreamLimits",
    "Streams",
    "header",
    "redacted",
]
