"""The catalogue over HTTP, with the nodes of a real ComfyUI 0.33."""

import gzip
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from backplane.catalog import Catalog, PairCounts
from backplane.routes._http import enveloped
from backplane.routes.catalog import CatalogRoutes
from backplane.settings import Settings
from fakes import FixedNodes

FIXTURE = Path(__file__).resolve().parents[1] / "data" / "object_info-0.33.0.json.gz"
INFOS = json.loads(gzip.decompress(FIXTURE.read_bytes()))
ODD = ["Image Resize", "a/b", "a|b", "100%", "é中文 🎨", "a+b", "x?y#z", "KSampler/next", 'say "hi"']
ALL = {**INFOS, **{name: {"name": name, "input": {}, "output": ["IMAGE"]} for name in ODD}}


@pytest.fixture(scope="module")
def catalog():
    """One for all tests: building it takes longer than they do."""
    found = Catalog(FixedNodes(ALL), PairCounts())
    found.refresh()
    return found


def application(catalog):
    routes = CatalogRoutes(catalog, Settings())
    app = web.Application()
    base = "/ext/catalog/{class_type:.+}"
    app.router.add_get("/ext/catalog", enveloped(routes.index))
    app.router.add_get(base + "/next", enveloped(routes.next_nodes))
    app.router.add_get(base + "/previous", enveloped(routes.previous_nodes))
    app.router.add_get(base, enveloped(routes.one))
    return app


@pytest.fixture
async def client(catalog, aiohttp_client):
    return await aiohttp_client(application(catalog), auto_decompress=False)


def path_of(class_type, *rest):
    return "/".join(["/ext/catalog", quote(class_type, safe=""), *rest])


async def get(client, path, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.get(path, headers={"Accept-Encoding": "identity", **headers}) as answer:
        return answer.status, answer.headers, await answer.read()


async def get_json(client, path):
    status, _, body = await get(client, path)
    return status, json.loads(body)


async def error_of(client, path, status):
    answered, document = await get_json(client, path)
    assert answered == status
    assert list(document) == ["error"]
    return document["error"]


async def test_the_catalogue_has_every_node(client):
    status, headers, body = await get(client, "/ext/catalog")
    document = json.loads(body)
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["Vary"] == "Accept-Encoding"
    assert [node["name"] for node in document["nodes"]] == [*INFOS, *ODD]
    assert document["revision"]


async def test_gzip_is_the_same_catalogue_under_another_etag(client):
    _, plain_headers, plain = await get(client, "/ext/catalog")
    _, headers, packed = await get(client, "/ext/catalog", Accept_Encoding="br, gzip;q=0.5")
    assert "Content-Encoding" not in plain_headers
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    assert headers["ETag"] != plain_headers["ETag"]
    assert not headers["ETag"].startswith("W/")
    assert len(packed) < 200_000


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip;q=0.000, *", "identity"])
async def test_gzip_is_not_sent_to_who_does_not_take_it(client, accepted):
    _, headers, _ = await get(client, "/ext/catalog", Accept_Encoding=accepted)
    assert "Content-Encoding" not in headers


@pytest.mark.parametrize("accepted", ["gzip", "GZIP;q=1.0", "*", "deflate,gzip ; q=0.1"])
async def test_gzip_is_sent_to_who_takes_it(client, accepted):
    _, headers, _ = await get(client, "/ext/catalog", Accept_Encoding=accepted)
    assert headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("accepted", ["identity", "gzip"])
@pytest.mark.parametrize(
    "path",
    ["/ext/catalog", "/ext/catalog/KSampler", "/ext/catalog?q=latent&fields=name", "/ext/catalog?q=qqqqq"],
)
async def test_what_the_client_has_is_not_sent_again(client, path, accepted):
    _, first, _ = await get(client, path, Accept_Encoding=accepted)
    status, headers, body = await get(client, path, Accept_Encoding=accepted, If_None_Match=first["ETag"])
    assert (status, body) == (304, b"")
    assert headers["ETag"] == first["ETag"]
    assert headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in headers


async def test_another_etag_gets_the_catalogue(client):
    status, _, _ = await get(client, "/ext/catalog", If_None_Match='"other"')
    assert status == 200


async def test_a_new_node_is_there_at_the_next_request(aiohttp_client):
    source = FixedNodes(dict(ALL))
    client = await aiohttp_client(application(Catalog(source, PairCounts())))
    _, first, _ = await get(client, "/ext/catalog")
    source.infos["Fresh"] = {"name": "Fresh", "input": {}, "output": []}
    status, headers, body = await get(client, "/ext/catalog", If_None_Match=first["ETag"])
    assert status == 200
    assert headers["ETag"] != first["ETag"]
    assert json.loads(body)["nodes"][-1]["name"] == "Fresh"


async def test_one_node_is_the_same_as_in_the_catalogue(client):
    _, document = await get_json(client, "/ext/catalog")
    _, node = await get_json(client, "/ext/catalog/KSampler")
    assert node in document["nodes"]
    assert node["name"] == "KSampler"


@pytest.mark.parametrize("class_type", ODD)
async def test_odd_class_names_work_percent_encoded(client, class_type):
    status, node = await get_json(client, path_of(class_type))
    assert (status, node["name"]) == (200, class_type)
    status, following = await get_json(client, path_of(class_type, "next"))
    assert status == 200
    assert following["items"]


async def test_a_slash_in_a_class_name_need_not_be_encoded(client):
    assert (await get_json(client, "/ext/catalog/a/b"))[1]["name"] == "a/b"
    assert (await get_json(client, "/ext/catalog/a/b/next"))[1]["items"]


async def test_an_unknown_class_is_404_with_close_matches(client):
    for rest in ([], ["next"], ["previous"]):
        error = await error_of(client, path_of("KSamplr", *rest), 404)
        assert error["code"] == "NODE_CLASS_NOT_FOUND"
        assert error["details"]["close_matches"][0] == "KSampler"


async def test_words_find_nodes_the_best_first(client):
    _, document = await get_json(client, "/ext/catalog?q=ksampler")
    assert document["nodes"][0]["name"] == "KSampler"
    assert document["revision"]


async def test_fields_choose_what_is_sent_and_the_name_always_is(client):
    _, document = await get_json(client, "/ext/catalog?fields=outputs,category&q=KSampler")
    assert document["nodes"][0] == {
        "name": "KSampler",
        "category": "model/sampling",
        "outputs": [{"name": "LATENT", "type": "LATENT"}],
    }


async def test_filters_combine(client):
    _, document = await get_json(client, "/ext/catalog?category=model&deprecated=0&fields=flags,category")
    assert document["nodes"]
    for node in document["nodes"]:
        assert node["category"].split("/")[0] == "model"
        assert not node["flags"]["deprecated"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("fields=name,colour", "colour"),
        ("deprecated=yes", "deprecated"),
        ("serach=x", "serach"),
    ],
)
async def test_a_query_that_cannot_be_read_is_refused_by_name(client, query, field):
    error = await error_of(client, f"/ext/catalog?{query}", 400)
    assert error["code"] == "INVALID_REQUEST"
    assert list(error["details"]["fields"]) == [field]


async def test_next_gives_likely_nodes_in_pages(client):
    path = "/ext/catalog/CheckpointLoaderSimple/next"
    _, first = await get_json(client, path)
    assert {"KSampler", "LoraLoader"} <= {item["name"] for item in first["items"][:10]}
    assert len(first["items"]) == 50
    _, second = await get_json(client, f"{path}?limit=7&cursor={first['next_cursor']}")
    assert len(second["items"]) == 7
    _, all_of_them = await get_json(client, f"{path}?limit=1000")
    assert all_of_them["next_cursor"] is None
    assert all_of_them["items"][:57] == first["items"] + second["items"]


async def test_next_takes_an_output_by_number_or_name(client):
    _, by_number = await get_json(client, "/ext/catalog/CheckpointLoaderSimple/next?output=2")
    _, by_name = await get_json(client, "/ext/catalog/CheckpointLoaderSimple/next?output=VAE")
    assert by_number == by_name
    assert "VAEDecode" in [item["name"] for item in by_number["items"][:5]]


async def test_previous_gives_what_feeds_an_input(client):
    _, document = await get_json(client, "/ext/catalog/KSampler/previous?input=positive")
    assert document["items"][0]["port_type"] == "CONDITIONING"
    assert "CLIPTextEncode" in [item["name"] for item in document["items"][:5]]
    assert {item["match"] for item in document["items"][:5]} == {"exact"}


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("KSampler/next?output=1", {"outputs": ["LATENT"]}),
        ("KSampler/next?output=-1", {"outputs": ["LATENT"]}),
        ("VAEDecode/previous?input=pixels", {"inputs": ["samples", "vae"]}),
    ],
)
async def test_an_unknown_port_is_404_with_the_ports_there_are(client, path, known):
    error = await error_of(client, f"/ext/catalog/{path}", 404)
    assert error["code"] == "PORT_NOT_FOUND"
    assert error["details"].items() >= known.items()


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "cursor=-1", "cursor=zz", "outptu=1"])
async def test_a_page_that_cannot_be_read_is_refused(client, query):
    error = await error_of(client, f"/ext/catalog/KSampler/next?{query}", 400)
    assert error["code"] == "INVALID_REQUEST"
