"""POST /ext/workflow/requirements over HTTP."""

import json

import pytest
from aiohttp import web
from backplane.needs import Needs
from backplane.needs.values import Source
from backplane.routes._http import enveloped
from backplane.routes.needs import NeedsRoutes
from backplane.settings import Settings
from needing import ALIASES, MODELS, api, node, specs, ui

PATH = "/ext/workflow/requirements"


class Server:
    """Classes and models as they are."""

    async def specs(self, *, fresh=True):
        return specs()

    async def names(self):
        return MODELS

    def aliases(self):
        return ALIASES


class Site:
    site = "somewhere"

    async def find(self, name):
        return [Source(f"https://somewhere.example/{name}", name, "vae", None, "search")]


@pytest.fixture
async def client(aiohttp_client):
    server = Server()
    routes = NeedsRoutes(Needs(server, server, search=[Site()]), Settings(max_body_bytes=400_000))
    app = web.Application()
    app.router.add_post(PATH, enveloped(routes.requirements))
    return await aiohttp_client(app)


async def post(client, body, status=200):
    async with client.post(PATH, data=body if isinstance(body, bytes) else json.dumps(body)) as answer:
        assert answer.status == status
        assert answer.headers["Cache-Control"] == "no-store"
        return await answer.json()


async def test_a_workflow_is_answered_with_what_it_needs(client):
    workflow = ui(node(1, "VAELoader", ["gone.safetensors"]), node(2, "Odd", pack="odd-pack"))
    found = await post(client, {"workflow": workflow})
    assert found.keys() == {"ready", "nodes", "packs", "models", "unknown", "search"}
    assert found["ready"] is False
    assert [need["status"] for need in found["nodes"]] == ["present", "missing"]
    assert [pack["id"] for pack in found["packs"]] == ["odd-pack"]
    assert found["models"][0]["sources"] == []
    assert found["search"] is None


async def test_a_search_adds_candidates(client):
    workflow = {"1": api("VAELoader", vae_name="gone.safetensors")}
    found = await post(client, {"workflow": workflow, "search": True})
    assert [source["from"] for source in found["models"][0]["sources"]] == ["search"]
    assert found["search"] == {"sites": ["somewhere"], "models": 1, "failed": {}}


async def test_what_is_here_is_ready(client):
    assert (await post(client, {"workflow": {"1": api("VAELoader", vae_name="ae.safetensors")}}))[
        "ready"
    ] is True


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "WORKFLOW_MISSING"),
        ({"workflow": {}}, "WORKFLOW_MISSING"),
        ({"workflow": [1]}, "INVALID_REQUEST"),
        ({"workflow": {"1": api("KSampler")}, "serach": True}, "INVALID_REQUEST"),
        ({"workflow": {"1": api("KSampler")}, "search": "yes"}, "INVALID_REQUEST"),
        ([], "INVALID_REQUEST"),
        (b"{", "INVALID_JSON"),
        (b'{"workflow":' + b"[" * 100_000, "INVALID_JSON"),
    ],
)
async def test_a_body_that_is_none_is_refused(client, body, code):
    assert (await post(client, body, 400))["error"]["code"] == code


async def test_unknown_parameters_are_refused(client):
    async with client.post(f"{PATH}?serach=1", json={"workflow": {"1": api("KSampler")}}) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["details"] == {"fields": {"serach": "unknown"}}


async def test_a_body_that_is_too_large_is_refused(client):
    body = {"workflow": {"1": api("KSampler", text="x" * 400_000)}}
    assert (await post(client, body, 413))["error"]["code"] == "BODY_TOO_LARGE"


async def test_text_that_utf_8_cannot_hold_does_no_harm(client):
    workflow = {"1": api("Odd", x="\ud800.safetensors"), "2": {"class_type": "\ud800", "inputs": {}}}
    found = await post(client, {"workflow": workflow})
    assert found["models"] == []
    assert found["unknown"][0]["node_id"] == "2"
