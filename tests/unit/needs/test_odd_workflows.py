"""Whatever JSON is sent as a workflow, it is answered or refused, and in time."""

import json

import pytest
from backplane.errors import ApiError
from backplane.needs.missing import missing_downloads
from backplane.needs.reading import MOST_NODES
from backplane.wire import dumps
from hypothesis import given, settings
from hypothesis import strategies as st
from needing import MODELS, api, assess, node, specs, ui

KEYS = st.sampled_from(
    [
        *(
            "nodes",
            "links",
            "definitions",
            "subgraphs",
            "extra",
            "groupNodes",
            "models",
            "version",
            "id",
            "type",
        ),
        *(
            "mode",
            "inputs",
            "widgets_values",
            "properties",
            "cnr_id",
            "aux_id",
            "ver",
            "widget",
            "name",
            "link",
        ),
        *("class_type", "url", "hash", "hash_type", "directory", "1", "2", "ckpt_name", "vae_name", "on"),
    ]
)
TEXTS = st.sampled_from(
    [
        *(
            "CheckpointLoaderSimple",
            "LoraLoader",
            "KSampler",
            "Reroute",
            "PrimitiveNode",
            "sub",
            "workflow>g",
        ),
        *(
            "x.safetensors",
            "a/b.gguf",
            "embedding:x",
            "https://a/b.safetensors",
            "SHA256",
            "..\\x.pt",
            "\ud800",
        ),
        *("ab" * 32, "loras", "unet", "", "-10"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=40,
)
IDS = st.sampled_from([1, 2, -10, "3", None, 1.5, True, 10**30])
LINKS = st.lists(st.lists(IDS | TEXTS, max_size=6) | st.dictionaries(KEYS, IDS, max_size=5), max_size=4)
PORTS = st.lists(
    st.fixed_dictionaries(
        {"name": TEXTS, "link": IDS, "widget": st.fixed_dictionaries({"name": TEXTS}) | VALUES}
    ),
    max_size=3,
)
ENTRIES = st.lists(st.dictionaries(KEYS, TEXTS | VALUES, max_size=6) | VALUES, max_size=3)
NODES = st.lists(
    st.fixed_dictionaries(
        {"id": IDS, "type": TEXTS},
        optional={
            "mode": VALUES | st.sampled_from([0, 2, 4]),
            "widgets_values": st.lists(TEXTS | VALUES, max_size=4) | VALUES,
            "inputs": PORTS | VALUES,
            "properties": st.dictionaries(KEYS, TEXTS | ENTRIES | VALUES, max_size=4) | VALUES,
        },
    )
    | VALUES,
    max_size=5,
)
SUBGRAPHS = st.lists(
    st.fixed_dictionaries({"id": st.just("sub") | TEXTS, "nodes": NODES, "links": LINKS, "inputs": PORTS})
    | VALUES,
    max_size=2,
)
PAGES = st.fixed_dictionaries(
    {"nodes": NODES},
    optional={
        "links": LINKS | VALUES,
        "models": ENTRIES | VALUES,
        "definitions": st.fixed_dictionaries({"subgraphs": SUBGRAPHS}) | VALUES,
        "extra": st.fixed_dictionaries(
            {
                "groupNodes": st.fixed_dictionaries({"g": st.fixed_dictionaries({"nodes": NODES}) | VALUES})
                | VALUES
            }
        )
        | VALUES,
    },
)
PROMPTS = st.dictionaries(
    st.sampled_from(["1", "2", "x", "\ud800"]),
    st.fixed_dictionaries(
        {"class_type": TEXTS | VALUES, "inputs": st.dictionaries(KEYS, TEXTS | VALUES) | VALUES}
    )
    | VALUES,
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(PAGES | PROMPTS | VALUES)
def test_any_json_is_answered_or_refused(workflow):
    before = repr(workflow)
    try:
        found = assess(workflow)
    except ApiError as error:
        found = error
    if isinstance(found, ApiError):
        assert found.code in {"WORKFLOW_MISSING", "INVALID_REQUEST"}
        return
    assert repr(workflow) == before
    assert json.loads(dumps(found.to_json()).encode())["ready"] is found.ready
    downloads = missing_downloads(found)
    missing = [need for need in found.models if need.needed and need.status == "missing"]
    assert len(downloads.items) + len(downloads.without) == len(missing)
    for download in downloads.items:
        assert download.url.startswith("https://")
        assert "/" not in download.filename
    for need in found.models:
        assert (need.status == "present") <= (need.name != "")
        assert need.uses or not need.needed


def nested(depth):
    value = "x.safetensors"
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


def test_deep_nesting_does_no_harm():
    deep = nested(50_000)
    assess({"1": api("Odd", x=deep), "2": {"class_type": deep, "inputs": deep}})
    assess(ui(node(1, "Odd", [deep]), {"id": deep, "type": deep}, models=deep, extra=deep, definitions=deep))
    inner = {"id": "sub", "nodes": [node(1, "Odd", [deep])], "links": deep}
    found = assess(ui(node(1, "sub"), node(2, "sub"), definitions={"subgraphs": [inner]}))
    assert found.unknown, "what repeats and cannot be measured is not unfolded again"


def test_subgraphs_that_multiply_are_cut_off():
    levels = [
        {"id": f"d{level}", "nodes": [node(at, f"d{level + 1}") for at in range(50)], "links": []}
        for level in range(20)
    ]
    last = {"id": "d20", "nodes": [node(1, "KSampler")], "links": []}
    found = assess(ui(node(1, "d0"), definitions={"subgraphs": [*levels, last]}))
    assert not found.ready
    assert found.unknown


def test_nodes_beyond_the_most_are_not_read():
    found = assess({str(number): api("KSampler") for number in range(MOST_NODES + 5)})
    assert [len(need.node_ids) for need in found.nodes] == [MOST_NODES]
    assert "nodes were read" in found.unknown[0].reason
    found = assess(ui(*(node(number, "KSampler") for number in range(MOST_NODES + 5))))
    assert [len(need.node_ids) for need in found.nodes] == [MOST_NODES]


def test_reroutes_in_a_circle_come_to_an_end():
    found = assess(
        ui(
            node(1, "Reroute", inputs=[{"name": "", "link": 1}]),
            node(
                2,
                "VAELoader",
                ["own.safetensors"],
                inputs=[{"name": "v", "widget": {"name": "vae_name"}, "link": 1}],
            ),
            links=[[1, 1, 0, 1, 0, "*"]],
        )
    )
    assert [each.name for each in found.models] == ["own.safetensors"]


@pytest.mark.parametrize("length", [513, 100_000])
def test_names_that_are_no_names_are_left_out(length):
    name = "x" * length + ".safetensors"
    assert assess({"1": api("VAELoader", vae_name=name), "2": api("Odd", a=name)}).models == ()


def test_the_same_workflow_says_the_same_of_every_order_of_model_folders():
    workflow = {
        "1": api("Odd", a="ae.safetensors", b="known.safetensors"),
        "2": api("VAELoader", vae_name="q.pt"),
    }
    assert assess(workflow).to_json() == assess(workflow, dict(reversed(MODELS.items()))).to_json()


def test_every_class_of_a_real_comfyui_is_read_in_both_formats():
    prompt = {name: api(name) for name in specs()}
    assert assess(prompt).ready
    page = ui(*(node(number, name, ["x"] * 20) for number, name in enumerate(specs())))
    assert {need.status for need in assess(page).nodes} == {"present"}
