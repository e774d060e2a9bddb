"""What sources need of HTTP: small questions to known servers, without the file itself.

``streams_web.py`` answers them over the guarded client of ``access/``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..plan import HopCheck, Stop
from ..trouble import DownloadError

JSON_BYTES = 8 * 1024 * 1024
"""How much JSON is read of one answer at most."""
LOOK_BYTES = 512
"""How much of a file is read to see what it is."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request. Never logged: its URL and headers may hold tokens."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Go to the first URL's origin only."""
    hops: int = 0
    """How many redirects are followed; the one after the last is an answer like others."""
    hop_hosts: tuple[str, ...] = ()
    """Patterns of hosts that redirects may lead to, beside the first URL's own."""
    check_hop: HopCheck | None = None
    private: bool = False
    """Whether the owner of this server named this host: plain http and a private address will do."""
    most_bytes: int = 0
    """How much of the body is read at most; the connection is closed after it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; *headers* have lower-case names. *url* is where the last redirect led, maybe secret."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    more: bool = False
    """Whether the body goes on after *body*."""
    url: str = field(default="", repr=False)


class Web(Protocol):
    """Asks. Called in worker threads."""

    def ask(self, question: Question, stop: Stop) -> Answer:
        """Send one request. Raises DownloadError with the code for what went wrong; Stopped."""
        ...


def json_of(answer: Answer, who: str) -> Any:
    """Give the JSON of an answer. Raises DownloadError DOWNLOAD_BAD_RESPONSE."""
    if answer.more:
        raise DownloadError("DOWNLOAD_BAD_RESPONSE", f"{who} answered with more than {JSON_BYTES} bytes.")
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise DownloadError("DOWNLOAD_BAD_RESPONSE", f"{who} answered with what is not JSON.") from None
