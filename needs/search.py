"""Asks the public catalogues of Hugging Face and Civitai who has a file of a name.

What they answer are candidates: anyone may upload a file of any name. Written from the sites' API documents
(huggingface.co/docs/hub/api, developer.civitai.com/site/reference/models) and tried against stand-ins.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

from ..access import Limits, OutboundError
from .text import base, items, member, sha256_of, stem, text

if TYPE_CHECKING:
    from .values import Source

_ANSWER_BYTES = 8 * 1024 * 1024
_LIMITS = Limits(connect_s=5, answer_s=15, stall_s=10, total_s=30)
_REPOSITORIES = 20
"""How many repositories or models one question asks for."""
_MOST = 5
"""Candidates that one site gives for one name."""
_WORDS = re.compile(r"[\s_\-.]+")

CIVITAI_FOLDERS: Mapping[str, str] = {
    "Checkpoint": "checkpoints",
    "Controlnet": "controlnet",
    "DoRA": "loras",
    "Hypernetwork": "hypernetworks",
    "LORA": "loras",
    "LoCon": "loras",
    "TextualInversion": "embeddings",
    "Upscaler": "upscale_models",
    "VAE": "vae",
}
"""Civitai's types of models → ComfyUI's folders."""


class Requests(Protocol):
    """What of :class:`~backplane.access.Outbound` is used."""

    def request(
        self, method: str, url: str, *, hops: int = 0, limits: Limits | None = None
    ) -> AbstractAsyncContextManager[Any]:
        """Send a request."""
        ...


class HuggingFaceSearch:
    """Searches Hugging Face's repositories. It matches their names, not those of files: a hit is luck.

    *endpoint* is where it lives, without a slash at its end.
    """

    site = "huggingface"

    def __init__(self, outbound: Requests, endpoint: str = "https://huggingface.co") -> None:
        self._outbound = outbound
        self._endpoint = endpoint

    async def find(self, name: str) -> Sequence[Source]:
        """See :class:`~.service.Search`: asks for the whole name, then for its first two words."""
        found: list[Source] = []
        for asked in _questions(name):
            query = urlencode({"search": asked, "full": "true", "sort": "downloads", "limit": _REPOSITORIES})
            answer = await _get(self._outbound, f"{self._endpoint}/api/models?{query}")
            found.extend(self._in(answer, name))
            if found:
                break
        return found[:_MOST]

    def _in(self, answer: Any, name: str) -> Iterator[Source]:
        for repository in items(answer):
            id_ = text(member(repository, "id"), 200)
            if id_ is None or member(repository, "private") is True:
                continue
            for sibling in items(member(repository, "siblings")):
                path = text(member(sibling, "rfilename"))
                if path is not None and base(path) == name:
                    url = f"{self._endpoint}/{quote(id_)}/resolve/main/{quote(path)}"
                    yield _candidate(url, name, None, None)


class CivitaiSearch:
    """Searches Civitai's models. *endpoint* is where it lives, without a slash at its end."""

    site = "civitai"

    def __init__(self, outbound: Requests, endpoint: str = "https://civitai.com") -> None:
        self._outbound = outbound
        self._endpoint = endpoint

    async def find(self, name: str) -> Sequence[Source]:
        """See :class:`~.service.Search`."""
        found: list[Source] = []
        for asked in _questions(name)[:1]:
            query = urlencode({"query": asked, "limit": _REPOSITORIES})
            answer = await _get(self._outbound, f"{self._endpoint}/api/v1/models?{query}")
            found.extend(self._in(answer, name))
        return found[:_MOST]

    def _in(self, answer: Any, name: str) -> Iterator[Source]:
        for model in items(member(answer, "items")):
            folder = CIVITAI_FOLDERS.get(text(member(model, "type")) or "")
            for version in items(member(model, "modelVersions")):
                for file in items(member(version, "files")):
                    url = text(member(file, "downloadUrl"), 2000)
                    if member(file, "name") == name and url is not None and url.startswith("https://"):
                        digest = sha256_of(member(member(file, "hashes"), "SHA256"), "SHA256")
                        # its sizeKB is rounded: not a size to hold a file to
                        yield _candidate(url, name, folder, digest)


def _candidate(url: str, name: str, folder: str | None, sha256: str | None) -> Source:
    from .values import Source  # noqa: PLC0415 - see the package's docstring

    return Source(url, name, folder, sha256, "search")


def _questions(name: str) -> list[str]:
    """Give what to search for: the words of a file's name, then only the first two."""
    words = [word for word in _WORDS.split(stem(name)) if word]
    if not words:
        return []
    return list(dict.fromkeys((" ".join(words), " ".join(words[:2]))))


async def _get(outbound: Requests, url: str) -> Any:
    """GET JSON. Raises OutboundError."""
    async with outbound.request("GET", url, hops=2, limits=_LIMITS) as answer:
        if answer.status != 200:
            raise OutboundError("OUTBOUND_FAILED", f"The site answered {answer.status}.")
        body = bytearray()
        async with contextlib.aclosing(answer.pieces()) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) > _ANSWER_BYTES:
                    raise OutboundError("OUTBOUND_TOO_LARGE", "The site's answer is too large.")
    try:
        return await asyncio.to_thread(json.loads, bytes(body))
    except (ValueError, RecursionError):
        raise OutboundError("OUTBOUND_FAILED", "The site's answer is not JSON.") from None
