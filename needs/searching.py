"""Adds what public sites have to the models that nothing else says where to get."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from ..errors import ApiError
from .service import Search
from .text import base
from .values import ModelNeed, Requirements, SearchReport, Source

MOST_SEARCHED = 20
"""For how many models a site is asked."""
_AT_ONCE = 4


async def searched(found: Requirements, sites: Sequence[Search]) -> Requirements:
    """Ask *sites* for the models that are needed, missing and without a source.

    A site that fails is not asked again; the answer says which did.
    """
    wanted = [need for need in found.models if need.needed and need.status == "missing" and not need.sources]
    wanted_ids = set(map(id, wanted))
    names = list(dict.fromkeys(base(need.name) for need in wanted))[:MOST_SEARCHED]
    turn = asyncio.Semaphore(_AT_ONCE)
    failed: dict[str, str] = {}

    async def ask(site: Search, name: str) -> Sequence[Source]:
        async with turn:
            if site.site in failed:  # it will not be better for the next
                return ()
            try:
                return await site.find(name)
            except ApiError as error:
                failed[site.site] = error.code
                return ()

    asked = [(site, name) for name in names for site in sites]
    answers = await asyncio.gather(*(ask(site, name) for site, name in asked))
    sources: dict[str, list[Source]] = {}
    for (_, name), answer in zip(asked, answers, strict=True):
        sources.setdefault(name, []).extend(answer)

    def with_sources(need: ModelNeed) -> ModelNeed:
        if id(need) not in wanted_ids:
            return need
        return replace(need, sources=tuple(sources.get(base(need.name), ())))

    return replace(
        found,
        models=tuple(map(with_sources, found.models)),
        search=SearchReport(tuple(site.site for site in sites), len(names), failed),
    )
