"""Patches as a whole: batches, aliases, limits, ids, circles, the short form."""

import copy

import pytest
from backplane.errors import ApiError
from backplane.patch_engine import apply, from_short
from backplane.validation import Finding
from patching import SPECS, exactly, node, text_to_image


def test_a_batch_is_done_whole_or_not_at_all():
    graph = text_to_image()
    before = exactly(graph)
    with pytest.raises(ApiError) as refused:
        apply(
            graph,
            [{"op": "set_title", "node_id": "1", "title": "T"}, {"op": "remove_node", "node_id": "99"}],
            SPECS,
        )
    assert refused.value.code == "NODE_NOT_FOUND"
    assert refused.value.details["op"] == 1
    assert refused.value.details["operation"] == "remove_node"
    assert exactly(graph) == before


def test_operations_may_name_nodes_that_were_made_before_them():
    result = apply(
        text_to_image(),
        [
            {"op": "add_node", "class_type": "Invert", "alias": "inv", "inputs": {"image": ["6", "IMAGE"]}},
            {"op": "add_node", "class_type": "Show", "alias": "$show", "inputs": {"images": ["$inv", 0]}},
            {"op": "set_title", "node_id": "$show", "title": "Inverted"},
        ],
        SPECS,
    )
    assert result.aliases == {"inv": "8", "show": "9"}
    assert result.graph["9"] == node("Show", "Inverted", images=["8", 0])
    assert [each.to_json() for each in result.created] == [
        {"op": 0, "node_id": "8", "class_type": "Invert", "alias": "inv"},
        {"op": 1, "node_id": "9", "class_type": "Show", "alias": "show"},
    ]


def test_a_batch_inside_shares_the_aliases_and_says_where_it_failed():
    made = {"op": "add_node", "class_type": "Number", "alias": "n"}
    batch = {"op": "batch", "ops": [{"op": "set_param", "node_id": "$n", "param": "value", "value": 9}]}
    assert apply({}, [made, batch], SPECS).graph == {"1": node("Number", value=9)}
    batch["ops"].append({"op": "batch", "ops": [{"op": "set_title", "node_id": "$m", "title": "x"}]})
    with pytest.raises(ApiError) as refused:
        apply({}, [made, batch], SPECS)
    assert refused.value.code == "ALIAS_UNKNOWN"
    assert refused.value.details["op"] == 1
    assert refused.value.details["path"] == [1, 1, 0]
    assert refused.value.details["aliases"] == ["n"]


def deep(levels):
    return [{"op": "batch", "ops": deep(levels - 1)}] if levels else []


@pytest.mark.parametrize(
    ("ops", "fields"),
    [
        ("x", {"ops"}),
        ([3], {"op"}),
        ([{}], {"op"}),
        ([{"op": "add_nod", "class_type": "Number"}], {"op"}),
        ([{"op": "add_node"}], {"class_type"}),
        ([{"op": "add_node", "class_type": 3, "titel": "x"}], {"class_type", "titel"}),
        ([{"op": "add_node", "class_type": "Number", "id": "$x"}], {"id"}),
        ([{"op": "add_node", "class_type": "Number", "id": ""}], {"id"}),
        ([{"op": "add_node", "class_type": "Number", "alias": "a b"}], {"alias"}),
        ([{"op": "add_node", "class_type": "Number", "title": 3}], {"title"}),
        ([{"op": "add_node", "class_type": "Number", "params": []}], {"params"}),
        ([{"op": "add_node", "class_type": "Number", "inputs": {"a": "3"}}], {"inputs"}),
        ([{"op": "add_node", "class_type": "Number", "inputs": {"a": ["3", True]}}], {"inputs"}),
        ([{"op": "add_node", "class_type": "Number", "alias": "a"}] * 2, {"alias"}),
        ([{"op": "remove_node", "node_id": None}], {"node_id"}),
        ([{"op": "remove_node", "node_id": "1", "bridge": 1}], {"bridge"}),
        ([{"op": "insert_node", "class_type": "Number"}], {"target_node_id"}),
        (
            [{"op": "insert_node", "class_type": "Number", "source_node_id": "1", "input": "a"}],
            {"target_node_id"},
        ),
        (
            [{"op": "insert_node", "class_type": "Number", "target_node_id": "1", "output": 0}],
            {"source_node_id"},
        ),
        ([{"op": "insert_node", "class_type": "Number", "output": 0}], {"output"}),
        ([{"op": "duplicate"}], {"node_id"}),
        ([{"op": "duplicate", "node_id": "1", "node_ids": ["2"]}], {"node_id"}),
        ([{"op": "duplicate", "node_ids": ["1", "2"], "id": "9"}], {"id"}),
        ([{"op": "duplicate", "node_ids": []}], {"node_ids"}),
        ([{"op": "restore", "nodes": {"1": {}}}], {"nodes"}),
        ([{"op": "restore", "nodes": {}, "place": {"1": -1}}], {"place"}),
        ([{"op": "batch"}], {"ops"}),
        ([{"op": "batch", "ops": [], "id": 3}], {"ops"}),
        ([{"op": "batch", "ops": 3}], {"ops"}),
        (deep(12), {"ops"}),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_names_of_its_fields(ops, fields):
    with pytest.raises(ApiError) as refused:
        apply(text_to_image(), ops, SPECS)
    assert refused.value.code == "INVALID_REQUEST"
    assert refused.value.details["fields"].keys() == fields
    if isinstance(ops, list):
        assert refused.value.details["op"] == len(ops) - 1


def test_there_is_a_limit_to_the_operations_of_one_call():
    title = {"op": "set_title", "node_id": "1", "title": "x"}
    assert apply(text_to_image(), [title] * 3, SPECS, most=3).graph["1"]["_meta"] == {"title": "x"}
    for ops in ([title] * 4, [title, {"op": "batch", "ops": [title] * 3}]):
        with pytest.raises(ApiError) as refused:
            apply(text_to_image(), ops, SPECS, most=3)
        assert refused.value.code == "TOO_MANY_OPERATIONS"
        assert refused.value.details["most"] == 3


def test_no_operations_change_nothing():
    graph = text_to_image()
    result = apply(graph, [], SPECS, validate=True)
    assert (result.graph, result.changes, result.created, result.findings, result.inverse) == (
        graph,
        (),
        (),
        (),
        (),
    )
    assert result.graph is not graph


def test_what_is_done_without_effect_is_no_change():
    ops = [
        {"op": "set_param", "node_id": "5", "param": "steps", "value": 20},
        {"op": "set_title", "node_id": "2", "title": "Prompt"},
        {"op": "connect", "source_node_id": "1", "output": "MODEL", "target_node_id": "5", "input": "model"},
        {"op": "replace_node", "node_id": "5", "class_type": "Sampler"},
    ]
    result = apply(text_to_image(), ops, SPECS)
    assert (result.changes, result.inverse) == ((), ())


@pytest.mark.parametrize("other", [20.0, True, "20"])
def test_a_value_of_another_type_is_another_value(other):
    graph = text_to_image()
    graph["5"]["inputs"]["steps"] = 1 if other is True else 20
    result = apply(graph, [{"op": "set_param", "node_id": "5", "param": "steps", "value": other}], SPECS)
    assert exactly(result.graph["5"]["inputs"]["steps"]) == exactly(other)


def test_findings_are_those_on_what_was_touched():
    graph = text_to_image()
    del graph["2"]["inputs"]["clip"]
    ops = [{"op": "disconnect", "target_node_id": "6", "input": "vae"}]
    assert apply(graph, ops, SPECS).findings == ()
    findings = apply(graph, ops, SPECS, validate=True).findings
    assert [(found.code, found.node_id, found.input) for found in findings] == [("MISSING_INPUT", "6", "vae")]
    assert isinstance(findings[0], Finding)


def test_links_in_a_circle_are_refused_however_many_operations_make_them():
    graph = {
        "1": node("Any", anything=3),
        "2": node("Any", anything=["1", 0]),
        "3": node("Any", anything=["2", 0]),
    }
    with pytest.raises(ApiError) as refused:
        apply(
            graph,
            [{"op": "connect", "source_node_id": "3", "target_node_id": "1", "input": "anything"}],
            SPECS,
        )
    assert refused.value.code == "WORKFLOW_CYCLE"
    assert set(refused.value.details["cycle"]) == {"1", "2", "3"}


def test_a_circle_may_be_there_between_operations():
    graph = {"1": node("Any", anything=3), "2": node("Any", anything=["1", 0])}
    turned = apply(
        graph,
        [
            {"op": "connect", "source_node_id": "2", "target_node_id": "1", "input": "anything"},
            {"op": "disconnect", "target_node_id": "2", "input": "anything"},
        ],
        SPECS,
    ).graph
    assert turned == {"1": node("Any", anything=["2", 0]), "2": node("Any")}


CHAIN = {
    "1": node("Any", anything=3),
    "2": node("Any", anything=["1", 0]),
    "3": node("Any", anything=["2", 0]),
}


@pytest.mark.parametrize(
    "rest",
    [
        [{"op": "remove_node", "node_id": "1", "bridge": True}],
        [{"op": "bypass", "node_id": "1"}, {"op": "disconnect", "target_node_id": "1"}],
        [
            {"op": "duplicate", "node_ids": ["1", "2", "3"]},
            {"op": "disconnect", "target_node_id": "1"},
        ],
        [
            {"op": "insert_node", "class_type": "Any", "target_node_id": "1"},
            {"op": "remove_node", "node_id": "1", "bridge": True},
        ],
    ],
)
def test_a_circle_that_was_there_for_a_moment_does_not_outlive_it(rest):
    closing = {"op": "connect", "source_node_id": "3", "target_node_id": "1", "input": "anything"}
    with pytest.raises(ApiError) as refused:
        apply(CHAIN, [closing, *rest], SPECS)
    assert refused.value.code == "WORKFLOW_CYCLE"


def test_a_workflow_that_has_a_circle_can_be_mended_and_undone():
    graph = {"1": node("Any", anything=["2", 0]), "2": node("Any", anything=["1", 0])}
    mended = apply(graph, [{"op": "disconnect", "target_node_id": "2", "input": "anything"}], SPECS)
    assert apply(mended.graph, list(mended.inverse), SPECS).graph == graph
    result = apply(graph, [{"op": "set_title", "node_id": "1", "title": "x"}], SPECS, validate=True)
    assert [found.code for found in result.findings] == ["WORKFLOW_CYCLE"]


def test_a_result_is_what_replies_carry():
    result = apply(
        text_to_image(), [{"op": "set_param", "node_id": "5", "param": "steps", "value": 3}], SPECS
    )
    document = result.to_json()
    assert document.keys() == {"workflow", "changes", "created", "findings", "inverse"}
    assert document["changes"] == [
        {
            "op": 0,
            "kind": "input_set",
            "node_id": "5",
            "class_type": "Sampler",
            "input": "steps",
            "old": 20,
            "new": 3,
        }
    ]
    assert document["inverse"] == [{"op": "restore", "nodes": {"5": text_to_image()["5"]}}]
    exactly(document)


def test_ids_stay_and_new_ones_are_the_next_numbers():
    graph = {"10": node("Number"), "7:3": node("Number"), "name": node("Number"), "9" * 40: node("Number")}
    ops = [
        {"op": "add_node", "class_type": "Number"},
        {"op": "remove_node", "node_id": "11"},
        {"op": "add_node", "class_type": "Number"},
        {"op": "add_node", "class_type": "Number", "id": 13},
        {"op": "add_node", "class_type": "Number"},
    ]
    assert list(apply(graph, ops, SPECS).graph) == [*graph, "12", "13", "14"]


def test_a_node_whose_id_looks_like_an_alias_can_be_named():
    graph = {"$x": node("Number", value=1)}
    assert apply(graph, [{"op": "set_title", "node_id": "$x", "title": "T"}], SPECS).graph["$x"]["_meta"]


SHORT = [
    (
        {"action": "add_node", "payload": {"class_type": "Lora", "params": {"strength": 0.5}}},
        {"op": "add_node", "class_type": "Lora", "params": {"strength": 0.5}},
    ),
    (
        {
            "action": "connect",
            "payload": {
                "source_node_id": "1",
                "source_port_name": "MODEL",
                "target_node_id": "5",
                "target_port_name": "model",
            },
        },
        {"op": "connect", "source_node_id": "1", "output": "MODEL", "target_node_id": "5", "input": "model"},
    ),
    ({"action": "remove_node", "payload": {"node_id": "1"}}, {"op": "remove_node", "node_id": "1"}),
    (
        {"action": "batch", "payload": {"ops": [{"op": "remove_node", "node_id": "1"}]}},
        {"op": "batch", "ops": [{"op": "remove_node", "node_id": "1"}]},
    ),
]


@pytest.mark.parametrize(("document", "operation"), SHORT)
def test_the_short_form_is_one_operation(document, operation):
    before = copy.deepcopy(document)
    assert from_short(document) == [operation]
    assert document == before
    assert apply(text_to_image(), from_short(document), SPECS)


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ([], {"action"}),
        ({"payload": {}}, {"action"}),
        ({"action": 3}, {"action"}),
        ({"action": "connect", "payload": 3}, {"payload"}),
        ({"action": "connect", "payload": {}, "ops": []}, {"ops"}),
        ({"action": "connect", "payload": {"op": "x"}}, {"payload.op"}),
        (
            {"action": "connect", "payload": {"source_port_name": 0, "output": 0}},
            {"payload.source_port_name"},
        ),
    ],
)
def test_a_short_form_that_cannot_be_read_is_refused(document, fields):
    with pytest.raises(ApiError) as refused:
        from_short(document)
    assert refused.value.code == "INVALID_REQUEST"
    assert refused.value.details["fields"].keys() == fields
