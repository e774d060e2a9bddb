"""The comparison that tests/contract/test_validation_contract.py rests on: it must not excuse too much."""

import copy

import pytest
from differential import disagreements
from fakes import spec

CHOICE = {"options": [{"key": "a", "inputs": {"required": {"width": ("INT", {})}}}]}
MATCH = {"template": {"template_id": "T", "allowed_types": "IMAGE,MASK"}}
GROWS = {"template": {"input": {"required": {"image": ("IMAGE", {})}}, "prefix": "image", "min": 1, "max": 4}}
SPECS = {
    made.name: made
    for made in [
        spec("Make", {}, ("IMAGE", "INT")),
        spec("Choose", {"mode": ("COMFY_DYNAMICCOMBO_V3", CHOICE), "image": ("IMAGE", {})}, ("IMAGE",)),
        spec("Match", {"one": ("COMFY_MATCHTYPE_V3", MATCH)}, ("IMAGE",)),
        spec("Grow", {"images": ("COMFY_AUTOGROW_V3", GROWS)}, ("IMAGE",)),
        spec("Save", {"image": ("IMAGE", {})}, (), output_node=True),
    ]
}


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def save(*nodes):
    """A chain that ends in a Save; "1" is the first."""
    graph = {str(number): each for number, each in enumerate(nodes, 1)}
    return {**graph, "9": node("Save", image=[str(len(nodes)), 0])}


def finding(code, node_id, name=None, severity="error"):
    return {"code": code, "node_id": node_id, "input": name, "severity": severity, "details": {}}


def told(*kinds, class_type="Save"):
    return {"errors": [{"type": kind} for kind in kinds], "class_type": class_type}


def answer(peer, ours, findings=(), **node_errors):
    """Outputs that the two would run, what ours finds, what the peer says of nodes ("n1" is node 1)."""
    return {
        "peer": {
            "ok": bool(peer),
            "outputs": peer,
            "error": None,
            "node_errors": {name[1:]: about for name, about in node_errors.items()},
        },
        "ours": {"valid": bool(ours), "outputs": ours, "findings": list(findings)},
    }


GOOD = save(node("Make"))


def test_two_that_say_the_same_agree():
    assert disagreements(GOOD, answer(["9"], ["9"]), SPECS) == []
    assert disagreements(GOOD, answer(["9"], ["9"], [finding("X", "1", severity="warning")]), SPECS) == []
    both = answer([], [], [finding("MISSING_INPUT", "9", "image")], n9=told("required_input_missing"))
    assert disagreements(GOOD, both, SPECS) == []


@pytest.mark.parametrize(
    "said",
    [
        answer(["9"], [], [finding("MISSING_INPUT", "9", "image")]),
        answer(["9"], [], [finding("UNKNOWN_NODE_CLASS", "1")]),
        answer(["9"], [], [finding("NO_OUTPUT_NODE", None)]),
        answer(["9"], []),
        answer([], ["9"], n9=told("required_input_missing")),
        answer([], ["9"]),
        answer([], [], [finding("MISSING_INPUT", "9", "image")], n1=told("value_not_in_list")),
        answer([], ["9"], n9=told("exception_during_validation")),
        answer([], ["9"], n9=told("custom_validation_failed", "value_not_in_list")),
        answer(["9"], ["9"], [finding("MISSING_INPUT", "9", "image")]),
        {**answer(["9"], ["9"]), "ours": {"crash": "Traceback"}},
    ],
)
def test_two_that_say_different_things_do_not(said):
    assert disagreements(GOOD, said, SPECS) != []


def test_what_a_class_alone_can_know_is_excused():
    said = answer([], ["9"], n1=told("custom_validation_failed"))
    assert disagreements(GOOD, said, SPECS) == []
    crash = answer([], ["9"], n1=told("exception_during_inner_validation", class_type="Make"))
    assert disagreements(GOOD, crash, SPECS) != []


def choose(mode="a", **inputs):
    return save(node("Make"), node("Choose", mode=mode, image=["1", 0], **inputs))


def match(link):
    return save(node("Make"), node("Match", one=link))


LINKED = {**choose(["3", 0]), "3": node("Choose")}
"""A link in the place of a dynamic combo: ComfyUI's validation does not follow it."""


@pytest.mark.parametrize(
    ("graph", "found", "excused"),
    [
        (choose("b"), finding("UNKNOWN_OPTION", "2", "mode"), True),
        (choose(["1", 0]), finding("TYPE_MISMATCH", "2", "mode"), True),
        (choose(), finding("UNKNOWN_OPTION", "2", "mode"), False),
        (choose(), finding("MISSING_INPUT", "2", "mode.width"), False),
        (LINKED, finding("MISSING_INPUT", "3", "image"), True),
        (LINKED, finding("MISSING_INPUT", "1", "image"), False),
        (match(["1", -2]), finding("LINK_SLOT_OUT_OF_RANGE", "2", "one"), True),
        (match(["1", -3]), finding("LINK_SLOT_OUT_OF_RANGE", "2", "one"), False),
        (match(["1", 2]), finding("LINK_SLOT_OUT_OF_RANGE", "2", "one"), False),
        (match(["1", True]), finding("BAD_LINK", "2", "one"), True),
        (match(["1", 0.5]), finding("BAD_LINK", "2", "one"), False),
        (match(["1", 1]), finding("MATCH_TYPE_CONFLICT", "2", "one"), True),
        (match(["1", 1]), finding("TYPE_MISMATCH", "2", "one"), False),
        (save(node("Make", other=["8", 0])), finding("DANGLING_LINK", "1", "other"), True),
        (save(node("Make", other=3)), finding("VALUE_WRONG_TYPE", "1", "other"), False),
        (save(node("Choose", mode=["1", 0], image=["2", 0])), finding("WORKFLOW_CYCLE", "1", "mode"), True),
        (save(node("Choose", mode="a", image=["1", 0])), finding("WORKFLOW_CYCLE", "1", "image"), False),
        (save(node("Grow")), finding("MISSING_INPUT", "1", "images.image0"), False),
        (save({"class_type": "Make"}), finding("BAD_NODE", "1"), False),
        (save(node("Make", other=["8", 0])) | {"8": {"class_type": "Make"}}, finding("BAD_NODE", "8"), True),
    ],
)
def test_what_comfyui_lets_through_is_listed_by_kind(graph, found, excused):
    before = copy.deepcopy(graph)
    assert (disagreements(graph, answer(["9"], [], [found]), SPECS) == []) is excused
    assert graph == before


def test_what_is_no_workflow_in_shape_is_refused_by_both_but_for_inputs_of_another_kind():
    refused = {**answer([], []), "ours": {"no_workflow": "BAD_NODE"}}
    taken = {**answer(["9"], []), "ours": {"no_workflow": "BAD_NODE"}}
    odd = save({"class_type": "Make", "inputs": []})
    assert disagreements(GOOD, refused, SPECS) == []
    assert disagreements(GOOD, taken, SPECS) != []
    assert disagreements(odd, taken, SPECS) == []


def test_an_older_comfyui_let_more_through():
    said = answer(["9"], [], [finding("MISSING_INPUT", "1", "images.image0")])
    assert disagreements(save(node("Grow")), said, SPECS, older=True) == []
    other = answer(["9"], [], [finding("MISSING_INPUT", "9", "image")])
    assert disagreements(GOOD, other, SPECS, older=True) != []


def test_a_node_on_a_circle_is_told_by_the_link_that_closes_it():
    graph = {
        "1": node("Grow", a=["2", 0], b=["3", 0]),
        "2": node("Grow", a=["1", 0]),
        "3": node("Grow", a=["1", 0]),
    }
    graph["9"] = node("Save", image=["1", 0])
    cycle = told("dependency_cycle")
    said = answer([], [], [finding("WORKFLOW_CYCLE", "2", "a")], n1=cycle, n2=cycle, n3=cycle)
    assert disagreements(graph, said, SPECS) == []
    assert disagreements(graph, answer([], [], [finding("WORKFLOW_CYCLE", "2", "a")], n9=cycle), SPECS) != []
