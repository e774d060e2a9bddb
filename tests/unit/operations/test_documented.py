"""docs/patching.md says what the code does, and each refusal it speaks of can be had."""

import json
import re
from pathlib import Path

import pytest
from backplane.errors import CODES
from backplane.operations.fields import Unfit
from backplane.operations.inserting import Fragment
from backplane.operations.values import KINDS
from backplane.patch_engine import MOST_OPERATIONS, OPERATIONS, from_short
from patching import AGAIN, LORA, node, patched, refused, text_to_image

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "patching.md").read_text(encoding="utf-8")


def rows(header):
    """Cells of the table whose header line begins so."""
    table = TEXT.split(f"\n| {header} |", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]


def cells():
    """The rows of operations; an empty cell is two bars with a blank between."""
    table = TEXT.split("\n| operation |", 1)[1].split("\n\n", 1)[0]
    found = {}
    for line in table.splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
        found[cells[0].strip("`")] = cells
    return found


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_the_table_has_every_operation_in_order():
    assert list(cells()) == list(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_table_has_the_fields_errors_and_repetition_of_each(name):
    _, fields, precondition, effect, errors, again = cells()[name]
    operation = OPERATIONS[name]
    expected = " ".join(
        f"`{field}`" + ("" if about.required else "?") for field, about in operation.fields.items()
    )
    assert fields == expected
    assert set(names(errors)) == operation.errors
    assert len(names(errors)) == len(operation.errors)
    assert names(again) == [operation.again]
    assert effect.endswith(".")
    assert not precondition or precondition.endswith(".")


def test_the_kinds_of_changes_are_those_of_the_code():
    assert [row[0].strip("`") for row in rows("kind")] == list(KINDS)


def test_the_limit_is_that_of_the_code():
    assert f"at most {MOST_OPERATIONS:,} operations" in TEXT


def test_every_code_that_is_named_exists():
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    named = {word for word in names(prose) if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", word)}
    assert named - CODES.keys() == set()
    assert set().union(*(operation.errors for operation in OPERATIONS.values())) <= named


def test_the_examples_are_operations():
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
    ops, fragment, short = blocks
    for op in [*ops, *from_short(short)]:
        assert op.keys() - {"op"} <= OPERATIONS[op["op"]].fields.keys()
    assert Fragment(fragment).inputs
    with pytest.raises(Unfit):
        Fragment({**fragment, "inputs": {"x": {"node": "b", "field": "model"}}})


def op(name, /, **fields):
    return {"op": name, **fields}


ENDS = {"source_node_id": "6", "target_node_id": "7"}
ONCE = {
    "add_node": op("add_node", class_type="Number"),
    "remove_node": op("remove_node", node_id="4"),
    "replace_node": op("replace_node", node_id="6", class_type="Any"),
    "insert_node": op("insert_node", class_type="Invert", target_node_id="7", input="images"),
    "parallel": op("parallel", class_type="Show", node_id="7"),
    "connect": op("connect", source_node_id="3", target_node_id="5", input="positive"),
    "disconnect": op("disconnect", target_node_id="5", input="model"),
    "set_param": op("set_param", node_id="5", param="steps", value=3),
    "set_title": op("set_title", node_id="1", title="x"),
    "bypass": op("bypass", node_id="6"),
    "duplicate": op("duplicate", node_id="1"),
    "add_fragment": op("add_fragment", fragment=LORA, source_node_id="1"),
    "restore": op(
        "restore", nodes={"1": node("Unet"), "7": None, "8": node("Number", value=1)}, place={"8": 0}
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_again_is_what_the_table_says(name):
    again = OPERATIONS[name].again
    first = patched(text_to_image(), ONCE[name])
    assert first.changes
    if again in CODES:
        assert refused(first.graph, ONCE[name]).code == again
        return
    second = patched(first.graph, ONCE[name])
    if again == "nothing":
        assert (second.changes, second.graph) == ((), first.graph)
    else:
        assert again == "another"
        assert len(second.graph) > len(first.graph)
        assert [each.class_type for each in second.created] == [each.class_type for each in first.created]


def graph_with(**nodes):
    return text_to_image() | {name.removeprefix("n"): made for name, made in nodes.items()}


def making(**fields):
    """Operations that make a node with these fields, and the codes that all such are refused with."""
    return {
        "UNKNOWN_NODE_CLASS": fields | {"class_type": "Nothing"},
        "PARAM_UNKNOWN": fields | {"params": {"nothing": 1}},
        "UNKNOWN_OPTION": fields | {"class_type": "Resize", "params": {"mode": "x"}},
        "VALUE_WRONG_TYPE": fields | {"class_type": "Latent", "params": {"width": ["1", 0]}},
    }


LINKING = {
    "PORT_UNKNOWN": {"inputs": {"image": ["6", "nothing"]}},
    "TYPE_MISMATCH": {"inputs": {"image": ["1", 0]}},
    "NO_FITTING_PORT": {"inputs": {"image": {"node_id": "1"}}},
    "AMBIGUOUS_PORT": {"inputs": {"image": {"node_id": "8"}}},
    "NODE_NOT_FOUND": {"inputs": {"image": ["99", 0]}},
    "ALIAS_UNKNOWN": {"inputs": {"image": ["$x", 0]}},
    "NODE_ID_TAKEN": {"id": "1"},
}
TWINS = graph_with(n8=node("Twins", image=["6", 0]), n9=node("Any", anything=["10", 0]))
CIRCLE = {"inputs": {"anything": ["9", 0]}, "id": "10", "class_type": "Any"}
NOBODY = {"NODE_NOT_FOUND": "99", "ALIAS_UNKNOWN": "$x"}


def made_by(name, **fields):
    """What an operation that makes a node is refused with, on the workflow TWINS."""
    base = {"class_type": "Invert", **fields}
    cases = {**making(**base), **{code: base | change for code, change in LINKING.items()}}
    return {code: (TWINS, op(name, **case)) for code, case in cases.items()}


LORA_AFTER = {"fragment": LORA, "source_node_id": "1"}
UNKNOWN = graph_with(n8=node("Nothing", value=1), n9=node("Save", images=["8", 0]))
DOUBLE = {
    "workflow": {"r": node("Resize", mode="by size"), "l": node("Latent", width=1)},
    "outputs": {"latent": {"node": "l", "output": 0}},
}
STRANGE = {"workflow": {"a": node("Nothing")}}
HALF = graph_with(n8=node("Any", anything=["1", 0]), n9=node("Any", anything=["8", 0]))
PASSING = {
    "workflow": {"a": node("Any")},
    "inputs": {"in": {"node": "a", "field": "anything"}},
    "outputs": {"out": {"node": "a", "output": 0}},
}
BYPASSED_THEN_BEFORE = {
    "1": node("Load", image="a.png"),
    "2": {
        **node("Any", anything=["3", 0]),
        "_meta": {"bypassed": [{"node_id": "3", "input": "image", "slot": 0, "now": ["1", 0]}]},
    },
    "3": node("Invert", image=["1", 0]),
}

PROVOKED = {
    "add_node": made_by("add_node") | {"WORKFLOW_CYCLE": (TWINS, op("add_node", **CIRCLE))},
    "remove_node": {
        **{code: (TWINS, op("remove_node", node_id=name)) for code, name in NOBODY.items()},
        "UNKNOWN_NODE_CLASS": (UNKNOWN, op("remove_node", node_id="8", bridge=True)),
    },
    "replace_node": {
        **{code: (TWINS, op("replace_node", node_id=n, class_type="Any")) for code, n in NOBODY.items()},
        **{
            code: (TWINS, op("replace_node", **case))
            for code, case in making(node_id="6", class_type="Invert").items()
        },
    },
    "insert_node": {
        **made_by("insert_node", **ENDS),
        "LINK_NOT_FOUND": (TWINS, op("insert_node", class_type="Invert", source_node_id="7")),
        "WORKFLOW_CYCLE": (
            HALF,
            op(
                "insert_node",
                class_type="Switch",
                target_node_id="8",
                input="anything",
                inputs={"on_true": ["9", 0]},
            ),
        ),
    },
    "parallel": made_by("parallel", node_id="7")
    | {"WORKFLOW_CYCLE": (TWINS, op("parallel", node_id="7", **CIRCLE))},
    "connect": {
        "TYPE_MISMATCH": (
            TWINS,
            op("connect", source_node_id="1", output=0, target_node_id="7", input="images"),
        ),
        "PORT_UNKNOWN": (
            TWINS,
            op("connect", source_node_id="1", output=9, target_node_id="7", input="images"),
        ),
        "NO_FITTING_PORT": (TWINS, op("connect", source_node_id="1", target_node_id="7")),
        "AMBIGUOUS_PORT": (TWINS, op("connect", source_node_id="8", target_node_id="7")),
        "UNKNOWN_NODE_CLASS": (UNKNOWN, op("connect", source_node_id="8", target_node_id="7")),
        "WORKFLOW_CYCLE": (TWINS, op("connect", source_node_id="8", target_node_id="8")),
        **{code: (TWINS, op("connect", source_node_id="8", target_node_id=n)) for code, n in NOBODY.items()},
    },
    "disconnect": {
        "LINK_NOT_FOUND": (TWINS, op("disconnect", source_node_id="7")),
        "PORT_UNKNOWN": (TWINS, op("disconnect", source_node_id="6", output="x")),
        "AMBIGUOUS_PORT": (TWINS, op("disconnect", source_node_id="8", output="out")),
        "UNKNOWN_NODE_CLASS": (UNKNOWN, op("disconnect", source_node_id="8", output="out")),
        **{code: (TWINS, op("disconnect", target_node_id=name)) for code, name in NOBODY.items()},
    },
    "set_param": {
        **{code: (TWINS, op("set_param", node_id=n, param="x", value=1)) for code, n in NOBODY.items()},
        "PARAM_UNKNOWN": (TWINS, op("set_param", node_id="5", param="x", value=1)),
        "VALUE_WRONG_TYPE": (TWINS, op("set_param", node_id="4", param="width", value=["1", 0])),
        "UNKNOWN_NODE_CLASS": (UNKNOWN, op("set_param", node_id="8", param="x", value=1)),
        "UNKNOWN_OPTION": (
            graph_with(n8=node("Resize", mode="by size")),
            op("set_param", node_id="8", param="mode", value="x"),
        ),
    },
    "set_title": {code: (TWINS, op("set_title", node_id=name, title="x")) for code, name in NOBODY.items()},
    "bypass": {
        **{code: (TWINS, op("bypass", node_id=name)) for code, name in NOBODY.items()},
        "NODE_NOT_BYPASSABLE": (TWINS, op("bypass", node_id="7")),
        "UNKNOWN_NODE_CLASS": (UNKNOWN, op("bypass", node_id="8")),
        "WORKFLOW_CYCLE": (BYPASSED_THEN_BEFORE, op("bypass", node_id="2", on=False)),
    },
    "duplicate": {
        **{code: (TWINS, op("duplicate", node_id=name)) for code, name in NOBODY.items()},
        "NODE_ID_TAKEN": (TWINS, op("duplicate", node_id="1", id="2")),
        "PARAM_UNKNOWN": (TWINS, op("duplicate", node_id="1", params={"x": 1})),
        "VALUE_WRONG_TYPE": (TWINS, op("duplicate", node_id="4", params={"width": ["1", 0]})),
        "UNKNOWN_NODE_CLASS": (UNKNOWN, op("duplicate", node_id="8", params={"x": 1})),
        "UNKNOWN_OPTION": (graph_with(n8=node("Resize")), op("duplicate", node_id="8", params={"mode": "x"})),
        "WORKFLOW_CYCLE": (
            {"1": node("Any", anything=["2", 0])},
            op("duplicate", node_id="1", id="2"),
        ),
    },
    "add_fragment": {
        "NO_FITTING_PORT": ({}, op("add_fragment", fragment=LORA)),
        "AMBIGUOUS_PORT": (text_to_image(), op("add_fragment", fragment=AGAIN)),
        "TYPE_MISMATCH": (text_to_image(), op("add_fragment", fragment=LORA, inputs={"model": ["1", 1]})),
        "PORT_UNKNOWN": (text_to_image(), op("add_fragment", fragment=LORA, inputs={"model": ["1", 9]})),
        "LINK_NOT_FOUND": (text_to_image(), op("add_fragment", fragment=LORA, source_node_id="7")),
        "UNKNOWN_NODE_CLASS": (text_to_image(), op("add_fragment", fragment=STRANGE)),
        "PARAM_UNKNOWN": (text_to_image(), op("add_fragment", **LORA_AFTER, params={"a": {"x": 1}})),
        "UNKNOWN_OPTION": ({}, op("add_fragment", fragment=DOUBLE, params={"r": {"mode": "x"}})),
        "VALUE_WRONG_TYPE": ({}, op("add_fragment", fragment=DOUBLE, params={"l": {"width": ["r", 0]}})),
        "WORKFLOW_CYCLE": (
            HALF,
            op("add_fragment", fragment=PASSING, inputs={"in": ["9", 0]}, outputs={"out": ["8", "anything"]}),
        ),
        **{
            code: (text_to_image(), op("add_fragment", fragment=LORA, inputs={"model": [name, 0]}))
            for code, name in NOBODY.items()
        },
    },
    "restore": {},
}


def test_every_refusal_of_the_table_is_provoked():
    assert {name: set(cases) for name, cases in PROVOKED.items()} == {
        name: set(operation.errors) for name, operation in OPERATIONS.items()
    }


@pytest.mark.parametrize(
    ("name", "code"), [(name, code) for name, cases in PROVOKED.items() for code in cases]
)
def test_each_refusal_of_the_table_can_be_had(name, code):
    graph, document = PROVOKED[name][code]
    error = refused(graph, document)
    assert error.code == code
    assert error.message
