"""Links to files on Civitai, in all the forms that people paste."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .links import Link, invalid, parse, scheme_of

CIVITAI_HOSTS = frozenset({"civitai.com", "civitai.red", "civitai.green"})
FILE_KEYS = ("fileId", "type", "format", "size", "fp", "quantType")
"""What a download link may ask for of a version's files."""

_AIR = re.compile(
    r"urn:air:[a-z0-9._-]+:[a-z0-9._-]+:civitai:(\d{1,12})(?:@(\d{1,12}))?(?::[^:@\s]*)?(?:\.[a-z0-9]+)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d{1,12}")


@dataclass(frozen=True, slots=True)
class CivitaiFile:
    """A file of a version of a model; without *version*, of the latest one. *host* is asked about it."""

    host: str
    model: int | None
    version: int | None
    asked: Mapping[str, str] = field(default_factory=dict[str, str])
    """Which of the version's files, by :data:`FILE_KEYS`; empty for the primary one."""
    had_token: bool = False
    """Whether the link had a token in it, which is not used."""


def site_of(link: Link) -> str | None:
    """Give the site whose link it is: ``www.`` counts as the site itself; None if it is not Civitai's."""
    host = link.host.removeprefix("www.")
    return host if host in CIVITAI_HOSTS else None


def read(url: str, own: str | None = None) -> CivitaiFile:
    """Read a link; *own* is the origin of a stand-in. Raises DownloadError DOWNLOAD_INVALID_URL."""
    if scheme_of(url) == "urn":
        found = _AIR.fullmatch(url)
        if found is None:
            raise invalid(
                "That is no AIR of Civitai.", hint="urn:air:<base>:<type>:civitai:<model id>@<version id>"
            )
        version = found.group(2)
        return CivitaiFile("civitai.com", int(found.group(1)), int(version) if version else None)
    link = parse(url)
    site = site_of(link) or (link.host if link.origin == own else None)
    if site is None:
        raise invalid("That is no link to Civitai.")
    had_token = link.asks("token") is not None
    asked = {key: value for key in FILE_KEYS if (value := link.asks(key.lower()))}
    match link.parts:
        case ("api", "download", "models", version, *_) if _NUMBER.fullmatch(version):
            return CivitaiFile(site, None, int(version), asked, had_token)
        case ("api", "v1", "model-versions", version) | ("model-versions", version) if _NUMBER.fullmatch(
            version
        ):
            return CivitaiFile(site, None, int(version), asked, had_token)
        case ("models", model, *_) | ("api", "v1", "models", model) if _NUMBER.fullmatch(model):
            version = link.asks("modelversionid") or ""
            number = int(version) if _NUMBER.fullmatch(version) else None
            return CivitaiFile(site, int(model), number, asked, had_token)
        case _:
            raise invalid(
                "The link leads to a page of Civitai, not to a model.",
                hint="https://civitai.com/models/… or the link of its download button",
            )
