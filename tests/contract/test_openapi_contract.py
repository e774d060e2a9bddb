"""What a server really answers, held against the document that it serves: on every host."""

import copy
import re

import pytest
from graphs import image, node, quick, salt
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator


def closed(value):
    """Give a schema that takes no keys but those it names: clients may be sent more, tests may not."""
    if isinstance(value, list):
        return [closed(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {name: closed(item) for name, item in value.items()}
    if "properties" in made and "required" in made:
        made.setdefault("additionalProperties", False)
    return made


class Checked:
    """Sends requests and holds each answer against the document."""

    def __init__(self, session, document):
        self.session = session
        self.document = document
        self.components = closed(copy.deepcopy(document["components"]))

    def operation(self, method, path):
        """Find a request in the document, the most literal path first."""
        for pattern in sorted(
            self.document["paths"], key=lambda pattern: (pattern.count("{"), -len(pattern))
        ):
            item = self.document["paths"][pattern]
            wanted = re.sub(
                r"\\\{(\w+)\\\}", lambda found: ".+" if found[1] in GREEDY else "[^/]+", re.escape(pattern)
            )
            if method.lower() in item and re.fullmatch(wanted, path):
                return item[method.lower()]
        raise AssertionError(f"{method} {path} is not in the document")

    async def ask(self, method, path, status=200, **options):
        operation = self.operation(method, path.partition("?")[0])
        async with self.session.request(method, path, **options) as reply:
            text = await reply.read()
            assert reply.status == status, text
            described = operation["responses"].get(str(status)) or operation["responses"]["default"]
            if "$ref" in described:
                described = self.document["components"]["responses"][described["$ref"].rpartition("/")[2]]
            if reply.content_type != "application/json":
                return text
            schema = closed(described["content"]["application/json"]["schema"])
            validator = Draft202012Validator({**schema, "components": self.components})
            answer = await reply.json()
            assert [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(answer)] == []
            return answer


GREEDY = {"class_type", "path"}


@pytest.fixture
async def checked(api):
    return Checked(api.session, await api.get("/ext/openapi.json"))


async def test_the_document_is_valid_and_the_same_under_both_prefixes(api):
    document = await api.get("/ext/openapi.json")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert await api.get("/api/ext/openapi.json") == document
    links = (await api.get("/ext"))["links"]
    assert await api.get(links["openapi"]) == document


async def test_the_server_the_catalogue_and_models_answer_as_described(checked, server):
    for path in ["/ext", "/ext/health", "/ext/live", "/ping", "/ext/system", "/ext/catalog", "/ext/queue"]:
        await checked.ask("GET", path)
    for path in ["KSampler", "KSampler/next", "KSampler/previous?limit=2"]:
        await checked.ask("GET", f"/ext/catalog/{path}")
    checkpoints = server.models / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    checkpoints.joinpath("described.safetensors").write_bytes(b"")
    folders = await checked.ask("GET", "/ext/models?detail=1")
    folder = next(name for name, models in folders.items() if models)
    page = await checked.ask("GET", f"/ext/models/{folder}?limit=1")
    await checked.ask("GET", f"/ext/models/{folder}?detail=1")
    await checked.ask("GET", f"/ext/models/{folder}/{page['items'][0]}")
    await checked.ask("GET", "/ext/models/nowhere", 404)
    await checked.ask("GET", "/ext/catalog/NoSuchNode", 404)
    await checked.ask("GET", "/ext/catalog?qq=1", 400)


async def test_workflows_are_answered_as_described(checked):
    graph = image()
    broken = {**graph, "9": node("SaveImage", images=["77", 0]), "8": node("NoSuchNode")}
    for body in [{"workflow": graph}, {"workflow": broken}]:
        await checked.ask("POST", "/ext/workflow/validate", json=body)
        await checked.ask("POST", "/ext/workflow/requirements", json=body)
    ops = [{"op": "set_title", "node_id": "1", "title": "x"}]
    await checked.ask("POST", "/ext/workflow/patch", json={"workflow": graph, "ops": ops})
    await checked.ask(
        "POST", "/ext/workflow/patch", 422, json={"workflow": graph, "ops": [{**ops[0], "node_id": "99"}]}
    )
    drawn = await checked.ask("POST", "/ext/workflow/convert?to=ui", json={"workflow": graph})
    await checked.ask("POST", "/ext/workflow/convert", json={"workflow": drawn["workflow"]})


async def test_tasks_are_answered_as_described(checked, api):
    task = await checked.ask(
        "POST", "/ext/tasks?wait=30", json={"workflow": image(), "metadata": {"a": salt()}}
    )
    for path in ["", "/logs", "/outputs/0", "/outputs/0?width=32"]:
        await checked.ask("GET", f"/ext/tasks/{task['id']}{path}")
    await checked.ask("GET", f"/ext/tasks/{task['id']}/preview", 404)
    await checked.ask("GET", f"/ext/tasks?ids={task['id']}")
    await checked.ask("GET", "/ext/tasks?limit=5&metadata.a=b")
    failed = await checked.ask(
        "POST",
        "/ext/tasks?wait=30",
        json={"workflow": {"1": node("ContractFlaky", fault="value", times=1, salt=salt()),
                           "2": node("ContractShow", value=["1", 0])}},
    )  # fmt: skip
    assert failed["error"]["code"] == "NODE_FAILED"
    await checked.ask("POST", f"/ext/tasks/{failed['id']}/cancel", 409)
    again = await checked.ask("POST", f"/ext/tasks/{failed['id']}/retry", 202)
    await api.finish(again["id"])
    async with api.paused():
        waiting = await checked.ask("POST", "/ext/tasks", 202, json={"workflow": quick()})
        await checked.ask("PATCH", f"/ext/tasks/{waiting['id']}", json={"priority": 2})
        await checked.ask("POST", f"/ext/tasks/{waiting['id']}/cancel")
        batch = await checked.ask("POST", "/ext/tasks/batch", 202, json={"tasks": [{"workflow": quick()}]})
        await checked.ask("GET", batch["url"])
        await checked.ask("GET", f"/ext/tasks/batch/{batch['batch_id']}")
        await checked.ask("POST", "/ext/tasks/cancel", json={"ids": [*batch["ids"], "no-such-task"]})
        await checked.ask("POST", "/ext/queue/pause")
    await checked.ask("POST", "/ext/queue/resume")
    await checked.ask("DELETE", f"/ext/tasks/{waiting['id']}", 204)
    await checked.ask("POST", "/ext/tasks", 422, json={"workflow": {"1": node("NoSuchNode")}})
    await checked.ask("POST", "/ext/tasks", 400, json={"workflow": quick(), "prioritee": 1})


async def test_sessions_are_answered_as_described(checked):
    made = await checked.ask("POST", "/ext/workflow/sessions", 201, json={"workflow": image(), "label": "x"})
    address = f"/ext/workflow/sessions/{made['id']}"
    ops = [{"op": "set_title", "node_id": "1", "title": "x"}]
    await checked.ask("POST", "/ext/workflow/patch", json={"session_id": made["id"], "ops": ops})
    await checked.ask("PATCH", address, json={"label": "y"})
    for path in ["undo", "redo"]:
        await checked.ask("POST", f"{address}/{path}")
    await checked.ask("POST", f"{address}/rollback", json={"version": 1})
    for path in ["", "/versions", "/versions/1", "/diff?from=1&to=2"]:
        await checked.ask("GET", address + path)
    await checked.ask("GET", "/ext/workflow/sessions?limit=2")
    stale = {"headers": {"If-Match": '"1.1.1"'}, "json": {"workflow": image()}}
    await checked.ask("PUT", address, 412, **stale)
    await checked.ask("DELETE", address, 204)


async def test_templates_are_answered_as_described(checked):
    name = f"openapi-{salt()[:8]}"
    made = await checked.ask(
        "PUT", f"/ext/templates/{name}", 201, json={"workflow": image(), "propose": True}
    )
    await checked.ask("POST", "/ext/templates/propose", json={"workflow": image()})
    await checked.ask("POST", f"/ext/templates/{name}/preview", json={})
    for path in ["", f"/{name}", f"/{name}/versions", f"/{name}/schema", "?kind=fragment"]:
        await checked.ask("GET", f"/ext/templates{path}")
    await checked.ask("DELETE", f"/ext/templates/{name}", 204)
    assert made["name"] == name
