"""What of a workflow's models can be downloaded as it stands."""

from __future__ import annotations

from urllib.parse import unquote

from .text import base, has_suffix
from .values import Download, Downloads, ModelNeed, Requirements, Source


def missing_downloads(requirements: Requirements) -> Downloads:
    """Give one download for each model that is needed and missing, and those that have none.

    The first source that the workflow or the table of known models names and that can be used counts; what a
    search found is never used, for nobody vouches for it. Names, folders and URLs are as the workflow has
    them: whoever downloads checks them.
    """
    items: list[Download] = []
    without: list[ModelNeed] = []
    wanted = [need for need in requirements.models if need.needed]
    for need in wanted:
        if need.status != "missing":
            continue
        found = (_download(need, source) for source in need.sources if source.origin != "search")
        first = next((each for each in found if each is not None), None)
        if first is None:
            without.append(need)
        else:
            items.append(first)
    elsewhere = tuple(need for need in wanted if need.status == "elsewhere")
    return Downloads(tuple(items), tuple(without), elsewhere)


def _download(need: ModelNeed, source: Source) -> Download | None:
    folder = need.folder or source.folder
    if folder is None or not source.url.startswith("https://"):
        return None
    target_dir, _, filename = need.name.rpartition("/")
    if not has_suffix(filename):  # a prompt names an embedding without
        path = unquote(source.url.partition("?")[0])
        filename = next((base(name) for name in (source.name, path) if has_suffix(name)), "")
    if not filename:
        return None
    return Download(source.url, folder, filename, target_dir or None, source.sha256, need)
