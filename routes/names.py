"""Where ComfyUI's page keeps the names of node classes in other languages.

They are no part of ComfyUI's API: they are modules of the installed page, under names that change with each
version of it. A page that keeps them elsewhere only means that node classes have their English names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

LANGUAGES = ("zh",)

INDEXES = ("i18n-*.js", "index-*.js")
"""The modules of the page that name the others; the newer form first."""

LARGEST = 16 * 1024 * 1024


def names_of(page: Path | None) -> Mapping[str, str]:
    """Give language → address of the module with its names in the page of that folder. Reads files."""
    found: dict[str, str] = {}
    for language in LANGUAGES:
        # "./zh/nodeDefs.json":()=>…import(`./nodeDefs-Ab1_.js`), and before: zh:…import("./nodeDefs-Ab1_.js")
        pattern = re.compile(
            rf"""(?:"\./{language}/nodeDefs\.json"|\b{language}):[^"'`]{{0,80}}["'`]\./(nodeDefs-[\w-]+\.js)["'`]"""
        )
        for path in _indexes(page):
            said = pattern.search(path.read_text(encoding="utf-8", errors="replace"))
            if said and (path.parent / said[1]).is_file():
                found[language] = f"/assets/{said[1]}"
                break
    return found


def _indexes(page: Path | None) -> list[Path]:
    if page is None:
        return []
    files = [path for pattern in INDEXES for path in sorted((page / "assets").glob(pattern))]
    return [path for path in files if path.is_file() and path.stat().st_size <= LARGEST]
