"""What may come in and go out: the node classes of workflows, HTTP requests to addresses that clients named.

What is for worker threads is loaded when it is first asked for, not while ComfyUI imports the package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .allowed import AllowList
from .outbound import Answer, Fetched, Limits, Outbound, Reply
from .rules import OutboundError, Rules, redacted

if TYPE_CHECKING:
    from .line import StreamError, StreamLimits
    from .streams import Headers, Hop, Stream, Streams, header

__all__ = [
    "AllowList",
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

_LATE = {
    **dict.fromkeys(("StreamError", "StreamLimits"), ".line"),
    **dict.fromkeys(("Headers", "Hop", "Stream", "Streams", "header"), ".streams"),
}
"""Name → the module that has it."""


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"{__name__} has no {name}")
    return getattr(import_module(_LATE[name], __name__), name)
