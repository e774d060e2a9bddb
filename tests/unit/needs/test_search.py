"""The searches, against stand-ins on the loopback that answer as the sites' API documents say."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from backplane.access import OutboundError
from backplane.needs.search import CivitaiSearch, HuggingFaceSearch
from hostile import Hostile, answer, reaching

SHA = "AB" * 32


class Site:
    """Answers each path and query with what *answers* has for it, else with nothing found."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    async def __call__(self, head, writer):
        url = urlsplit(head.split(" ")[1])
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.asked.append((url.path, query))
        found = self.answers.get(query.get("search", query.get("query")), [])
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        writer.write(answer(body, "Content-Type: application/json"))
        await writer.drain()
        return True


def repository(id_, *paths, **more):
    return {"id": id_, "siblings": [{"rfilename": path} for path in paths], **more}


async def hub(site, name):
    async with Hostile(site) as server, reaching(server) as outbound:
        found = await HuggingFaceSearch(outbound, server.url("")).find(name)
        return [source.url.removeprefix(server.url("")) for source in found], found


async def civitai(site, name):
    async with Hostile(site) as server, reaching(server) as outbound:
        return await CivitaiSearch(outbound, server.url("")).find(name)


async def test_the_hub_is_asked_for_the_words_and_only_files_of_that_very_name_count():
    site = Site(
        **{
            "sdxl detail v2": [
                repository(
                    "a/detail", "README.md", "sub dir/sdxl_detail-v2.safetensors", "sdxl_detail-v2.pt"
                ),
                repository("b/hidden", "sdxl_detail-v2.safetensors", private=True),
                repository("c/none", "other.safetensors"),
            ]
        }
    )
    urls, found = await hub(site, "sdxl_detail-v2.safetensors")
    assert urls == ["/a/detail/resolve/main/sub%20dir/sdxl_detail-v2.safetensors"]
    assert found[0].to_json() == {
        "url": found[0].url,
        "name": "sdxl_detail-v2.safetensors",
        "folder": None,
        "sha256": None,
        "size": None,
        "from": "search",
    }
    path, query = site.asked[0]
    assert (path, query["full"]) == ("/api/models", "true")


async def test_the_hub_is_asked_for_the_first_words_if_all_of_them_find_nothing():
    site = Site(
        **{"wan 2": [repository("a/b", "wan2.1_t2v.safetensors"), repository("a/wan", "wan_2_x_y.pt")]}
    )
    urls, _ = await hub(site, "wan_2_x_y.pt")
    assert [query["search"] for _, query in site.asked] == ["wan 2 x y", "wan 2"]
    assert urls == ["/a/wan/resolve/main/wan_2_x_y.pt"]


async def test_a_name_without_words_asks_nothing():
    site = Site()
    assert await hub(site, "_.pt") == ([], [])
    assert site.asked == []


async def test_civitai_gives_address_hash_and_folder_of_files_of_that_name():
    file = {"name": "ink.safetensors", "downloadUrl": "https://civitai.com/api/download/models/7"}
    site = Site(
        ink={
            "items": [
                {
                    "type": "LORA",
                    "modelVersions": [
                        {"files": [{**file, "hashes": {"SHA256": SHA, "AutoV2": "x"}, "sizeKB": 5.5}]},
                        {
                            "files": [
                                {**file, "name": "other.safetensors"},
                                {**file, "downloadUrl": "http://x/y"},
                            ]
                        },
                    ],
                },
                {"type": "Workflows", "modelVersions": [{"files": [file]}]},
            ]
        }
    )
    found = await civitai(site, "ink.safetensors")
    assert [(each.url, each.folder, each.sha256, each.size) for each in found] == [
        ("https://civitai.com/api/download/models/7", "loras", SHA.lower(), None),
        ("https://civitai.com/api/download/models/7", None, None, None),
    ]
    assert site.asked[0][0] == "/api/v1/models"


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"a":', b"[" * 200_000, b"\xff"])
async def test_what_is_not_json_is_a_failure(body):
    for ask in (hub, civitai):
        with pytest.raises(OutboundError) as failed:
            await ask(Site(x=body), "x.pt")
        assert failed.value.code == "OUTBOUND_FAILED"


@pytest.mark.parametrize(
    "found",
    [
        5,
        None,
        {},
        [5],
        {"items": [5]},
        {"items": 5},
        [{"id": 5}],
        [{"id": "a", "siblings": [5, {"rfilename": 5}]}],
    ],
)
async def test_json_of_another_shape_finds_nothing(found):
    assert (await hub(Site(x=found), "x.pt"))[0] == []
    assert await civitai(Site(x=found), "x.pt") == []


async def test_an_answer_without_end_is_cut():
    with pytest.raises(OutboundError) as failed:
        await hub(Site(x=b" " * (9 * 1024 * 1024)), "x.pt")
    assert failed.value.code == "OUTBOUND_TOO_LARGE"


async def test_another_status_is_a_failure():
    async def refuses(head, writer):
        writer.write(answer(b"[]", status="429 Too Many Requests"))
        await writer.drain()
        return False

    for ask in (hub, civitai):
        with pytest.raises(OutboundError):
            await ask(refuses, "x.pt")
