"""The places that models come from.

============ ===============================================================================
huggingface  huggingface.co, hf.co, the mirror that HF_ENDPOINT names, ``hf://``
civitai      civitai.com, .red, .green, ``urn:air:…``
github       files of releases and of repositories
objects      ``s3://``, ``gs://``, ``az://`` in the buckets that ``object_stores`` names
web          every other host that ``download_hosts`` names
============ ===============================================================================
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...settings import Settings
from ..plan import Source
from .civitai import Civitai
from .github import GitHub
from .huggingface import HuggingFace
from .links import forbidden, invalid, parse, scheme_of
from .objects import ObjectStores
from .tokens import Tokens, package_token
from .web import WebFiles
from .web_api import Web


@dataclass(frozen=True, slots=True)
class StandIns:
    """Origins such as ``http://127.0.0.1:8001`` of servers that stand in for the real ones, for trying out.

    Hugging Face's needs none: HF_ENDPOINT names it. *civitai_delivery* are patterns of hosts.
    """

    civitai: str | None = None
    civitai_delivery: tuple[str, ...] = ()
    github: str | None = None
    github_api: str | None = None


REAL = StandIns()


def sources(
    settings: Settings,
    web: Web,
    environ: Mapping[str, str] | None = None,
    stand_ins: StandIns = REAL,
    hub_token: Callable[[], str | None] | None = package_token,
) -> tuple[Source, ...]:
    """Give all sources, in the order in which they are asked whose a link is."""
    environ = os.environ if environ is None else environ
    tokens = Tokens(settings, environ, hub_token)
    return (
        HuggingFace(settings, web, tokens, environ),
        Civitai(settings, web, tokens, origin=stand_ins.civitai, delivery=stand_ins.civitai_delivery),
        GitHub(settings, web, tokens, origin=stand_ins.github, api=stand_ins.github_api),
        ObjectStores(settings, web, environ),
        WebFiles(settings, web),
    )


def claimed(url: str, among: Sequence[Source]) -> Source:
    """Give the source whose link it is; touches no network.

    Raises DownloadError: DOWNLOAD_INVALID_URL for what cannot be fetched, DOWNLOAD_FORBIDDEN_DOMAIN, with the
    hosts there are, for a host that is not allowed.
    """
    for source in among:
        if source.claims(url):
            return source
    if scheme_of(url) == "urn":
        raise invalid(
            "Only AIRs of Civitai are known.", hint="urn:air:<base>:<type>:civitai:<model>@<version>"
        )
    raise forbidden(parse(url).host, [host for source in among for host in source.hosts])


__all__ = ["REAL", "StandIns", "claimed", "sources"]
