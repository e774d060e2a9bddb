"""Sessions over HTTP, and patches of them."""

import gzip
import json
import re
import time
from pathlib import Path

import pytest
from aiohttp import web
from backplane.access import AllowList
from backplane.routes._http import enveloped
from backplane.routes.sessions import NewSession, SessionRoutes
from backplane.routes.workflows import WorkflowRoutes
from backplane.services import Late
from backplane.settings import Settings
from backplane.templates import Templates
from holding import CUT, Classes, rigged, steps
from patching import exactly, node, text_to_image

ROOT = "/ext/workflow/sessions"
PATCH = "/ext/workflow/patch"
LABEL = {"label": "Cat"}


@pytest.fixture
async def rig(tmp_path):
    async with rigged(tmp_path) as rig:
        yield rig


@pytest.fixture
async def client(rig, tmp_path, aiohttp_client):
    late = Late(rig.sessions)
    settings = Settings(max_body_bytes=400_000)
    sessions = SessionRoutes(late, settings)
    templates = Late(lambda: Templates(tmp_path / "templates", [], Classes(), allowed=AllowList()))
    workflows = WorkflowRoutes(Classes(), None, settings, late, templates)
    one = ROOT + "/{id}"
    app = web.Application()
    for method, path, handler in [
        ("POST", PATCH, workflows.patch),
        ("POST", ROOT, sessions.create),
        ("GET", ROOT, sessions.index),
        ("GET", one, sessions.one),
        ("PUT", one, sessions.replace),
        ("PATCH", one, sessions.describe),
        ("DELETE", one, sessions.delete),
        ("POST", one + "/undo", sessions.undo),
        ("POST", one + "/redo", sessions.redo),
        ("POST", one + "/rollback", sessions.rollback),
        ("GET", one + "/versions", sessions.versions),
        ("GET", one + "/versions/{version}", sessions.version),
        ("GET", one + "/diff", sessions.diff),
    ]:
        app.router.add_route(method, path, enveloped(handler))
    return await aiohttp_client(app)


async def ask(client, method, path, body=None, status=200, **headers):
    """Give the reply's headers and its JSON."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
    async with client.request(method, path, data=data, headers=headers) as answer:
        text = await answer.text()
        assert answer.status == status, text
        return answer.headers, json.loads(text) if text else None


async def created(client, **fields):
    return (await ask(client, "POST", ROOT, {"workflow": text_to_image(), **fields}, 201))[1]


KEYS = {
    *("id", "label", "parent", "source", "version", "latest", "rev", "etag", "created_at", "updated_at"),
    *("expires_at", "can_undo", "can_redo", "on_failure", "valid", "last_valid", "last_ran", "last_run"),
    *("metadata", "url"),
}
EDITED = KEYS | {"workflow", "workflow_version", "changes", "created", "findings", "inverse"}


async def test_a_session_is_made_looked_at_and_deleted(client):
    headers, session = await ask(client, "POST", ROOT, {"workflow": text_to_image(), **LABEL}, 201)
    assert session.keys() == EDITED
    assert headers["Location"] == session["url"] == f"{ROOT}/{session['id']}"
    assert headers["ETag"] == session["etag"] == '"1.1.0"'
    assert (session["label"], session["valid"], session["findings"]) == ("Cat", True, [])
    assert (session["created_at"], session["expires_at"]) == (
        "2027-01-15T08:00:00.000Z",
        "2027-01-16T08:00:00.000Z",
    )
    headers, seen = await ask(client, "GET", session["url"], Accept_Encoding="identity")
    assert headers["ETag"] == session["etag"]
    assert seen.keys() == KEYS | {"workflow", "workflow_version"}
    assert exactly(seen["workflow"]) == exactly(text_to_image())
    _, listed = await ask(client, "GET", ROOT)
    assert listed == {"items": [{key: seen[key] for key in KEYS}], "next_cursor": None}
    await ask(client, "DELETE", session["url"], None, 204)
    _, error = await ask(client, "GET", session["url"], None, 404)
    assert error["error"]["code"] == "SESSION_NOT_FOUND"


async def test_what_did_not_change_is_a_304_also_compressed(client):
    workflow = {str(number): node("Number", value=number) for number in range(50)}
    session = await created(client, workflow=workflow)
    for coding, tag in (("identity", '"1.1.0"'), ("gzip", '"1.1.0-gzip"')):
        async with client.get(session["url"], headers={"Accept-Encoding": coding}) as answer:
            assert answer.headers["ETag"] == tag
            assert (await answer.json())["id"] == session["id"]
        headers, body = await ask(client, "GET", session["url"], None, 304, If_None_Match=tag)
        assert (headers["ETag"], body) == (tag, None)
        edit = {"session_id": session["id"], "ops": [], "dry_run": True}
        await ask(client, "POST", PATCH, edit, If_Match=tag)
    await ask(client, "PATCH", session["url"], LABEL)
    headers, _ = await ask(client, "GET", session["url"], If_None_Match='"1.1.0"')
    assert headers["ETag"].startswith('"1.2.0')


async def test_a_session_is_patched_in_both_forms(client):
    session = await created(client)
    headers, edited = await ask(client, "POST", PATCH, {"session_id": session["id"], "ops": steps(30)})
    assert edited.keys() == EDITED
    assert headers["ETag"] == '"2.2.0"'
    assert edited["changes"][0]["new"] == 30
    assert edited["can_undo"] is True
    payload = {"class_type": "Show", "inputs": {"images": ["6", "IMAGE"]}}
    short = {"session_id": session["id"], "action": "add_node", "payload": payload, "if_version": 2}
    _, edited = await ask(client, "POST", PATCH, short)
    assert [each["node_id"] for each in edited["created"]] == ["8"]
    assert edited["workflow"]["8"] == node("Show", images=["6", 0])
    _, error = await ask(client, "POST", PATCH, short, 412)
    assert error["error"]["code"] == "SESSION_CHANGED"
    assert error["error"]["details"]["changes"][0]["kind"] == "node_added"
    short = {"session_id": session["id"], "action": "connect", "payload": {}}
    _, error = await ask(client, "POST", PATCH, short, 400)
    assert error["error"]["code"] == "INVALID_REQUEST"


async def test_a_patch_without_a_session_takes_the_short_form_and_a_dry_run_too(client):
    graph = text_to_image()
    _, whole = await ask(client, "POST", PATCH, {"workflow": graph, "ops": CUT})
    assert whole.keys() == {"workflow", "changes", "created", "findings", "inverse"}
    fields = {"target_node_id": "5", "target_port_name": "latent"}
    short = {"workflow": graph, "action": "disconnect", "payload": fields, "dry_run": True}
    assert (await ask(client, "POST", PATCH, short))[1] == {**whole, "dry_run": True}


async def test_a_dry_run_on_a_session_says_so(client):
    session = await created(client)
    body = {"session_id": session["id"], "ops": CUT, "dry_run": True}
    _, edited = await ask(client, "POST", PATCH, body, Idempotency_Key="k")
    assert (edited["dry_run"], edited["valid"], edited["version"]) == (True, False, 1)
    _, edited = await ask(client, "POST", PATCH, {**body, "dry_run": False}, Idempotency_Key="k")
    assert edited["version"] == 2


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"session_id": "ws-1"}, {"ops"}),
        ({"session_id": "ws-1", "ops": [], "action": "add_node"}, {"ops"}),
        ({"session_id": "ws-1", "payload": {}}, {"action"}),
        ({"session_id": "ws-1", "action": 3}, {"action"}),
        ({"session_id": "ws-1", "ops": [], "workflow": {}}, {"workflow", "session_id"}),
        ({"session_id": "", "ops": []}, {"session_id"}),
        ({"session_id": "ws-1", "ops": [], "if_version": 0}, {"if_version"}),
        ({"session_id": "ws-1", "ops": [], "sesion": 0}, {"sesion"}),
        ({"workflow": {"1": node("Number")}, "ops": [], "if_version": 1}, {"if_version"}),
        ({"workflow": {"1": node("Number")}}, {"ops"}),
    ],
)
async def test_a_patch_that_cannot_be_read_names_its_fields(client, body, fields):
    _, error = await ask(client, "POST", PATCH, body, 400)
    assert error["error"]["code"] == "INVALID_REQUEST"
    assert error["error"]["details"]["fields"].keys() == fields


async def test_a_workflow_is_replaced_only_by_who_says_which(client):
    session = await created(client)
    url, new = session["url"], {"workflow": {"1": node("Number", value=1)}}
    _, error = await ask(client, "PUT", url, new, 428)
    assert error["error"]["code"] == "PRECONDITION_REQUIRED"
    _, edited = await ask(client, "PUT", url, new, If_Match='"1.1.0"')
    assert (edited["version"], edited["workflow"]) == (2, new["workflow"])
    _, error = await ask(client, "PUT", url, new, 412, If_Match='"1.1.0"')
    details = error["error"]["details"]
    assert (details["yours"], details["version"]) == ({"version": 1, "rev": 1}, 2)
    assert {change["kind"] for change in details["changes"]} == {"node_removed", "class_changed"} | {
        "input_set",
        "input_removed",
    }
    other = {"workflow": text_to_image(), "dry_run": True}
    for match in (details["etag"], f'"9.9.9", {details["etag"]}', "*"):
        assert (await ask(client, "PUT", url, other, If_Match=match))[1]["version"] == 2
    for match in ('W/"2.2.0"', '"2.2"x', "2.2.0", '"nonsense"'):
        _, error = await ask(client, "PUT", url, other, 412, If_Match=match)
        assert error["error"]["details"]["changes"] is None
    assert (await ask(client, "PUT", url, {**other, "if_version": 2}))[1]["dry_run"] is True
    _, error = await ask(client, "PUT", url, {**other, "if_version": 2}, 400, If_Match='"2.2.0"')
    assert error["error"]["details"]["fields"].keys() == {"if_version"}


async def test_what_a_run_did_does_not_spoil_what_a_client_knows(client, rig):
    session = await created(client)
    await rig.open[0].ran(session["id"], 1, "t1")
    await rig.open[0].ended("t1", "succeeded")
    headers, seen = await ask(client, "GET", session["url"], Accept_Encoding="identity")
    assert headers["ETag"] == '"1.1.2"'
    assert seen["last_run"] == {"version": 1, "task_id": "t1", "status": "succeeded"}
    await ask(client, "POST", session["url"] + "/undo", None, 409, If_Match=session["etag"])
    body = {"session_id": session["id"], "ops": steps(30)}
    await ask(client, "POST", PATCH, body, If_Match=session["etag"])
    assert (await ask(client, "POST", session["url"] + "/undo", None))[1]["version"] == 1


async def test_undo_redo_and_rollback(client):
    session = await created(client)
    url = session["url"]
    for number in (30, 40):
        await ask(client, "POST", PATCH, {"session_id": session["id"], "ops": steps(number)})
    _, edited = await ask(client, "POST", url + "/undo", {"steps": 2, "if_version": 3})
    assert (edited["version"], edited["can_undo"], edited["can_redo"]) == (1, False, True)
    assert (edited["changes"][0]["old"], edited["changes"][0]["new"]) == (40, 20)
    _, error = await ask(client, "POST", url + "/undo", None, 409)
    assert error["error"]["code"] == "NOTHING_TO_UNDO"
    assert (await ask(client, "POST", url + "/redo", b""))[1]["version"] == 2
    _, edited = await ask(client, "POST", url + "/rollback", {"version": 3})
    assert (edited["version"], edited["workflow"]["5"]["inputs"]["steps"]) == (4, 40)
    assert (await ask(client, "POST", url + "/rollback", {"to": "valid"}))[1]["version"] == 4
    for body, fields in [
        (None, {"version"}),
        ({"version": 1, "to": "ran"}, {"version"}),
        ({"to": "best"}, {"to"}),
        ({"steps": 1}, {"steps"}),
    ]:
        _, error = await ask(client, "POST", url + "/rollback", body, 400)
        assert error["error"]["details"]["fields"].keys() == fields
    await ask(client, "POST", url + "/undo", {"steps": 0}, 400)
    _, error = await ask(client, "POST", url + "/rollback", {"to": "ran"}, 404)
    assert error["error"]["code"] == "VERSION_NOT_FOUND"


async def test_versions_are_listed_and_compared(client):
    session = await created(client)
    url = session["url"]
    for number in (30, 40):
        await ask(client, "POST", PATCH, {"session_id": session["id"], "ops": steps(number)})
    _, page = await ask(client, "GET", url + "/versions?limit=2")
    assert [each["version"] for each in page["items"]] == [3, 2]
    _, rest = await ask(client, "GET", url + f"/versions?limit=2&cursor={page['next_cursor']}")
    assert ([each["version"] for each in rest["items"]], rest["next_cursor"]) == ([1], None)
    assert page["items"][0] == {
        "version": 3,
        "base": 2,
        "kind": "patch",
        "same_as": None,
        "summary": "Sampler 5: steps = 40",
        "changes_count": 1,
        "made_at": "2027-01-15T08:00:00.000Z",
        "head": True,
        "valid": True,
        "ran": False,
        "task": None,
        "because": None,
    }
    _, version = await ask(client, "GET", url + "/versions/2")
    assert version.keys() == page["items"][0].keys() | {"workflow", "changes", "ops"}
    assert (version["ops"], version["workflow"]["5"]["inputs"]["steps"]) == (steps(30), 30)
    _, older = await ask(client, "GET", url + "?version=2")
    assert (older["version"], older["workflow_version"], older["workflow"]) == (3, 2, version["workflow"])
    _, diff = await ask(client, "GET", url + "/diff?from=1&to=3")
    assert (diff["from"], diff["to"]) == (1, 3)
    assert [(change["old"], change["new"]) for change in diff["changes"]] == [(20, 40)]
    assert (await ask(client, "GET", url + "/diff"))[1]["from"] == 2
    for path in ("/versions/9", "/versions/x", "?version=9", "/diff?from=9"):
        _, error = await ask(client, "GET", url + path, None, 404)
        assert error["error"]["code"] == "VERSION_NOT_FOUND"
    for path in ("?versoin=9", "/diff?form=9", "/versions?q=1", "/versions/1?x=1", "?version=x"):
        _, error = await ask(client, "GET", url + path, None, 400)
        assert error["error"]["code"] == "INVALID_REQUEST"


async def test_a_label_a_policy_and_metadata_are_changed(client):
    session = await created(client, **LABEL, metadata={"a": 1})
    url = session["url"]
    _, edited = await ask(client, "PATCH", url, {"on_failure": "rollback"}, If_Match=session["etag"])
    assert (edited["on_failure"], edited["label"], edited["metadata"]) == ("rollback", "Cat", {"a": 1})
    assert edited["workflow"] == text_to_image()
    _, edited = await ask(client, "PATCH", url, {"label": None, "metadata": {}})
    assert (edited["on_failure"], edited["label"], edited["metadata"]) == ("rollback", None, {})
    await ask(client, "PATCH", url, {"label": "x"}, 412, If_Match=session["etag"])
    await ask(client, "DELETE", url, None, 412, If_Match=session["etag"])
    for body, field in [
        ({}, "label"),
        ({"label": ""}, "label"),
        ({"label": "x" * 201}, "label"),
        ({"on_failure": "stop"}, "on_failure"),
        ({"metadata": {"a": "x" * 20_000}}, "metadata"),
        ({"id": "x"}, "id"),
    ]:
        _, error = await ask(client, "PATCH", url, body, 400)
        assert error["error"]["details"]["fields"].keys() == {field}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "WORKFLOW_MISSING"),
        ({"workflow": None}, 400, "WORKFLOW_MISSING"),
        ({"workflow": {"1": {}}}, 422, "BAD_NODE"),
        ({"workflow": {}, "task_id": "t"}, 400, "INVALID_REQUEST"),
        ({"workflow": {}, "version": 1}, 400, "INVALID_REQUEST"),
        ({"workflow": {}, "inputs": {"a": 1}}, 400, "INVALID_REQUEST"),
        ({"workflow": {}, "labl": "x"}, 400, "INVALID_REQUEST"),
        ({"task_id": "t"}, 404, "TASK_NOT_FOUND"),
        ({"session_id": "ws-1"}, 404, "SESSION_NOT_FOUND"),
        ({"template": "poster"}, 404, "TEMPLATE_NOT_FOUND"),
        ([], 400, "INVALID_REQUEST"),
        (b"{", 400, "INVALID_JSON"),
        ({"workflow": {"1": node("Number", x="x" * 400_000)}}, 413, "BODY_TOO_LARGE"),
    ],
)
async def test_a_session_that_cannot_be_made_is_refused(client, body, status, code):
    assert (await ask(client, "POST", ROOT, body, status))[1]["error"]["code"] == code
    assert (await ask(client, "GET", ROOT))[1]["items"] == []


async def test_a_session_is_forked_and_taken_from_a_task(client, rig):
    session = await created(client)
    await ask(client, "POST", PATCH, {"session_id": session["id"], "ops": steps(30)})
    _, fork = await ask(client, "POST", ROOT, {"session_id": session["id"], "version": 1}, 201)
    assert fork["parent"] == {"session_id": session["id"], "version": 1}
    assert fork["workflow"] == text_to_image()
    rig.tasks.workflows["t"] = text_to_image()
    _, made = await ask(client, "POST", ROOT, {"task_id": "t", **LABEL}, 201)
    assert made["source"] == {"kind": "task", "task_id": "t"}
    _, page = await ask(client, "GET", ROOT + "?limit=2")
    assert [each["id"] for each in page["items"]] == [made["id"], fork["id"]]
    _, page = await ask(client, "GET", ROOT + f"?limit=2&cursor={page['next_cursor']}")
    assert ([each["id"] for each in page["items"]], page["next_cursor"]) == ([session["id"]], None)
    await ask(client, "GET", ROOT + "?limt=2", None, 400)


async def test_a_request_with_a_key_is_done_once(client, rig):
    rig.clock.at = time.time()  # answers are kept by the clock on the wall
    body = {"workflow": text_to_image()}
    _, first = await ask(client, "POST", ROOT, body, 201, Idempotency_Key="a")
    headers, again = await ask(client, "POST", ROOT, body, 201, Idempotency_Key="a")
    assert (again, headers["Idempotent-Replayed"]) == (first, "true")
    assert len((await ask(client, "GET", ROOT))[1]["items"]) == 1
    _, error = await ask(client, "POST", ROOT, {"workflow": {}}, 409, Idempotency_Key="a")
    assert error["error"]["code"] == "IDEMPOTENCY_CONFLICT"
    edit = {"session_id": first["id"], "ops": [{"op": "add_node", "class_type": "Number"}]}
    _, first = await ask(client, "POST", PATCH, edit, Idempotency_Key="a")
    _, again = await ask(client, "POST", PATCH, edit, Idempotency_Key="a")
    assert (first["version"], again) == (2, first)
    for _ in range(2):
        _, undone = await ask(client, "POST", first["url"] + "/undo", None, Idempotency_Key="u")
        assert undone["version"] == 1


async def test_text_that_utf_8_cannot_hold_comes_back_as_it_was(client):
    workflow = {"1": node("Number", value="\ud800")}
    body = json.dumps({"workflow": workflow, "metadata": {"a": "\udfff"}}).encode("ascii")
    _, session = await ask(client, "POST", ROOT, body, 201, Idempotency_Key="k")
    assert session["workflow"]["1"]["inputs"]["value"] == "\ud800"
    _, seen = await ask(client, "GET", session["url"])
    assert (seen["metadata"], seen["workflow"]) == ({"a": "\udfff"}, session["workflow"])
    assert (await ask(client, "POST", ROOT, body, 201, Idempotency_Key="k"))[1] == session
    assert (await ask(client, "GET", ROOT))[1]["items"][0]["metadata"] == {"a": "\udfff"}


async def test_large_replies_are_compressed(client):
    workflow = {str(number): node("Number", value=number) for number in range(500)}
    session = await created(client, workflow=workflow)
    async with client.get(
        session["url"], headers={"Accept-Encoding": "gzip"}, allow_redirects=False
    ) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert (await answer.json())["workflow"] == workflow
    body = json.dumps({"session_id": session["id"], "ops": [], "dry_run": True})
    headers = {"Accept-Encoding": "gzip"}
    async with client.session.post(
        client.make_url(PATCH), data=body, headers=headers, auto_decompress=False
    ) as answer:
        assert answer.headers["Content-Encoding"] in {"gzip", "deflate"}
        assert json.loads(gzip.decompress(await answer.read()))["workflow"] == workflow


def keys_under(heading):
    """The keys that the table under a heading of docs/sessions.md describes."""
    text = Path(__file__).parents[2].joinpath("docs/sessions.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


async def test_the_document_has_every_key_and_no_other(client):
    session = await created(client)
    assert keys_under("A session") == KEYS | {"workflow", "workflow_version"}
    assert keys_under("Edits") == EDITED - KEYS - {"workflow", "workflow_version"}
    _, page = await ask(client, "GET", session["url"] + "/versions")
    assert keys_under("Versions") == page["items"][0].keys()
    assert keys_under("Making one") == set(NewSession.model_fields)
