"""The broken workflows of the differential test: varied enough, and JSON all of them."""

import copy
import json

import mutations
import pytest
from backplane.graph import is_link
from backplane.nodespec import live_ports
from backplane.validation import as_graph, judge
from converting import specs as template_specs
from fakes import spec
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

CHOICE = {
    "options": [
        {"key": "by size", "inputs": {"required": {"width": ("INT", {"default": 512, "min": 1})}}},
        {"key": "as it is", "inputs": {}},
    ]
}
GROWS = {"template": {"input": {"required": {"image": ("IMAGE", {})}}, "prefix": "image", "min": 2, "max": 4}}
SPECS = {
    made.name: made
    for made in [
        spec("CheckSources", {}, ("INT", "FLOAT", "STRING", "IMAGE", "IMAGE,MASK", "*")),
        spec("Load", {"name": (["a.png", "b.png"], {})}, ("IMAGE",)),
        spec("Resize", {"image": ("IMAGE", {}), "mode": ("COMFY_DYNAMICCOMBO_V3", CHOICE)}, ("IMAGE",)),
        spec("Batch", {"images": ("COMFY_AUTOGROW_V3", GROWS)}, ("IMAGE",)),
        spec("Number", {"value": ("INT", {"default": 3, "min": 0, "max": 9})}),
        spec("CheckShow", {}, (), output_node=True, optional={"first": ("*", {})}),
    ]
}
GRAPH = {
    "1": {"class_type": "Load", "inputs": {"name": "a.png"}},
    "2": {"class_type": "Resize", "inputs": {"image": ["1", 0], "mode": "by size", "mode.width": 64}},
    "3": {"class_type": "Batch", "inputs": {"images.image0": ["1", 0], "images.image1": ["2", 0]}},
    "4": {"class_type": "Number", "inputs": {"value": 3}},
    "5": {"class_type": "CheckShow", "inputs": {"first": ["3", 0]}},
}
CASES = mutations.broken(st.just(GRAPH), SPECS)
QUIET = settings(deadline=None, max_examples=2000, suppress_health_check=list(HealthCheck), database=None)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(CASES)
def test_every_case_is_a_workflow_in_json_and_leaves_its_seed_alone(case):
    before = copy.deepcopy(GRAPH)
    graph, targets = case
    assert isinstance(graph, dict)
    assert repr(json.loads(json.dumps(graph))) == repr(graph)
    assert targets is None or all(isinstance(each, str) for each in targets)
    assert before == GRAPH


@pytest.mark.parametrize("mutation", [*mutations.COMMON, *mutations.RARE], ids=lambda each: each.__name__)
def test_each_mutation_changes_something(mutation):
    @st.composite
    def mutated(draw):
        graph = copy.deepcopy(GRAPH)
        mutation(draw, graph, SPECS)
        return graph

    try:
        find(mutated(), lambda graph: graph != GRAPH, settings=QUIET)
    except NoSuchExample:
        pytest.fail("it never changes anything")


@pytest.mark.parametrize(
    "code",
    [
        *("MISSING_INPUT", "BAD_LINK", "DANGLING_LINK", "LINK_SLOT_OUT_OF_RANGE", "TYPE_MISMATCH"),
        *("UNKNOWN_OPTION", "VALUE_OUT_OF_RANGE", "VALUE_WRONG_TYPE", "WORKFLOW_CYCLE"),
        *("UNKNOWN_NODE_CLASS", "NO_OUTPUT_NODE"),
    ],
)
def test_every_kind_of_fault_comes_up(code):
    def has_it(case):
        graph, targets = case
        if not graph or not all(map(mutations.whole, graph.values())):
            return False
        return any(found.code == code for found in judge(as_graph(graph), SPECS, targets=targets).findings)

    find(CASES, has_it, settings=QUIET)


def test_a_seed_around_a_class_is_a_good_workflow():
    for made in SPECS.values():
        report = judge(mutations.around(made), {**SPECS, made.name: made})
        assert report.valid, made.name


def test_around_the_classes_of_comfyui_every_input_is_set():
    for made in template_specs().values():
        inputs = mutations.around(made)["2"]["inputs"]
        ports = live_ports(made, inputs)
        assert [port.name for port in ports.inputs if port.required and port.name not in inputs] == []
        assert all(is_link(inputs[port.name]) for port in ports.inputs if port.name in inputs)


def test_settled_puts_files_that_are_here_in_the_place_of_others():
    graph = copy.deepcopy(GRAPH)
    graph["1"]["inputs"]["name"] = "elsewhere.png"
    assert mutations.settled(graph, SPECS) == GRAPH
    assert graph["1"]["inputs"]["name"] == "elsewhere.png"
    graph["1"]["inputs"]["name"] = ["4", 0]
    assert mutations.settled(graph, SPECS) == graph
