"""The OpenAPI document: valid, and saying of each route what its handler does."""

import asyncio
import base64
import hashlib
import json
import re
import threading
from typing import Any

import pytest
from aiohttp import web
from backplane.downloads import record
from backplane.errors import CODES, ApiError
from backplane.nodespec import FIELDS, to_json
from backplane.routes._http import enveloped
from backplane.routes.openapi import PAGE, OpenApiRoutes
from backplane.routes.openapi.document import OPERATIONS, document
from backplane.services import VERSION
from backplane.tasks.engine import StoredTask
from backplane.tasks.outputs import Output
from backplane.tasks.progress import RunProgress
from backplane.tasks.task import Task, TaskError
from backplane.tasks.views import shown
from backplane.validation import Finding
from fakes import spec
from handlers import HEADERS, reads, table
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

TABLE = table()
READS = {row: reads(handler) for row, handler in TABLE.items()}
PAGES = {("GET", "/ext/app"), ("GET", "/ext/app/"), ("GET", "/ext/app/{path}")}
"""The app's files take any query: what a link into the app carries, the page alone reads."""
INPUTS = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"prompt": {"type": "string"}},
    "required": ["prompt"],
    "additionalProperties": False,
}
POSTER = [("poster@2", INPUTS)]


def made(named=()):
    return document(list(TABLE), named, version=VERSION)


DOCUMENT = made()


def parts():
    return [pytest.param(row, id=" ".join(row)) for row in OPERATIONS]


def faults(name_or_schema, value, within: Any = DOCUMENT):
    schema = {"$ref": f"#/components/schemas/{name_or_schema}"}
    if not isinstance(name_or_schema, str):
        schema = name_or_schema
    validator = Draft202012Validator({**schema, "components": within["components"]})
    return [error.message for error in validator.iter_errors(value)]


def keys_of(name):
    return DOCUMENT["components"]["schemas"][name]["properties"].keys()


@pytest.mark.parametrize("named", [(), POSTER])
def test_it_is_valid_openapi(named):
    assert list(OpenAPIV31SpecValidator(made(named)).iter_errors()) == []


def test_it_has_every_route_and_no_other():
    assert set(OPERATIONS) == set(TABLE)
    told = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert told == set(TABLE)
    assert [server["url"] for server in DOCUMENT["servers"]] == ["/", "/api"]


def test_a_route_that_nobody_described_is_there_all_the_same():
    item = document([("GET", "/ext/new/{id}")], (), version=VERSION)["paths"]["/ext/new/{id}"]
    assert item["get"]["operationId"] == "getNewId"
    assert [each["name"] for each in item["get"]["parameters"]] == ["id"]


def test_every_operation_has_a_name_of_its_own_and_a_summary():
    ids = [operation.id for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)
    assert all(0 < len(operation.summary) < 100 for operation in OPERATIONS.values())


@pytest.mark.parametrize("row", parts())
def test_it_names_the_query_parameters_that_the_handler_knows(row):
    known = READS[row]
    assert known.checks_query or row in PAGES, "the handler takes whatever it is sent"
    told = OPERATIONS[row].query
    patterns = {name for name, schema in told.items() if "patternProperties" in schema}
    assert told.keys() - patterns == known.query
    assert bool(patterns) == known.patterns


@pytest.mark.parametrize("row", parts())
def test_it_says_the_bounds_and_defaults_that_the_handler_keeps(row):
    told = OPERATIONS[row].query
    bounds = {
        name: (schema.get("default"), schema["minimum"], schema["maximum"])
        for name, schema in told.items()
        if schema.get("type") == "integer"
    }
    cursor = {"cursor"}  # opaque to clients, whatever it is
    assert bounds == {name: READS[row].ranges[name] for name in READS[row].ranges.keys() - cursor}
    assert {name for name, schema in told.items() if schema.get("enum") == ["0", "1"]} == READS[row].flags


@pytest.mark.parametrize("row", parts())
def test_it_describes_the_bodies_that_the_handler_reads(row):
    body = OPERATIONS[row].body
    assert READS[row].models == set(() if body is None else body.models)


@pytest.mark.parametrize("row", parts())
def test_it_names_the_headers_that_the_handler_reads(row):
    operation = OPERATIONS[row]
    told = {
        "Idempotency-Key": operation.repeatable,
        "If-Match": operation.guarded,
        "If-None-Match": operation.conditional,
        "Last-Event-ID": operation.resumes,
    }
    assert told.keys() == HEADERS
    seen = READS[row].headers - (set() if row[0] == "GET" else {"If-None-Match"})
    assert {name for name, taken in told.items() if taken} == seen


def test_a_post_that_takes_nothing_says_so():
    pause = DOCUMENT["paths"]["/ext/queue/pause"]["post"]
    assert not {"requestBody", "parameters"} & pause.keys()
    undo = DOCUMENT["paths"]["/ext/workflow/sessions/{id}/undo"]["post"]
    assert undo["requestBody"]["required"] is False


def test_errors_are_as_they_are_sent():
    error = ApiError("TASK_NOT_FOUND", "There is none.", hint="x", details={"id": "y"})
    assert faults("Error", error.body()) == []
    inner = DOCUMENT["components"]["schemas"]["Error"]["properties"]["error"]
    assert inner["properties"].keys() == set(inner["required"]) == error.body()["error"].keys()
    assert DOCUMENT["components"]["schemas"]["ErrorCode"]["enum"] == list(CODES)
    assert faults("Error", {"error": {**error.body()["error"], "code": "NO_SUCH_CODE"}})
    responses = DOCUMENT["paths"]["/ext/tasks"]["post"]["responses"]
    assert {"200", "202", "400", "409", "413", "422", "default"} == responses.keys()


def test_findings_are_as_they_are_sent():
    finding = Finding("MISSING_INPUT", "x", "3", "seed", "KSampler", "y", fix={"op": "set_param"}).to_json()
    assert faults("Finding", finding) == []
    assert keys_of("Finding") == finding.keys()
    assert set(DOCUMENT["components"]["schemas"]["Finding"]["required"]) == finding.keys()


def a_task():
    task = Task("id", 1, "api", 0.0, RunProgress.of({"1": {"class_type": "Any", "inputs": {}}}, ["1"]))
    task.outputs.append(Output("1", "text", "text", "text/plain", value="x"))
    task.error = TaskError("NODE_FAILED", "x")
    return task


def test_tasks_are_as_they_are_sent():
    sent = shown(a_task(), place=None, eta_s=None)
    assert faults("Task", sent) == []
    assert keys_of("Task") == sent.keys()
    required = DOCUMENT["components"]["schemas"]["Task"]["required"]
    assert set(required) == shown(a_task(), place=1, eta_s=2.0, nodes=False).keys()
    assert keys_of("Node") == sent["nodes"]["1"].keys()
    assert keys_of("Output") - {"base64"} == sent["outputs"][0].keys()
    assert keys_of("TaskError") == sent["error"].keys()
    assert faults("Task", {**sent, "status": "done"})


def test_tasks_of_templates_and_sessions_are_as_they_are_sent():
    task = a_task()
    task.request = {
        "template": {"name": "poster", "version": 2, "digest": "d", "outputs": {}},
        "session": {"id": "s", "version": 3},
        "inputs": {"prompt": "x"},
    }
    assert faults("Task", shown(task, place=None, eta_s=None)) == []


def stored(**fields):
    about = dict.fromkeys(StoredTask.__dataclass_fields__)
    about |= {"id": "dl-1", "seq": 1, "kind": "download", "origin": "api", "status": "queued", "client": ""}
    about |= {"priority": 0, "attempt": 0, "max_attempts": 3, "created_at": 0.0, "not_before": 0.0}
    about |= {"cancel_requested": False, "metadata": {}, "result": {}, "rev": 1}
    return StoredTask(**(about | fields))


def test_downloads_are_as_they_are_sent():
    sent = record.view(stored(request={"wanted": {"url": "https://example.org/a.safetensors"}}))
    assert faults("Download", sent) == []
    assert keys_of("Download") == sent.keys()


def test_node_specs_are_as_they_are_sent():
    made_spec = spec(
        "Any", {"seed": ("INT", {"min": 0, "max": 9}), "kind": (["a", "b"],), "model": ("MODEL",)}
    )
    assert keys_of("NodeSpec") == set(FIELDS)
    assert faults("NodeSpec", to_json(made_spec)) == []


def test_templates_are_bodies_of_their_own():
    found = made(POSTER)
    content = found["paths"]["/ext/tasks"]["post"]["requestBody"]["content"]["application/json"]
    assert found["components"]["schemas"]["template.poster.2"] == {
        name: value for name, value in INPUTS.items() if name != "$schema"
    }
    ways = content["schema"]["anyOf"][1]
    assert ways["discriminator"] == {
        "propertyName": "template",
        "mapping": {"poster@2": "#/components/schemas/task.poster.2"},
    }
    for body in [
        {"template": "poster@2", "inputs": {"prompt": "a boat"}, "priority": 3},
        {"template": "other", "inputs": {"anything": 1}},
        {"workflow": {"1": {}}},
    ]:
        assert faults(content["schema"], body, found) == [], body
    for body in [
        {"template": "poster@2", "inputs": {"promt": "a boat"}},
        {"template": "poster@2", "inputs": {"prompt": 3}},
        {"template": "poster@2"},
        {"template": "poster@2", "inputs": {"prompt": "x"}, "prioritee": 3},
        {"workflow": {}, "unknown": 1},
    ]:
        assert faults(content["schema"], body, found), body


# over HTTP


class Server:
    """The routes of the document, with templates that change."""

    def __init__(self):
        self.named = []
        self.threads = []

    async def templates(self):
        return list(self.named)

    def routes(self):
        self.threads.append(threading.current_thread())
        return list(TABLE)

    def application(self):
        handlers = OpenApiRoutes(self.routes, version=VERSION, templates=self.templates)
        app = web.Application()
        app.router.add_get("/ext/openapi.json", enveloped(handlers.document))
        app.router.add_get("/ext/docs", enveloped(handlers.page))
        return app


@pytest.fixture
def server():
    return Server()


@pytest.fixture
async def client(server, aiohttp_client):
    return await aiohttp_client(server.application())


async def test_it_is_sent_as_json_and_not_again_while_it_holds(client):
    async with client.get("/ext/openapi.json") as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert await answer.json() == json.loads(json.dumps(DOCUMENT))
        etag = answer.headers["ETag"]
        assert answer.headers["Content-Encoding"] == "gzip"
    async with client.get("/ext/openapi.json", headers={"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with client.get("/ext/openapi.json", headers={"Accept-Encoding": "identity"}) as answer:
        assert answer.headers["ETag"] not in {etag, None}
        assert json.loads(await answer.read())["info"]["version"] == VERSION


async def test_it_is_made_once_in_a_thread(client, server):
    replies = await asyncio.gather(*(client.get("/ext/openapi.json") for _ in range(4)))
    assert {reply.status for reply in replies} == {200}
    assert len(server.threads) == 1
    assert server.threads[0] is not threading.main_thread()


async def test_it_follows_the_templates(client, server):
    async with client.get("/ext/openapi.json") as answer:
        before = answer.headers["ETag"]
    server.named = POSTER
    async with client.get("/ext/openapi.json", headers={"If-None-Match": before}) as answer:
        assert answer.status == 200
        assert "template.poster.2" in (await answer.json())["components"]["schemas"]
    assert len(server.threads) == 2


async def test_unknown_parameters_are_refused(client):
    for path in ("/ext/openapi.json?x=1", "/ext/docs?x=1"):
        async with client.get(path) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["details"] == {"fields": {"x": "unknown"}}


async def test_the_page_asks_no_other_host_and_runs_nothing_but_itself(client):
    async with client.get("/ext/docs") as answer:
        assert (answer.status, answer.content_type, answer.charset) == (200, "text/html", "utf-8")
        page, headers = await answer.text(), answer.headers
    assert page == PAGE.read_text(encoding="utf-8")
    assert len(page.encode()) < 15_000
    assert re.findall(r"(?:https?:)?//[a-z]", page) == []
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(", page) == []
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert "prefers-color-scheme: dark" in page
    async with client.get("/ext/docs", headers={"If-None-Match": headers["ETag"]}) as answer:
        assert answer.status == 304
