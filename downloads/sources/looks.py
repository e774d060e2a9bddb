"""A look at a file by the headers and first bytes of a GET that is then broken off.

Not by HEAD: servers that sign their links, or count downloads, answer it otherwise than GET.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..plan import Address, Stop
from .answers import disposition_name, media_type, refuse_page, whole_number
from .links import parse
from .web_api import LOOK_BYTES, Answer, Question, Web


@dataclass(frozen=True, slots=True)
class Look:
    """What a server says of a file before it is fetched."""

    size: int | None
    """Bytes; None where it does not say, or sends them packed."""
    filename: str | None
    """As Content-Disposition names it."""
    media_type: str | None


def look(web: Web, address: Address, stop: Stop, *, name: str | None = None) -> Look | Answer:
    """Begin to fetch; give the answer itself if it is no success. *name* is the file's, as its link has it.

    Raises DownloadError, DOWNLOAD_BAD_RESPONSE for a web page among others.
    """
    question = Question(
        address.url,
        headers=address.headers,
        hops=5,
        hop_hosts=address.hop_hosts,
        check_hop=address.check_hop,
        private=address.private,
        most_bytes=LOOK_BYTES,
    )
    answer = web.ask(question, stop)
    if answer.status != 200:
        return answer
    media, named = media_type(answer.headers), disposition_name(answer.headers)
    refuse_page(parse(address.url).host, media, answer.body, named or name)
    return Look(_size(answer.headers), named, media)


def _size(headers: Mapping[str, str]) -> int | None:
    packed = headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}
    return None if packed or "transfer-encoding" in headers else whole_number(headers, "content-length")
