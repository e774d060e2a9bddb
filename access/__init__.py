"""What may come in and go out. For now: safe HTTP requests to addresses that clients named."""

from __future__ import annotations

from .outbound import Answer, Fetched, Limits, Outbound, Reply
from .rules import OutboundError, Rules, redacted

__all__ = [
    "Answer",
    "Fetched",
    "Limits",
    "Outbound",
    "OutboundError",
    "Reply",
    "Rules",
    "redacted",
]
