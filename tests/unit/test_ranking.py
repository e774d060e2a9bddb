"""Searching, and which node may come next, on the nodes of a real ComfyUI 0.33."""

import gzip
import json
from pathlib import Path

import pytest
from backplane.catalog import Catalog, PairCounts
from backplane.errors import NotFound
from fakes import FixedNodes

FIXTURE = Path(__file__).resolve().parents[1] / "data" / "object_info-0.33.0.json.gz"
INFOS = json.loads(gzip.decompress(FIXTURE.read_bytes()))


@pytest.fixture(scope="module")
def catalog():
    found = Catalog(FixedNodes(INFOS))
    found.refresh()
    return found


def found(catalog, *args, **named):
    return [spec.name for spec in catalog.search(*args, **named)]


def test_without_words_all_nodes_come_in_the_hosts_order(catalog):
    assert found(catalog) == found(catalog, "  ") == list(INFOS)


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("KSampler", "KSampler"),
        ("ksampler", "KSampler"),
        ("load image", "LoadImage"),
        ("load checkpoint", "CheckpointLoaderSimple"),
        ("vae decode", "VAEDecode"),
        ("ksmapler", "KSampler"),
    ],
)
def test_the_best_match_comes_first(catalog, words, first):
    assert found(catalog, words)[0] == first


def test_an_alias_finds_a_node(catalog):
    assert "KSampler" in found(catalog, "txt2img")


def test_every_word_must_be_found(catalog):
    names = found(catalog, "upscale latent")
    assert {"LatentUpscale", "LatentUpscaleBy"} <= set(names)
    assert "KSampler" not in names


def test_nonsense_finds_nothing(catalog):
    assert found(catalog, "qqqqzzzzxxxx") == []


def test_a_category_holds_what_lies_below_it(catalog):
    names = found(catalog, category="model")
    assert "KSampler" in names
    assert names == found(catalog, category="Model/")
    assert found(catalog, category="mod") == []


def test_deprecated_nodes_can_be_left_out_or_asked_for(catalog):
    old, current = found(catalog, deprecated=True), found(catalog, deprecated=False)
    assert len(old) == 43
    assert sorted(old + current) == sorted(INFOS)


def test_a_model_goes_to_the_samplers_and_what_patches_it(catalog):
    items = catalog.next("CheckpointLoaderSimple")
    assert {"KSampler", "LoraLoader", "LoraLoaderModelOnly"} <= {item["name"] for item in items[:10]}
    sampler = next(item for item in items if item["name"] == "KSampler")
    assert sampler == {
        "name": "KSampler",
        "display_name": "KSampler",
        "category": "model/sampling",
        "port": "model",
        "port_type": "MODEL",
        "match": "exact",
        "count": sampler["count"],
        "ports": ["model"],
    }
    assert sampler["count"] > 10


def test_a_conditioning_goes_to_the_likelier_of_two_ports(catalog):
    sampler = next(item for item in catalog.next("CLIPTextEncode") if item["name"] == "KSampler")
    assert sampler["port"] == "positive"
    assert set(sampler["ports"]) == {"positive", "negative"}


def test_an_output_may_be_named_or_numbered(catalog):
    by_name = catalog.next("CheckpointLoaderSimple", "CLIP")
    assert by_name == catalog.next("CheckpointLoaderSimple", 1)
    assert by_name[0]["name"] == "CLIPTextEncode"


def test_exact_types_come_before_unions_and_those_before_wildcards(catalog):
    items = catalog.next("VAEDecode")
    ranks = [("exact", "union", "wildcard").index(item["match"]) for item in items]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}
    resize = next(item for item in items if item["name"] == "ResizeImageMaskNode")
    assert (resize["port"], resize["match"]) == ("input", "union")


def test_within_a_rank_common_pairs_come_first(catalog):
    exact = [item for item in catalog.next("VAEDecode") if item["match"] == "exact"]
    assert exact[0]["name"] == "SaveImage"
    assert [item["count"] for item in exact] == sorted((item["count"] for item in exact), reverse=True)


def test_a_growing_input_is_met_by_its_first_name(catalog):
    items = catalog.next("LoadImage")
    batch = next(item for item in items if item["name"] == "BatchImagesNode")
    assert batch["port"] == "images.image0"
    assert batch["count"] > 10


def test_ports_of_variants_are_met_too(catalog):
    resize = next(item for item in catalog.next("PrimitiveInt") if item["name"] == "ResizeImageMaskNode")
    assert "resize_type.width" in resize["ports"]


def test_params_that_may_be_linked_stand_below_sockets_of_equal_count():
    socket = {"input": {"required": {"z": ("MINE", {})}}, "output": []}
    param = {"input": {"required": {"a": ("MINE", {"widgetType": "STRING"})}}, "output": []}
    more = {"Giver": {"output": ["MINE"]}, "APlain": param, "ZSocket": socket}
    catalog = Catalog(FixedNodes({**INFOS, **more}), PairCounts(shipped=None))
    exact = [item["name"] for item in catalog.next("Giver") if item["match"] == "exact"]
    assert exact == ["ZSocket", "APlain"]


def test_what_gives_an_input_is_found_backwards(catalog):
    items = catalog.previous("KSampler", "latent_image")
    assert items[0]["match"] == "exact"
    assert "EmptyLatentImage" in [item["name"] for item in items[:8]]
    checkpoint = next(
        item for item in catalog.previous("KSampler", "model") if item["name"] == "CheckpointLoaderSimple"
    )
    assert (checkpoint["port"], checkpoint["slot"]) == ("MODEL", 0)


def test_without_a_name_the_first_input_is_meant(catalog):
    assert catalog.previous("KSampler") == catalog.previous("KSampler", "model")


def test_a_linkable_param_and_a_grown_name_are_inputs_too(catalog):
    assert any(item["name"] == "PrimitiveInt" for item in catalog.previous("KSampler", "seed"))
    assert catalog.previous("BatchImagesNode", "images.image3") == catalog.previous(
        "BatchImagesNode", "images"
    )


@pytest.mark.parametrize(
    ("ask", "details"),
    [
        (
            lambda catalog: catalog.next("KSampler", 1),
            {"class_type": "KSampler", "outputs": ["LATENT"]},
        ),
        (
            lambda catalog: catalog.next("Preview3D"),
            {"class_type": "Preview3D", "outputs": []},
        ),
        (
            lambda catalog: catalog.previous("VAEDecode", "nope"),
            {"class_type": "VAEDecode", "inputs": ["samples", "vae"]},
        ),
    ],
)
def test_an_unknown_port_is_refused_with_those_there_are(catalog, ask, details):
    with pytest.raises(NotFound) as caught:
        ask(catalog)
    assert caught.value.code == "PORT_NOT_FOUND"
    assert caught.value.details == details


async def test_what_this_server_runs_moves_up(tmp_path):
    catalog = Catalog(FixedNodes(INFOS), PairCounts(tmp_path / "pairs.json"))
    inverts = {key: {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}} for key in "abcdefghij"}
    catalog.learn({"1": {"class_type": "VAEDecode", "inputs": {}}, **inverts})
    assert catalog.next("VAEDecode")[0]["name"] == "ImageInvert"
    assert catalog.previous("ImageInvert", "image")[0]["name"] == "VAEDecode"
    await catalog.close()


def test_suggestions_have_a_stable_order(catalog):
    assert catalog.next("VAEDecode") == catalog.next("VAEDecode")
    other = Catalog(FixedNodes(INFOS))
    assert other.next("VAEDecode") == catalog.next("VAEDecode")
