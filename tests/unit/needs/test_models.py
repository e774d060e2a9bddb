"""Which models an API-format workflow needs, and whether they are here."""

import pytest
from backplane.errors import ApiError
from backplane.needs.missing import missing_downloads
from needing import ALIASES, ELSEWHERE, KNOWN, MODELS, SHA, api, assess, entry, model, named, node, ui


def test_a_model_that_is_here_is_present():
    found = assess({"1": api("CheckpointLoaderSimple", ckpt_name="base.safetensors")})
    assert found.ready
    [only] = found.to_json()["models"]
    assert only == {
        "folder": "checkpoints",
        "folder_from": "node",
        "name": "base.safetensors",
        "status": "present",
        "needed": True,
        "nodes": [{"node_id": "1", "param": "ckpt_name"}],
        "here": [{"folder": "checkpoints", "name": "base.safetensors"}],
        "close_matches": [],
        "sources": [],
    }


def test_a_model_that_is_not_here_is_missing_and_named_with_what_looks_like_it():
    found = assess({"1": api("CheckpointLoaderSimple", ckpt_name="sd_xl_refiner_1.1.safetensors")})
    assert not found.ready
    [only] = found.models
    assert (only.status, only.here) == ("missing", ())
    assert only.close_matches == ("sd_xl_refiner_1.0.safetensors",)


def test_both_ways_to_write_a_subfolder_are_one_file():
    windows = assess({"1": api("CheckpointLoaderSimple", ckpt_name="sdxl\\fine.safetensors")})
    assert named(windows) == {("checkpoints", "sdxl/fine.safetensors"): "present"}
    assert windows.models[0].here[0].name == "sdxl/fine.safetensors"
    on_windows = {**MODELS, "checkpoints": ["sdxl\\new.safetensors"]}
    found = assess({"1": api("CheckpointLoaderSimple", ckpt_name="sdxl/new.safetensors")}, on_windows)
    assert found.models[0].status == "present"
    assert found.models[0].here[0].name == "sdxl\\new.safetensors"


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ("fine.safetensors", ("checkpoints", "sdxl/fine.safetensors")),
        ("other/base.safetensors", ("checkpoints", "base.safetensors")),
        ("BASE.safetensors", ("checkpoints", "base.safetensors")),
        ("ae.safetensors", ("vae", "ae.safetensors")),
    ],
)
def test_a_file_of_that_name_in_another_place_is_elsewhere(asked, where):
    found = assess({"1": api("CheckpointLoaderSimple", ckpt_name=asked)})
    [only] = found.models
    assert only.status == "elsewhere"
    assert [(place.folder, place.name) for place in only.here] == [where]
    assert not found.ready


def test_a_name_that_many_files_have_is_elsewhere_only_in_its_own_folder():
    found = assess({"1": api("CheckpointLoaderSimple", ckpt_name="model.safetensors")})
    assert found.models[0].status == "missing"
    found = assess({"1": api("LoraLoaderModelOnly", lora_name="model.safetensors")})
    assert found.models[0].status == "elsewhere"


def test_one_model_of_many_nodes_is_one_need():
    found = assess(
        {
            "1": api("DualCLIPLoader", clip_name1="t5.safetensors", clip_name2="t5.safetensors"),
            "2": api("CLIPLoader", clip_name="t5.safetensors"),
        }
    )
    [only] = found.models
    assert [(use.node_id, use.param) for use in only.uses] == [
        ("1", "clip_name1"),
        ("1", "clip_name2"),
        ("2", "clip_name"),
    ]


def test_a_choice_that_is_no_file_is_no_need():
    found = assess(
        {
            "1": api("VAELoader", vae_name="pixel_space"),
            "2": api("LoraLoaderModelOnly", lora_name="None"),
            "3": api("LoraLoaderModelOnly", lora_name=""),
        }
    )
    assert found.models == ()
    assert found.ready


def test_an_option_whose_file_the_list_of_files_lacks_is_present():
    found = assess({"1": api("VAELoader", vae_name="ae.safetensors")}, {**MODELS, "vae": []})
    assert found.models[0].status == "present"


def test_a_linked_name_is_looked_for_where_it_comes_from():
    found = assess(
        {
            "1": api("PrimitiveString", value="far.safetensors"),
            "2": api("CheckpointLoaderSimple", ckpt_name=["1", 0]),
            "3": api("VAELoader", vae_name=["4", 0]),
            "4": api("PrimitiveString", value="worked out"),
        }
    )
    assert named(found) == {("checkpoints", "far.safetensors"): "missing"}
    [unknown] = found.unknown
    assert (unknown.node_id, unknown.param) == ("3", "vae_name")
    assert "node 4" in unknown.reason


# Classes that are not here


def test_models_of_a_class_that_is_not_here_are_known_by_their_suffix():
    found = assess(
        {
            "1": api(
                "OddLoader", ckpt_name="odd.safetensors", thing="x.gguf", steps=3, text="a cat.", u=None
            ),
            "2": api("OddSaver", url="https://example.com/a.safetensors", prefix="out"),
        }
    )
    assert {(model.folder, model.folder_from, model.name) for model in found.models} == {
        ("checkpoints", "param", "odd.safetensors"),
        (None, None, "x.gguf"),
    }


def test_loras_that_are_switched_off_are_not_needed():
    found = assess(
        {
            "1": api(
                "Power Lora Loader (rgthree)",
                lora_1={"on": True, "lora": "on.safetensors", "strength": 1},
                lora_2={"on": False, "lora": "off.safetensors", "strength": 1},
            )
        }
    )
    assert {model.name: (model.folder, model.needed) for model in found.models} == {
        "on.safetensors": ("loras", True),
        "off.safetensors": ("loras", False),
    }


def test_a_name_without_a_folder_is_found_in_any():
    found = assess({"1": api("OddLoader", file="ae.safetensors", other="known.safetensors")})
    assert model(found, "ae.safetensors").status == "present"
    assert (model(found, "ae.safetensors").folder, model(found, "ae.safetensors").folder_from) == (
        "vae",
        "here",
    )
    assert model(found, "known.safetensors").folder_from == "known"


def test_a_file_that_a_node_writes_is_no_model():
    assert (
        assess({"1": api("SaveText", text="x"), "2": api("StringConcatenate", string_a="a.pt")}).models == ()
    )


# Embeddings


def test_embeddings_in_prompts_are_needed():
    text = "a cat, embedding:here, (embedding:ink:1.2) embedding:EasyNegative, <lora:x:1>\nembedding:gone.pt"
    found = assess({"1": api("CLIPTextEncode", text=text, clip=["2", 0])})
    assert named(found) == {
        ("embeddings", "here"): "present",
        ("embeddings", "ink"): "elsewhere",
        ("embeddings", "EasyNegative"): "missing",
        ("embeddings", "gone.pt"): "missing",
    }
    assert model(found, "ink").here[0].name == "styles/ink.safetensors"
    assert [source.url for source in model(found, "EasyNegative").sources] == [
        ELSEWHERE + "EasyNegative.safetensors"
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("embedding:a", ["a"]),
        ("(embedding:a:1.1)", ["a"]),
        ("((embedding:a))", ["a"]),
        ("x embedding:sub/a.pt,", ["sub/a.pt"]),
        ("x embedding:sub\\a", ["sub/a"]),
        ("embedding:a\\(1\\) b", ["a(1)"]),
        ("embedding:a[x]", ["a"]),
        ("xembedding:a", []),
        ("embedding: a", []),
        ("embedding:", []),
        ("embedding:" + "a" * 10_000, []),
    ],
)
def test_what_counts_as_an_embedding(text, names):
    found = assess({"1": api("CLIPTextEncode", text=text)}, {"embeddings": []}, {})
    assert [model.name for model in found.models] == names


# Where to get them


def test_sources_come_from_the_workflow_then_from_the_table():
    found = assess(
        ui(
            node(1, "VAELoader", ["known.safetensors"], models=[entry("known.safetensors", "vae")]),
            models=[
                {
                    "name": "known.safetensors",
                    "directory": "vae",
                    "url": "https://example.com/known.safetensors",
                    "hash": SHA.upper(),
                    "hash_type": "SHA256",
                }
            ],
        )
    )
    [only] = found.models
    assert [source.to_json() for source in only.sources] == [
        {
            "url": "https://example.com/known.safetensors",
            "name": "known.safetensors",
            "folder": "vae",
            "sha256": SHA,
            "size": None,
            "from": "workflow",
        },
        {
            "url": ELSEWHERE + "known.safetensors",
            "name": "known.safetensors",
            "folder": "vae",
            "sha256": None,
            "size": None,
            "from": "workflow",
        },
    ]


def test_two_ways_to_write_one_link_are_one_source_and_the_hash_is_kept():
    url = "https://huggingface.co/a/b/blob/main/x.safetensors?download=true"
    found = assess(
        ui(
            node(
                1,
                "VAELoader",
                ["x.safetensors"],
                models=[
                    {"name": "x.safetensors", "directory": "vae", "url": url.replace("blob", "resolve")},
                    {
                        "name": "x.safetensors",
                        "directory": "vae",
                        "url": url,
                        "hash": SHA,
                        "hash_type": "SHA256",
                    },
                ],
            )
        )
    )
    assert [(source.url, source.sha256) for source in found.models[0].sources] == [(url, SHA)]


@pytest.mark.parametrize(
    "fields",
    [
        {"hash": SHA, "hash_type": "BLAKE3"},
        {"hash": SHA},
        {"hash": "ab", "hash_type": "SHA256"},
        {"hash": 5, "hash_type": "SHA256"},
    ],
)
def test_only_a_sha256_is_a_hash(fields):
    listed = [entry("x.safetensors", "vae", **fields)]
    found = assess(ui(node(1, "VAELoader", ["x.safetensors"], models=listed)))
    assert found.models[0].sources[0].sha256 is None


@pytest.mark.parametrize("url", ["file:///etc/passwd", "javascript:x", "", 7, None, "ftp://a/b", "//a/b"])
def test_what_is_no_web_address_is_no_source(url):
    listed = [{"name": "x.safetensors", "directory": "vae", "url": url}]
    found = assess(ui(node(1, "VAELoader", ["x.safetensors"], models=listed)))
    assert found.models[0].sources == ()


def test_an_old_name_of_a_folder_is_the_folder():
    listed = [entry("x.safetensors", "clip")]
    found = assess(ui(node(1, "OddLoader", ["x.safetensors"], models=listed)))
    assert (found.models[0].folder, found.models[0].folder_from) == ("text_encoders", "workflow")
    assert ALIASES["clip"] == found.models[0].sources[0].folder


def test_an_entry_belongs_to_the_node_of_its_folder():
    found = assess(
        ui(
            node(1, "VAELoader", ["both.safetensors"], models=[entry("both.safetensors", "vae")]),
            node(2, "LoraLoaderModelOnly", ["both.safetensors", 1.0]),
        )
    )
    by_folder = {model.folder: model for model in found.models}
    assert len(by_folder["vae"].sources) == 1
    assert by_folder["loras"].sources == ()


def test_the_table_counts_only_for_the_folder_it_names():
    found = assess({"1": api("LoraLoaderModelOnly", lora_name="known.safetensors")})
    assert found.models[0].sources == ()


def test_a_model_that_only_an_entry_names_is_not_needed():
    found = assess(ui(node(1, "KSampler"), models=[entry("extra.safetensors", "loras")]))
    [only] = found.models
    assert (only.needed, only.status, only.uses) == (False, "missing", ())
    assert found.ready


# Downloads


def test_missing_downloads_gives_one_of_each_and_says_what_has_no_source():
    found = assess(
        ui(
            node(
                1,
                "LoraLoaderModelOnly",
                ["deep/er/x.safetensors", 1.0],
                models=[
                    {
                        "name": "x.safetensors",
                        "directory": "loras",
                        "url": "http://plain.example/x.safetensors",
                    },
                    entry("x.safetensors", "loras", hash=SHA, hash_type="SHA256"),
                ],
            ),
            node(2, "VAELoader", ["known.safetensors"]),
            node(3, "CheckpointLoaderSimple", ["nowhere.safetensors"]),
            node(4, "CheckpointLoaderSimple", ["fine.safetensors"]),
            node(5, "CheckpointLoaderSimple", ["base.safetensors"]),
            node(6, "CLIPTextEncode", ["embedding:EasyNegative"]),
            node(7, "VAELoader", ["muted.safetensors"], mode=2, models=[entry("muted.safetensors", "vae")]),
        )
    )
    found = missing_downloads(found)
    assert [(d.url, d.folder, d.target_dir, d.filename, d.sha256) for d in found.items] == [
        (ELSEWHERE + "x.safetensors", "loras", "deep/er", "x.safetensors", SHA),
        (ELSEWHERE + "known.safetensors", "vae", None, "known.safetensors", SHA),
        (ELSEWHERE + "EasyNegative.safetensors", "embeddings", None, "EasyNegative.safetensors", None),
    ]
    assert [need.name for need in found.without] == ["nowhere.safetensors"]
    assert [need.name for need in found.elsewhere] == ["fine.safetensors"]


def test_a_name_that_leads_out_stays_data():
    listed = [entry("x.safetensors", "../../etc")]
    found = assess(ui(node(1, "VAELoader", ["../../x.safetensors"], models=listed)))
    [download] = missing_downloads(found).items
    assert (download.folder, download.target_dir, download.filename) == ("vae", "../..", "x.safetensors")


def test_the_table_alone_is_not_asked_for_what_is_here():
    assert (
        missing_downloads(assess({"1": api("VAELoader", vae_name="ae.safetensors")}, known=KNOWN)).items == ()
    )


@pytest.mark.parametrize(
    ("workflow", "code"),
    [
        (None, "WORKFLOW_MISSING"),
        ({}, "WORKFLOW_MISSING"),
        ({"nodes": []}, "WORKFLOW_MISSING"),
        ([], "INVALID_REQUEST"),
        ("{}", "INVALID_REQUEST"),
        (5, "INVALID_REQUEST"),
    ],
)
def test_what_is_no_workflow_is_refused(workflow, code):
    with pytest.raises(ApiError) as refused:
        assess(workflow)
    assert refused.value.code == code
