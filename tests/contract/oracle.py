"""Judges workflows as ComfyUI does and as Backplane does, side by side: ``oracle.py [--sandbox] FOLDER``.

A program of its own, as ComfyUI's interpreter need not have pytest. With ``--sandbox`` the peer is the
sandbox of this checkout; else it is the ComfyUI in the working directory, loaded without a port. FOLDER is
its base directory: models, inputs, node packs. First it writes a line of JSON: ``{"version", "classes":
{name: definition}}``. Then it reads lines ``{"graph": …, "targets": [node id] | null}`` and answers each with
``{"peer": {"ok", "outputs", "error", "node_errors"}, "ours": {"valid", "outputs", "findings"}}``; where the
graph is no workflow in shape, ours is ``{"no_workflow": code}``.
"""

import argparse
import asyncio
import copy
import importlib
import importlib.util
import json
import logging
import os
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACK = ROOT / "tests" / "data" / "checks_pack"
INPUTS = ("one.png", "two.png", "one.mp3", "one.mp4", "one.glb", "one.latent")


def load_backplane():
    """Load the package as ``backplane``; before ComfyUI's server is imported, so that it installs nothing."""
    spec = importlib.util.spec_from_file_location(
        "backplane", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules["backplane"] = package
    spec.loader.exec_module(package)


class Sandbox:
    def __init__(self, folder):
        from backplane.sandbox.app import Options, make_host

        self.host = make_host(Options(folder, (PACK,)))
        write(self.host.input_dir(), INPUTS)

    def judge(self, graph, targets):
        from backplane.sandbox.validation import validate_prompt

        verdict = validate_prompt(graph, targets, self.host.registry)
        return verdict.error is None, verdict.error, verdict.targets, verdict.node_errors

    def input_file(self, name):
        return self.host.files.annotated(name) is not None


class ComfyUI:
    def __init__(self, folder):
        sys.path[0] = os.getcwd()  # noqa: PTH109 - it was this file's own folder
        packs = folder / "custom_nodes"
        packs.mkdir(parents=True)
        (packs / PACK.name).symlink_to(PACK, target_is_directory=True)
        options = ["--cpu", "--base-directory", str(folder), "--database-url", "sqlite:///:memory:"]
        sys.argv = ["main.py", *options]
        import comfy.options  # noqa: TID251

        comfy.options.enable_args_parsing()
        importlib.import_module(
            "utils.extra_config"
        )  # early, as main.py does: packages bring other ``utils``
        import execution  # noqa: TID251
        import folder_paths  # noqa: TID251
        import nodes  # noqa: TID251
        import server  # noqa: TID251

        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        door = server.PromptServer(self.loop)
        self.loop.run_until_complete(nodes.init_extra_nodes(init_custom_nodes=True))
        from backplane.host.comfyui import ComfyUI as Host

        self.host = Host(door)
        for paths, extensions in folder_paths.folder_names_and_paths.values():
            endings = sorted(ending for ending in extensions if ending.startswith("."))
            inside = [Path(path) for path in paths if Path(path).is_relative_to(folder)]
            for path in inside if endings else ():
                write(path, [f"one{endings[-1]}", f"two{endings[-1]}", f"sub/three{endings[-1]}"])
        write(self.host.input_dir(), INPUTS)
        self.validate, self.has_file = execution.validate_prompt, folder_paths.exists_annotated_filepath

    def judge(self, graph, targets):
        return self.loop.run_until_complete(self.validate("", graph, targets))

    def input_file(self, name):
        return self.has_file(name)


def write(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def asked(peer, graph, targets):
    """Ask the peer; it writes into the graph, and there are graphs that it fails on."""
    try:
        ok, error, outputs, node_errors = peer.judge(copy.deepcopy(graph), targets)
    except Exception as crash:
        return {
            "ok": False,
            "error": {"type": "crash", "message": repr(crash)},
            "outputs": [],
            "node_errors": {},
        }
    return {"ok": ok, "error": error, "outputs": sorted(outputs), "node_errors": node_errors}


def ours(graph, targets, specs, files):
    """Ask Backplane. It must not change the graph, and there must be no graph that it fails on."""
    from backplane.errors import ApiError
    from backplane.validation import as_graph, judge

    before = copy.deepcopy(graph)
    try:
        report = judge(as_graph(graph), specs, targets=targets, files=files)
        valid, outputs, findings = report.valid, report.outputs, [each.to_json() for each in report.findings]
    except ApiError as error:
        return {"no_workflow": error.code}
    except Exception:
        return {"crash": traceback.format_exc()}
    if repr(graph) != repr(before):  # NaN is no equal of itself
        return {"crash": "The graph was changed."}
    return {"valid": valid, "outputs": sorted(outputs), "findings": findings}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sandbox", action="store_true")
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # ComfyUI and its packs print
    load_backplane()
    peer = (Sandbox if arguments.sandbox else ComfyUI)(arguments.folder.resolve())
    from backplane.catalog import Catalog
    from backplane.nodespec.clean import cleaned

    specs = Catalog(peer.host).refresh().specs
    classes = {name: cleaned(peer.host.node_info(name)) for name in specs}
    logging.disable(logging.CRITICAL)

    def say(answer):
        print(json.dumps(answer, default=repr), file=answers, flush=True)

    say({"version": peer.host.version, "classes": classes})
    for line in sys.stdin:
        request = json.loads(line)
        graph, targets = request["graph"], request["targets"]
        say({"peer": asked(peer, graph, targets), "ours": ours(graph, targets, specs, peer)})


if __name__ == "__main__":
    main()
