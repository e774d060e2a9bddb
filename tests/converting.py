"""Workflows in UI format for tests of the conversion room, and what ComfyUI's own page made of real ones."""

import gzip
import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path

import pytest
from backplane.nodespec import parse

DATA = Path(__file__).parent / "data"
PACKAGE = "comfyui_workflow_templates_json"
"""In the dev dependencies, at the version that the digests were made of."""


@cache
def specs():
    """The classes of the templates, in the order ComfyUI 0.33 declares their inputs."""
    infos = json.loads(gzip.decompress((DATA / "conversion_specs-0.33.0.json.gz").read_bytes()))
    return {name: parse(info, name=name) for name, info in infos.items()}


@cache
def sorted_specs():
    """All classes of ComfyUI 0.33 as JSON with sorted keys, which lost the order within choices."""
    infos = json.loads(gzip.decompress((DATA / "object_info-0.33.0.json.gz").read_bytes()))
    return {name: parse(info, name=name) for name, info in infos.items()}


@cache
def digests():
    """Template -> digest of what front end 1.49.6 (``graphToPrompt``) made of it against ComfyUI 0.33."""
    return json.loads((DATA / "ui_to_api_digests.json").read_text())


def digest(graph):
    plain = {
        node_id: {"class_type": node["class_type"], "inputs": node["inputs"]}
        for node_id, node in graph.items()
    }
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def template_folder():
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{PACKAGE} is not installed (pip install comfyui-workflow-templates-json==0.1.50)")
    return Path(found.submodule_search_locations[0]) / "templates"


def template(name):
    return json.loads((template_folder() / f"{name}.json").read_text(encoding="utf-8"))


def every_template():
    for path in sorted(template_folder().glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(document, dict) and "nodes" in document:
            yield path.stem, document


def node(node_id, kind, values=None, *, links=None, outputs=(), mode=0, **more):
    """A node of a UI workflow; *links* are {input: link id} or, with a type, {input: (link id, type)}."""
    made = {"id": node_id, "type": kind, "mode": mode, "inputs": [], "outputs": [], **more}
    for name, link in (links or {}).items():
        number, its_type = link if isinstance(link, tuple) else (link, "*")
        made["inputs"].append({"name": name, "type": its_type, "link": number})
    made["outputs"] = [{"name": "out", "type": its_type, "links": []} for its_type in outputs]
    if values is not None:
        made["widgets_values"] = values
    return made


def workflow(*nodes, links=(), **more):
    """A UI workflow; *links* are (id, from, slot, to, slot)."""
    return {
        "version": 0.4,
        "last_node_id": max((each["id"] for each in nodes if isinstance(each["id"], int)), default=0),
        "last_link_id": max((link[0] for link in links), default=0),
        "nodes": list(nodes),
        "links": [[*link, "*"] for link in links],
        **more,
    }


def subgraph(name, *nodes, links=(), inputs=(), outputs=()):
    """A subgraph; *inputs*, *outputs* are (name, type), *links* as in a workflow, -10 and -20 its border."""
    return {
        "id": name,
        "name": name,
        "nodes": list(nodes),
        "links": [
            dict(zip(("id", "origin_id", "origin_slot", "target_id", "target_slot"), link, strict=True))
            for link in links
        ],
        "inputs": [
            {
                "name": port,
                "type": kind,
                "linkIds": [link[0] for link in links if link[1] == -10 and link[2] == slot],
            }
            for slot, (port, kind) in enumerate(inputs)
        ],
        "outputs": [
            {
                "name": port,
                "type": kind,
                "linkIds": [link[0] for link in links if link[3] == -20 and link[4] == slot],
            }
            for slot, (port, kind) in enumerate(outputs)
        ],
    }
