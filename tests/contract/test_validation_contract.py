"""Backplane's validation beside ComfyUI's own (and the sandbox's), on real and on broken workflows.

tests/contract/oracle.py asks both; tests/differential.py says where they may differ. DIFFERENTIAL_EXAMPLES
sets how many broken workflows are tried (default: 400).
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from backplane.conversion import to_api
from backplane.nodespec import every_port, parse
from converting import digests, template, template_folder
from converting import specs as template_specs
from differential import disagreements
from graphs import image
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import ODD_VALUES, around, broken, settled

ORACLE = Path(__file__).with_name("oracle.py")
EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "400"))
RULES = (0, 33)
"""The ComfyUI whose rules Backplane follows."""
OTHER_RULES_BEFORE = (0, 8)


class Oracle:
    """The program, as long as the tests need it."""

    def __init__(self, kind, folder):
        self.kind = kind
        python, cwd, options = sys.executable, folder, ["--sandbox"]
        if kind == "comfyui":
            python, cwd = os.environ.get("COMFYUI_PYTHON", python), os.environ["COMFYUI_PATH"]
            options = []
        self.log = (folder / "log.txt").open("w+")
        base = folder / "base"
        base.mkdir()
        self.process = subprocess.Popen(
            [python, str(ORACLE), *options, str(base)],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            encoding="utf-8",
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        begun = self._answer()
        self.specs = {name: parse(info, name=name) for name, info in begun["classes"].items()}
        self.version = tuple(int(part) for part in re.findall(r"\d+", begun["version"])[:3])

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise AssertionError(f"The oracle has ended:\n{self.log.read()[-4000:]}")
        return json.loads(line)

    def ask(self, graph, targets=None):
        self.process.stdin.write(json.dumps({"graph": graph, "targets": targets}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def differences(self, graph, targets=None):
        return disagreements(graph, self.ask(graph, targets), self.specs, older=self.version < RULES)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(20)
        self.log.close()


@pytest.fixture(scope="module", params=["sandbox", *(["comfyui"] if "COMFYUI_PATH" in os.environ else [])])
def oracle(request, tmp_path_factory):
    made = Oracle(request.param, tmp_path_factory.mktemp(request.param))
    try:
        if made.version < OTHER_RULES_BEFORE:
            pytest.skip(
                "Backplane judges as ComfyUI 0.33; this one knows fewer wildcards and checks no V3 combos"
            )
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def templates(oracle):
    """Every template whose classes are all here."""
    template_folder()
    graphs = {name: to_api(template(name), template_specs()).graph for name in digests()}
    return {
        name: graph
        for name, graph in graphs.items()
        if all(node["class_type"] in oracle.specs for node in graph.values())
    }


@pytest.fixture(scope="module")
def seeds(oracle, templates):
    """Workflows to break: one around a class of the checks pack, around any class, small and real ones."""
    specs = oracle.specs
    names = sorted(specs)
    checks = [name for name in names if name.startswith("Check")]
    dynamic = [name for name in names if is_dynamic(specs[name])]
    kinds = [
        st.sampled_from(some).map(lambda name: around(specs[name]))
        for some in (checks, dynamic, names)
        if some
    ]
    real = sorted((settled(graph, specs) for graph in [image(), *templates.values()]), key=len)
    return st.one_of(*kinds, st.sampled_from(real))


def is_dynamic(spec):
    return any(
        port.variants is not None or getattr(port, "grows", None) or getattr(port, "match", None)
        for port in every_port(spec.ports)
    )


def test_the_peer_has_the_classes_that_the_test_is_about(oracle, templates):
    assert {"CheckSources", "CheckEvery", "KSampler", "LoadImage"} <= oracle.specs.keys()
    assert oracle.specs["CheckOwn"].own_checks == {"whole", "listed"}
    assert oracle.specs["CheckEvery"].own_checks == {"*"}
    assert oracle.specs["LoadImage"].own_checks == {"image"}
    assert oracle.specs["KSampler"].own_checks == frozenset()


def test_a_workflow_around_each_class_is_judged_alike(oracle):
    found = {name: oracle.differences(around(spec)) for name, spec in oracle.specs.items()}
    assert {name: told for name, told in found.items() if told} == {}


def test_every_value_and_link_in_every_input_of_the_checks_pack_is_judged_alike(oracle):
    slots = range(-1, len(oracle.specs["CheckSources"].outputs) + 1)
    values = [*ODD_VALUES, "a", "y", "z", "option 29", 2, 2.5, 5, 10, -0.5, *(["1", slot] for slot in slots)]
    found = {}
    for name in [name for name in oracle.specs if name.startswith("Check")]:
        graph = around(oracle.specs[name])
        for port in every_port(oracle.specs[name].ports):
            if port.name == "several" and oracle.kind == "comfyui" and oracle.version < RULES:
                continue  # ComfyUI took no list for a choice of several then
            for value in values:
                inputs = {**graph["2"]["inputs"], port.name: value}
                changed = {**graph, "2": {**graph["2"], "inputs": inputs}}
                found[name, port.name, repr(value)] = oracle.differences(changed)
    assert len(found) > 2000
    assert {where: told for where, told in found.items() if told} == {}


def test_templates_are_judged_alike_with_files_that_are_here_and_without(oracle, templates):
    if oracle.kind == "comfyui" and oracle.version >= RULES:
        assert templates.keys() == digests().keys()
    if not templates:
        pytest.skip("the sandbox has no template's classes")
    found = {}
    for name, graph in templates.items():
        found[name] = oracle.differences(graph)
        found[f"{name}, settled"] = oracle.differences(settled(graph, oracle.specs))
    assert {name: told for name, told in found.items() if told} == {}


def test_broken_workflows_are_judged_alike(oracle, seeds):
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(broken(seeds, oracle.specs))
    def judged_alike(case):
        graph, targets = case
        assert oracle.differences(graph, targets) == []

    judged_alike()
