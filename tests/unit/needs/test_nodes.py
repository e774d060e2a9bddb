"""Which node classes and packs a workflow needs."""

from backplane.needs.assess import requirements
from backplane.nodespec import parse
from needing import api, assess, model, named, node, ui, widget

UUID = "2f5b1c0a-7c1e-4b7e-9a53-2d9d1e9b8f10"


def by_class(found):
    return {need.class_type: need for need in found.nodes}


def test_classes_are_counted_and_the_missing_ones_have_close_matches():
    found = assess({"1": api("KSampler"), "2": api("KSampler"), "3": api("KSamplr")})
    assert [need.to_json() for need in found.nodes] == [
        {
            "class_type": "KSampler",
            "status": "present",
            "needed": True,
            "count": 2,
            "node_ids": ["1", "2"],
            "pack": None,
            "provided_by": "core",
            "close_matches": [],
        },
        {
            "class_type": "KSamplr",
            "status": "missing",
            "needed": True,
            "count": 1,
            "node_ids": ["3"],
            "pack": None,
            "provided_by": None,
            "close_matches": ["KSampler", "KSamplerSelect", "KSamplerAdvanced"],
        },
    ]
    assert not found.ready


def test_missing_nodes_are_grouped_by_the_pack_that_the_workflow_names():
    found = assess(
        ui(
            node(1, "OddOne", pack="odd-pack", aux_id="someone/ComfyUI-Odd"),
            node(2, "OddTwo", pack="odd-pack", mode=4),
            node(3, "OddTwo", aux_id="other/repo", ver="abc"),
            node(4, "NewCore", pack="comfy-core"),
            node(5, "NoPack"),
            node(6, "KSampler", pack="comfy-core"),
        )
    )
    assert [pack.to_json() for pack in found.packs] == [
        {
            "id": "odd-pack",
            "versions": ["1.2.3"],
            "registry": "https://registry.comfy.org/nodes/odd-pack",
            "repository": "https://github.com/someone/ComfyUI-Odd",
            "needed": True,
            "class_types": ["OddOne", "OddTwo"],
            "node_ids": ["1", "2"],
        },
        {
            "id": "other/repo",
            "versions": ["abc"],
            "registry": None,
            "repository": "https://github.com/other/repo",
            "needed": True,
            "class_types": ["OddTwo"],
            "node_ids": ["3"],
        },
        {
            "id": "comfy-core",
            "versions": ["1.2.3"],
            "registry": None,
            "repository": None,
            "needed": True,
            "class_types": ["NewCore"],
            "node_ids": ["4"],
        },
    ]
    assert by_class(found)["OddOne"].pack.version == "1.2.3"
    assert by_class(found)["NoPack"].pack is None


def test_ids_that_could_lead_elsewhere_make_no_links():
    for properties in (
        {"cnr_id": "../evil"},
        {"cnr_id": "a?b"},
        {"cnr_id": "x" * 500},
        {"aux_id": "evil.example/a/b"},
        {"aux_id": "a/../../b"},
        {"aux_id": "-a/b"},
        {"aux_id": "a/.."},
        {"cnr_id": 5, "aux_id": ["a/b"]},
    ):
        assert assess(ui(node(1, "Odd", **properties))).packs == (), properties


def test_nodes_of_the_page_alone_are_never_missing():
    kinds = ["Reroute", "PrimitiveNode", "Note", "MarkdownNote", "SetNode", "Label (rgthree)"]
    found = assess(ui(*(node(number, kind, ["x.safetensors"]) for number, kind in enumerate(kinds))))
    assert {(need.status, need.needed) for need in found.nodes} == {("frontend", False)}
    assert found.models == ()
    assert found.ready


def test_in_api_format_they_are_missing_for_no_server_runs_them():
    assert [need.status for need in assess({"1": api("Reroute")}).nodes] == ["missing"]


def test_what_is_muted_or_bypassed_is_not_needed():
    found = assess(
        ui(
            node(1, "Odd", mode=2),
            node(2, "CheckpointLoaderSimple", ["gone.safetensors"], mode=4),
            node(3, "KSampler", mode=0),
        )
    )
    assert {need.class_type: need.needed for need in found.nodes} == {
        "Odd": False,
        "CheckpointLoaderSimple": False,
        "KSampler": True,
    }
    assert [(model.status, model.needed) for model in found.models] == [("missing", False)]
    assert found.ready


# Widgets


def test_values_are_taken_by_their_place_in_the_definition():
    found = assess(
        ui(
            node(1, "DualCLIPLoader", ["one.safetensors", "two.safetensors", "flux"]),
            node(2, "LoraLoader", ["three.safetensors", 1.0, 1.0]),
        )
    )
    assert named(found).keys() == {
        ("text_encoders", "one.safetensors"),
        ("text_encoders", "two.safetensors"),
        ("loras", "three.safetensors"),
    }
    assert [use.param for use in model(found, "two.safetensors").uses] == ["clip_name2"]


def test_values_saved_by_name_are_taken_by_name():
    found = assess(ui(node(1, "VAELoader", {"vae_name": "named.safetensors", "videopreview": {"a": 1}})))
    assert named(found) == {("vae", "named.safetensors"): "missing"}


def test_values_of_another_version_of_the_class_are_taken_by_their_looks():
    found = assess(ui(node(1, "LoraLoaderModelOnly", [0.5, "fixed", "moved.safetensors"])))
    assert named(found) == {("loras", "moved.safetensors"): "missing"}
    assert found.unknown == ()


def test_values_that_do_not_fit_are_told_and_still_seen():
    found = assess(ui(node(1, "LoraLoaderModelOnly", [0.5, "one.safetensors", "two.safetensors"])))
    assert {each.name for each in found.models} == {"one.safetensors", "two.safetensors"}
    assert found.unknown[0].node_id == "1"


ODD = parse(
    {
        "input": {
            "required": {
                "seed": ["INT", {"default": 0}],
                "image": [["a.png"], {"image_upload": True}],
                "how": [
                    "COMFY_DYNAMICCOMBO_V3",
                    {
                        "options": [
                            {"key": "plain", "inputs": {"required": {}}},
                            {
                                "key": "fine",
                                "inputs": {
                                    "required": {
                                        "steps": ["INT", {}],
                                        "lora": [["a.pt"], {}],
                                        "note": ["STRING", {}],
                                    }
                                },
                            },
                        ]
                    },
                ],
                "vae_name": [["b.pt"], {}],
                "text": ["STRING", {}],
            }
        },
        "output": [],
    },
    folders={"vae_name": "vae", "how.lora": "loras"},
    name="Odd",
)


def test_widgets_that_the_page_adds_and_that_a_choice_brings_are_minded():
    def places(values):
        found = requirements(ui(node(1, "Odd", values)), {"Odd": ODD}, {}, {}, {})
        assert found.unknown == ()
        return {(each.uses[0].param, each.name) for each in found.models}

    for seed in ([7, "randomize"], [7]):
        for image in (["a.png", "image"], ["a.png"]):
            assert places([*seed, *image, "plain", "v.pt", "x.safetensors"]) == {("vae_name", "v.pt")}, (
                seed,
                image,
            )
            values = [*seed, *image, "fine", 3, "l.pt", "n", "v.pt", "x.safetensors"]
            assert places(values) == {("how.lora", "l.pt"), ("vae_name", "v.pt")}
    prompt = {"seed": 7, "how": "fine", "how.lora": "l.pt", "vae_name": "v.pt"}
    found = requirements({"1": api("Odd", **prompt)}, {"Odd": ODD}, {}, {}, {})
    assert named(found).keys() == {("loras", "l.pt"), ("vae", "v.pt")}


def test_a_missing_class_with_named_widgets_has_named_params():
    inputs = [widget("ckpt_name"), widget("mode")]
    found = assess(ui(node(1, "Odd", ["x.safetensors", "fast"], inputs=inputs)))
    [only] = found.models
    assert (only.folder, only.folder_from, only.uses[0].param) == ("checkpoints", "param", "ckpt_name")


def test_a_primitive_node_gives_the_value_of_the_widget_it_is_linked_to():
    for links in (
        [[1, 7, 0, 8, 0, "COMBO"], [2, 8, 0, 9, 0, "COMBO"]],
        [
            {"id": 1, "origin_id": 7, "origin_slot": 0, "target_id": 8, "target_slot": 0},
            {"id": 2, "origin_id": 8, "origin_slot": 0, "target_id": 9, "target_slot": 0},
        ],
    ):
        found = assess(
            ui(
                node(7, "PrimitiveNode", ["chosen.safetensors", "fixed"]),
                node(8, "Reroute", inputs=[{"name": "", "type": "*", "link": 1}]),
                node(9, "VAELoader", ["stale.safetensors"], inputs=[widget("vae_name", 2)]),
                links=links,
            )
        )
        assert named(found) == {("vae", "chosen.safetensors"): "missing"}


def test_a_widget_that_another_node_feeds_is_not_taken_for_its_saved_value():
    found = assess(
        ui(
            node(7, "PrimitiveString", ["from here.safetensors"]),
            node(9, "VAELoader", ["stale.safetensors"], inputs=[widget("vae_name", 1)]),
            links=[[1, 7, 0, 9, 0, "STRING"]],
        )
    )
    assert [each.name for each in found.models if each.needed] == ["from here.safetensors"]


# Subgraphs and group nodes


def subgraph(*nodes, id_=UUID, inputs=(), links=()):
    return {"id": id_, "name": "Sub", "nodes": list(nodes), "inputs": list(inputs), "links": list(links)}


def test_subgraphs_are_unfolded_and_named_as_in_api_format():
    found = assess(
        ui(
            node(5, UUID),
            node(6, UUID, mode=4),
            definitions={"subgraphs": [subgraph(node(1, "VAELoader", ["x.safetensors"]), node(2, "Odd"))]},
        )
    )
    assert sorted(by_class(found)["Odd"].node_ids) == ["5:2", "6:2"]
    assert UUID not in by_class(found)
    assert {use.node_id for use in model(found, "x.safetensors").uses} == {"5:1", "6:1"}
    assert model(found, "x.safetensors").needed


def test_a_bypassed_subgraph_has_nothing_that_is_needed():
    inner = subgraph(node(1, "VAELoader", ["x.safetensors"]))
    found = assess(ui(node(5, UUID, mode=4), definitions={"subgraphs": [inner]}))
    assert not model(found, "x.safetensors").needed


PROMOTED = {
    "inputs": [
        {"name": "seed", "type": "INT"},
        {"name": "model", "type": "MODEL"},
        {"name": "vae", "type": "COMBO"},
    ],
    "links": [
        {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 2, "target_slot": 0, "type": "INT"},
        {"id": 2, "origin_id": -10, "origin_slot": 1, "target_id": 2, "target_slot": 1, "type": "MODEL"},
        {"id": 3, "origin_id": -10, "origin_slot": 2, "target_id": 1, "target_slot": 0, "type": "COMBO"},
    ],
}


def promoting():
    return subgraph(
        node(1, "VAELoader", ["default.safetensors"], inputs=[widget("vae_name", 3)]),
        node(2, "KSampler", [1], inputs=[widget("seed", 1), {"name": "model", "type": "MODEL", "link": 2}]),
        **PROMOTED,
    )


def test_each_use_of_a_subgraph_has_its_own_promoted_values():
    found = assess(
        ui(
            node(5, UUID, [42, "five.safetensors"]),
            node(6, UUID, [43, "six.safetensors"]),
            node(7, UUID, []),
            definitions={"subgraphs": [promoting()]},
        )
    )
    assert {each.name: each.uses[0].node_id for each in found.models} == {
        "five.safetensors": "5:1",
        "six.safetensors": "6:1",
        "default.safetensors": "7:1",
    }
    assert found.unknown == ()


def test_promoted_values_that_do_not_fit_are_told():
    found = assess(ui(node(5, UUID, ["odd.safetensors"]), definitions={"subgraphs": [promoting()]}))
    assert [each.name for each in found.models] == ["default.safetensors"]
    assert found.unknown[0].node_id == "5"


def test_a_promoted_widget_may_be_linked_outside():
    found = assess(
        ui(
            node(4, "PrimitiveNode", ["outer.safetensors"]),
            node(5, UUID, [42, "five.safetensors"], inputs=[widget("vae", 9)]),
            links=[[9, 4, 0, 5, 0, "COMBO"]],
            definitions={"subgraphs": [promoting()]},
        )
    )
    assert named(found) == {("vae", "outer.safetensors"): "missing"}


def test_subgraphs_in_subgraphs_pass_values_on():
    outer = subgraph(
        node(3, UUID, [1, "middle.safetensors"], inputs=[widget("vae", 8)]),
        id_="outer",
        inputs=[{"name": "chosen", "type": "COMBO"}],
        links=[{"id": 8, "origin_id": -10, "origin_slot": 0, "target_id": 3, "target_slot": 0}],
    )
    document = ui(node(9, "outer", ["top.safetensors"]), definitions={"subgraphs": [promoting(), outer]})
    found = assess(document)
    assert [(each.name, each.uses[0].node_id) for each in found.models] == [("top.safetensors", "9:3:1")]


def test_a_subgraph_without_a_definition_is_missing():
    assert [need.status for need in assess(ui(node(5, UUID))).nodes] == ["missing"]


def test_a_subgraph_that_contains_itself_is_told():
    found = assess(
        ui(node(5, UUID), definitions={"subgraphs": [subgraph(node(1, "KSampler"), node(2, UUID))]})
    )
    assert not found.ready
    assert found.unknown[0].node_id == "5:2"


def test_group_nodes_are_unfolded_with_the_files_they_name():
    group = {
        "nodes": [
            {"type": "VAELoader", "widgets_values": ["default.safetensors"]},
            {"type": "Odd", "widgets_values": [], "properties": {"cnr_id": "odd-pack"}},
        ],
        "links": [],
    }
    for prefix in ("workflow>", "workflow/"):
        found = assess(
            ui(
                node(5, f"{prefix}My Group", ["chosen.safetensors", 3]),
                node(6, f"{prefix}My Group", []),
                extra={"groupNodes": {"My Group": group}},
            )
        )
        assert {each.name: each.uses[0].node_id for each in found.models} == {
            "chosen.safetensors": "5:0",
            "default.safetensors": "6:0",
        }
        assert [each.pack.id for each in found.packs] == ["odd-pack"]
        assert all(not need.class_type.startswith("workflow") for need in found.nodes)


def test_what_is_no_node_is_told():
    found = assess({"1": "node", "2": {"inputs": {}}, "3": {"class_type": 5}, "4": api("KSampler")})
    assert not found.ready
    assert [unknown.node_id for unknown in found.unknown] == ["1", "2", "3"]
