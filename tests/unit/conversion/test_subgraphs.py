"""Subgraphs, the widgets they show, and the group nodes before them."""

import pytest
from backplane.conversion import to_api
from backplane.errors import ApiError
from converting import node, specs, subgraph, workflow

LOADER = node(1, "CheckpointLoaderSimple", ["a.safetensors"], outputs=("MODEL", "CLIP", "VAE"))


def with_widget(name, link, kind="INT"):
    return {"name": name, "type": kind, "link": link, "widget": {"name": name}}


def graph_of(document, **how):
    return to_api(document, specs(), **how).graph


def text_in(made, node_id):
    return made[node_id]["inputs"]["text"]


ENCODE = subgraph(
    "encode",
    {
        **node(3, "CLIPTextEncode", ["inner"], outputs=("CONDITIONING",)),
        "inputs": [{"name": "clip", "type": "CLIP", "link": 1}, with_widget("text", 2, "STRING")],
    },
    links=[(1, -10, 0, 3, 0), (2, -10, 1, 3, 1), (3, 3, 0, -20, 0)],
    inputs=[("clip", "CLIP"), ("text", "STRING")],
    outputs=[("out", "CONDITIONING")],
)


def host(values=None, *, clip=1, text=None, node_id=2, **more):
    made = node(node_id, "encode", values, outputs=("CONDITIONING",), **more)
    made["inputs"] = [{"name": "clip", "type": "CLIP", "link": clip}, with_widget("text", text, "STRING")]
    return made


def document(*nodes, links=(), definitions=(ENCODE,)):
    return workflow(
        LOADER, *nodes, links=[(1, 1, 1, 2, 0), *links], definitions={"subgraphs": list(definitions)}
    )


SAMPLE = node(5, "KSampler", links={"positive": 9})


def test_nodes_inside_go_by_the_way_to_them():
    found = to_api(document(host(), SAMPLE, links=[(9, 2, 0, 5, 0)]), specs())
    assert found.graph.keys() == {"1", "2:3", "5"}
    assert found.graph["2:3"]["inputs"]["clip"] == ["1", 1]
    assert found.graph["5"]["inputs"]["positive"] == ["2:3", 0]
    assert found.ids["2:3"] == ("2", "3")


def test_the_value_of_the_node_that_uses_it_counts():
    assert text_in(graph_of(document(host(["outer"]))), "2:3") == "outer"


def test_without_one_that_of_the_node_inside_does():
    assert text_in(graph_of(document(host())), "2:3") == "inner"


def test_each_use_has_its_own_value():
    made = graph_of(document(host(["one"]), host(["two"], node_id=7, clip=None)))
    assert (text_in(made, "2:3"), text_in(made, "7:3")) == ("one", "two")


def test_a_link_from_outside_counts_more_than_a_value():
    text = node(6, "PrimitiveStringMultiline", ["linked"], outputs=("STRING",))
    made = graph_of(document(host(["outer"], text=2), text, links=[(2, 6, 0, 2, 1)]))
    assert text_in(made, "2:3") == ["6", 0]


def test_a_muted_or_bypassed_one_sends_nothing_of_what_is_in_it():
    links = [(9, 2, 0, 5, 0)]
    assert graph_of(document(host(mode=2), SAMPLE, links=links)).keys() == {"1", "5"}
    bypassed = graph_of(document(host(mode=4), SAMPLE, links=links))
    assert bypassed.keys() == {"1", "5"}
    assert "positive" not in bypassed["5"]["inputs"]  # nothing of that type to hand on


def test_ids_that_are_taken_are_given_anew_as_the_page_does():
    inner = {**ENCODE, "nodes": [{**ENCODE["nodes"][0], "id": 1}]}
    inner["links"] = [
        {**link, **{key: 1 for key in ("origin_id", "target_id") if link[key] == 3}}
        for link in ENCODE["links"]
    ]
    found = to_api(document(host(["x"]), definitions=(inner,)), specs())
    assert found.graph.keys() == {"1", "2:3"}  # last_node_id was 2
    assert found.ids["2:3"] == ("2", "1")


NESTED = subgraph(
    "nest",
    {
        **node(4, "encode", outputs=("CONDITIONING",)),
        "inputs": [{"name": "clip", "type": "CLIP", "link": 1}, with_widget("text", 2, "STRING")],
    },
    links=[(1, -10, 0, 4, 0), (2, -10, 1, 4, 1), (3, 4, 0, -20, 0)],
    inputs=[("clip", "CLIP"), ("words", "STRING")],
    outputs=[("out", "CONDITIONING")],
)


def nest(values=None, **more):
    made = node(2, "nest", values, outputs=("CONDITIONING",), **more)
    made["inputs"] = [{"name": "clip", "type": "CLIP", "link": 1}, with_widget("words", None, "STRING")]
    return made


def test_subgraphs_in_subgraphs():
    nested = document(nest(["outermost"]), SAMPLE, links=[(9, 2, 0, 5, 0)], definitions=(NESTED, ENCODE))
    made = graph_of(nested)
    assert made.keys() == {"1", "2:4:3", "5"}
    assert made["2:4:3"]["inputs"] == {"clip": ["1", 1], "text": "outermost"}
    assert made["5"]["inputs"]["positive"] == ["2:4:3", 0]


def test_definitions_may_stand_inside_others():
    made = graph_of(document(nest(), definitions=({**NESTED, "definitions": {"subgraphs": [ENCODE]}},)))
    assert text_in(made, "2:4:3") == "inner"


def test_a_subgraph_that_contains_itself_is_refused():
    circle = subgraph("encode", node(3, "encode"))
    with pytest.raises(ApiError) as caught:
        graph_of(document(host(), definitions=(circle,)))
    assert caught.value.code == "WORKFLOW_INVALID"


def test_a_few_lines_that_unfold_to_too_much_are_refused():
    levels = [subgraph(f"s{n}", node(1, f"s{n + 1}"), node(2, f"s{n + 1}")) for n in range(30)]
    levels.append(subgraph("s30", node(1, "Note")))
    with pytest.raises(ApiError) as caught:
        graph_of(workflow(node(1, "s0"), definitions={"subgraphs": levels}))
    assert caught.value.code == "WORKFLOW_INVALID"


def test_an_input_that_goes_straight_through():
    through = subgraph(
        "pass", links=[(1, -10, 0, -20, 0)], inputs=[("model", "MODEL")], outputs=[("model", "MODEL")]
    )
    uses = node(2, "pass", links={"model": 1}, outputs=("MODEL",))
    sample = node(5, "KSampler", links={"model": 9})
    made = graph_of(
        workflow(
            LOADER,
            uses,
            sample,
            links=[(1, 1, 0, 2, 0), (9, 2, 0, 5, 0)],
            definitions={"subgraphs": [through]},
        )
    )
    assert made["5"]["inputs"]["model"] == ["1", 0]


# ---------------------------------------------------------------- the old list of shown widgets

PLAIN = subgraph("plain", node(3, "EmptyLatentImage", [1, 2, 3]), node(4, "EmptyLatentImage", [4, 5, 6]))


def uses_plain(shown, values, node_id=2):
    return node(node_id, "plain", values, properties={"proxyWidgets": shown})


def plain(*hosts, definition=PLAIN):
    return graph_of(workflow(*hosts, definitions={"subgraphs": [definition]}))


def test_values_of_shown_widgets_go_by_the_list():
    made = plain(uses_plain([["4", "width"], ["3", "height"]], [40, 30]))
    assert made["2:4"]["inputs"] == {"width": 40, "height": 5, "batch_size": 6}
    assert made["2:3"]["inputs"] == {"width": 1, "height": 30, "batch_size": 3}


def test_without_values_shown_widgets_keep_those_inside():
    made = plain(uses_plain([["4", "width"]], []))
    assert made["2:4"]["inputs"]["width"] == 4


def test_two_uses_of_shown_widgets_do_not_mix():
    made = plain(uses_plain([["4", "width"]], [40]), uses_plain([["4", "width"]], [70], node_id=7))
    assert (made["2:4"]["inputs"]["width"], made["7:4"]["inputs"]["width"]) == (40, 70)


@pytest.mark.parametrize("shown", [[["4", "depth"]], [["9", "width"]], [["4", "$$preview"]], [["4"]], "{", 7])
def test_what_the_list_says_of_nothing_changes_nothing(shown):
    assert plain(uses_plain(shown, [40]))["2:4"]["inputs"]["width"] == 4


def test_the_list_may_be_text_and_name_widgets_with_an_old_prefix():
    assert plain(uses_plain('[["4", "4: width"]]', [40]))["2:4"]["inputs"]["width"] == 40


def test_a_primitive_that_is_shown_becomes_an_input():
    primitive = node(8, "PrimitiveNode", [10, "fixed"], outputs=("INT",))
    primitive["outputs"][0]["links"] = [1, 2]
    one, two = (node(n, "EmptyLatentImage", [n, n, n]) for n in (3, 4))
    one["inputs"], two["inputs"] = [with_widget("width", 1)], [with_widget("width", 2)]
    driven = subgraph("plain", primitive, one, two, links=[(1, 8, 0, 3, 0), (2, 8, 0, 4, 0)])
    made = plain(uses_plain([["8", "value"]], [77]), definition=driven)
    assert [made[key]["inputs"]["width"] for key in ("2:3", "2:4")] == [77, 77]


def test_values_that_the_page_put_aside_come_back():
    put_aside = {"originalEntry": ["-1", "text"], "reason": "missingSubgraphInput", "hostValue": "kept"}
    made = graph_of(document(host(["other"], properties={"proxyWidgetErrorQuarantine": [put_aside]})))
    assert text_in(made, "2:3") == "kept"


# ---------------------------------------------------------------- group nodes


def group_document(kind, **more):
    group = {
        "nodes": [
            {
                "type": "CheckpointLoaderSimple",
                "index": 0,
                "widgets_values": ["old"],
                "inputs": [],
                "outputs": [],
            },
            {"type": "CLIPTextEncode", "index": 1, "widgets_values": ["old"], "inputs": [{"name": "clip"}]},
            {
                "type": "KSampler",
                "index": 2,
                "widgets_values": [1, "fixed", 2, 3, "euler", "normal", 1],
                "inputs": [{"name": name} for name in ("model", "positive", "negative", "latent_image")],
            },
        ],
        "links": [[0, 1, 1, 0, "CLIP"], [0, 0, 2, 0, "MODEL"], [1, 0, 2, 1, "CONDITIONING"]],
        "external": [[0, 2, "VAE"]],
    }
    uses = node(
        5,
        kind,
        ["new.safetensors", "a dog", 9, "fixed", 30, 4, "euler", "simple", 0.5],
        links={"negative": 1, "latent_image": 2},
        outputs=("VAE", "CONDITIONING", "LATENT"),
        **more,
    )
    decode = node(6, "VAEDecode", links={"samples": 3, "vae": 4}, outputs=("IMAGE",))
    latent = node(7, "EmptyLatentImage", [1, 2, 3], outputs=("LATENT",))
    text = node(8, "CLIPTextEncode", ["bad"], outputs=("CONDITIONING",))
    links = [(1, 8, 0, 5, 0), (2, 7, 0, 5, 1), (3, 5, 1, 6, 0), (4, 5, 0, 6, 1)]
    return workflow(uses, decode, latent, text, links=links, extra={"groupNodes": {"Mine": group}})


@pytest.mark.parametrize("kind", ["workflow/Mine", "workflow>Mine"])
def test_a_group_node_is_what_is_in_it(kind):
    made = graph_of(group_document(kind))
    assert made.keys() == {"5:0", "5:1", "5:2", "6", "7", "8"}
    assert made["5:0"]["inputs"] == {"ckpt_name": "new.safetensors"}
    assert made["5:1"]["inputs"] == {"text": "a dog", "clip": ["5:0", 1]}
    sampler = made["5:2"]["inputs"]
    assert {name: sampler[name] for name in ("model", "positive", "negative", "latent_image")} == {
        "model": ["5:0", 0],
        "positive": ["5:1", 0],
        "negative": ["8", 0],
        "latent_image": ["7", 0],
    }
    assert (sampler["seed"], sampler["steps"], sampler["scheduler"], sampler["denoise"]) == (
        9,
        30,
        "simple",
        0.5,
    )
    # the sampler's output is the last, the encoder's is used inside only: so LATENT is the second
    assert made["6"]["inputs"] == {"samples": ["5:2", 0], "vae": ["5:0", 2]}


def test_a_muted_group_node_is_gone():
    assert graph_of(group_document("workflow>Mine", mode=2)).keys() == {"6", "7", "8"}


def test_a_group_node_that_contains_itself_is_unknown():
    document = workflow(
        node(1, "workflow>A"), extra={"groupNodes": {"A": {"nodes": [{"type": "workflow>A"}], "links": []}}}
    )
    with pytest.raises(ApiError) as caught:
        graph_of(document)
    assert caught.value.code == "UNKNOWN_NODE_CLASS"
