"""Collects which model files the public workflow templates use, and where to get each: known_models.json.

    python data/collect_models.py FOLDER…

Each FOLDER is that of an installed comfyui-workflow-templates-json package, or of comfyui-workflow-templates
from before that was split off; the older ones name models that the newer no longer use. Only facts are taken:
file names, model folders, addresses, hashes. An address is kept in the form that gives the file itself, and
only if it is https on one of the hosts below. Where the templates name several addresses for one name in one
folder, the one kept ends in that very name, else is named most often, else comes first in the alphabet.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

HOSTS = frozenset({"huggingface.co", "github.com", "civitai.com"})
FOLDERS = {"unet": "diffusion_models", "clip": "text_encoders"}
"""Old names of model folders."""

Row = tuple[str, str, str]
"""Name, folder, address."""


def nodes_of(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the nodes of a workflow and of all its subgraphs."""
    yield from document["nodes"]
    for subgraph in document.get("definitions", {}).get("subgraphs", []):
        yield from subgraph["nodes"]


def entries_of(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give what a workflow says of the models it needs."""
    yield from document.get("models", [])
    for node in nodes_of(document):
        yield from node.get("properties", {}).get("models", [])


def address(url: str) -> str | None:
    """Give the one form of an address that is kept, or None where it is none of ours."""
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.netloc not in HOSTS:
        return None
    if parts.netloc == "huggingface.co":
        return f"https://huggingface.co{parts.path.replace('/blob/', '/resolve/', 1)}"
    return url  # Civitai tells the files of a version apart by the query


def collect(folders: list[Path]) -> tuple[Counter[Row], dict[str, str], int]:
    """Count the rows of all workflows under *folders*; also the hash of each address, and the workflows."""
    seen: Counter[Row] = Counter()
    hashes: dict[str, str] = {}
    workflows = 0
    for path in (path for folder in folders for path in sorted(folder.rglob("*.json"))):
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict) or "nodes" not in document:
            continue  # an index of the templates
        workflows += 1
        for entry in entries_of(cast("dict[str, Any]", document)):
            url = address(entry["url"])
            if url is None:
                continue
            folder: str = entry["directory"]
            seen[entry["name"], FOLDERS.get(folder, folder), url] += 1
            digest = str(entry.get("hash", "")).lower()
            if entry.get("hash_type") == "SHA256" and re.fullmatch("[0-9a-f]{64}", digest):
                hashes[url] = digest
    return seen, hashes, workflows


def chosen(seen: Counter[Row], hashes: dict[str, str]) -> dict[str, list[list[str]]]:
    """Give ``{name: [[folder, url, sha256?], …]}``, one row for each folder."""
    best: dict[tuple[str, str], tuple[bool, int, str]] = {}
    for (name, folder, url), times in seen.items():
        rank = (unquote(url.rpartition("/")[2]) != name, -times, url)
        best[name, folder] = min(best.get((name, folder), rank), rank)
    table: dict[str, list[list[str]]] = {}
    for (name, folder), (_, _, url) in sorted(best.items()):
        table.setdefault(name, []).append([folder, url, *([hashes[url]] if url in hashes else [])])
    return table


def package_of(folder: Path) -> str:
    """Give name and version of the package that installed *folder*."""
    for found in folder.parent.glob(f"{folder.name}-*.dist-info"):
        name, _, version = found.name.removesuffix(".dist-info").rpartition("-")
        return f"{name.replace('_', '-')} {version}"
    raise SystemExit(f"{folder} belongs to no installed package.")


def main() -> None:
    """Write the table beside this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("known_models.json"))
    given = parser.parse_args()
    folders: list[Path] = [folder.resolve() for folder in given.folders]
    out: Path = given.out
    seen, hashes, workflows = collect(folders)
    models = chosen(seen, hashes)
    head = compact({"format": 1, "packages": [*map(package_of, folders)], "workflows": workflows})
    # one name a line, so that collecting anew is a readable diff
    rows = ",\n".join(f"{compact(name)}:{compact(row)}" for name, row in models.items())
    out.write_text(f'{head[:-1]},"models":{{\n{rows}\n}}}}\n', encoding="utf-8")
    print(f"{workflows} workflows, {len(models)} models, {out.stat().st_size} bytes -> {out}")


def compact(value: Any) -> str:
    """Give *value* as JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    main()
