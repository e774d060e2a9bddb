"""Nodes that misbehave: the task ends honestly, and the server runs the next one."""

import asyncio
import json

import pytest
from backplane.host.protocol import NodeOutput, RunStarted
from backplane.tasks import Submission, Tasks
from backplane.tasks.intake import Inputs
from backplane.tasks.store import open_engine
from fakes import FakeClasses, FakeHost, spec
from graphs import node, salt, sleeping


def quick():
    return {"1": node("ContractInt", value=1, salt=salt()), "2": node("ContractShow", value=["1", 0])}


def showing(class_type, **inputs):
    """A workflow of one node that shows something itself."""
    return {"1": node(class_type, salt=salt(), **inputs)}


def giving(class_type, **inputs):
    return {"1": node(class_type, salt=salt(), **inputs), "2": node("ContractShow", value=["1", 0])}


def strict(text):
    """Read JSON as a client does that takes it at its word: no NaN, no Infinity."""

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


async def stream_of(api, task_id, last=None):
    """Give the events of a stream up to its end, however long their lines are."""
    headers = {"Last-Event-ID": last} if last else {}
    async with api.session.get(f"/ext/tasks/{task_id}/events", headers=headers) as reply:
        text = await reply.text()
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in block.splitlines())
        if "event" in fields:
            found.append((fields["id"], fields["event"], strict(fields["data"])))
    return found


@pytest.fixture
async def sound(api):
    """After the test: the server is well, and the next task runs."""
    yield
    task = await api.run(quick())
    assert (task["status"], task["attempt"]) == ("succeeded", 1)
    assert (await api.get("/ext/health"))["status"] == "ok"


well = pytest.mark.usefixtures("sound")


@well
@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "Unusual"])
async def test_a_node_that_raises_what_is_no_exception_fails_its_own_task_only(api, kind):
    task = await api.run(giving("FaultRaise", kind=kind))
    assert task["status"] == "failed"
    assert task["attempt"] == 1
    assert (task["error"]["code"], task["error"]["node_id"]) == ("NODE_FAILED", "1")
    assert task["error"]["exception_type"].endswith(kind)


@well
async def test_a_node_that_logs_megabytes_succeeds(api):
    task = await api.run(giving("FaultLog", megabytes=4))
    assert task["status"] == "succeeded"
    async with api.session.get(f"/ext/tasks/{task['id']}") as reply:
        assert len(await reply.read()) < 20_000


@well
async def test_numbers_without_json_are_null_in_polls_lists_events_and_outputs(api):
    made = await api.submit({**sleeping(0.2), "9": node("FaultNumbers", salt=salt())})
    events = await stream_of(api, made["id"])
    task = (await api.finish(made["id"]))[-1]

    assert task["status"] == "succeeded"
    for path in [f"/ext/tasks/{task['id']}", f"/ext/tasks?ids={task['id']}", "/ext/tasks?limit=1"]:
        async with api.session.get(path) as reply:
            strict(await reply.text())
    assert [data["output"]["value"] for _, name, data in events if name == "output"][:3] == [None] * 3
    shown = [output for output in task["outputs"] if output["node_id"] == "9"]
    assert [output["value"] for output in shown if output["name"] == "number"] == [None] * 3
    assert "after" in [output["value"] for output in shown]
    for output in shown:
        async with api.session.get(output["url"]) as reply:
            text = await reply.text()
            assert reply.status == 200
            if reply.content_type == "application/json":
                strict(text)


@well
async def test_progress_that_makes_no_sense_stays_between_0_and_1(api):
    made = await api.submit(giving("FaultProgress"))
    seen = [event async for event in api.events(f"/ext/tasks/{made['id']}/events")]
    assert seen[-1][2]["status"] == "succeeded"
    fractions = [data["progress"] for _, _, data in seen if "progress" in data]
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0
    assert fractions[-1] == 1


@well
async def test_a_node_that_never_looks_is_canceling_until_it_really_ends(api):
    made = await api.submit(giving("FaultDeaf", seconds=1.0))
    await api.until(made["id"], lambda task: task["nodes"]["1"]["status"] == "running")

    assert (await api.post(f"/ext/tasks/{made['id']}/cancel", status=202))["status"] == "canceling"
    seen = await api.finish(made["id"])

    assert {task["status"] for task in seen[:-1]} == {"canceling"}
    assert all(task["finished_at"] is None for task in seen[:-1])
    assert seen[-1]["status"] == "cancelled"
    assert seen[-1]["nodes"]["1"]["duration_s"] >= 1.0
    assert seen[-1]["outputs"] == []


@well
async def test_a_node_that_never_looks_and_is_the_last_to_run_has_what_it_became(api):
    made = await api.submit(
        {"1": node("FaultDeaf", seconds=0.5, salt=salt())}
        | {"2": quick()["1"]}
        | {"3": node("ContractShow", value=["1", 0])}
    )
    await api.until(made["id"], lambda task: task["nodes"]["1"]["status"] == "running")
    await api.post(f"/ext/tasks/{made['id']}/cancel", status=202)
    last = (await api.finish(made["id"]))[-1]
    again = await api.post(f"/ext/tasks/{made['id']}/cancel", status=None)
    assert (await api.task(made["id"]))["status"] == last["status"]
    assert "error" in again or again["status"] == "cancelled"


@well
async def test_a_thread_that_outlives_its_run_changes_nothing(api):
    made = await api.submit(giving("FaultGhost", seconds=1.0))
    task = (await api.finish(made["id"]))[-1]
    assert task["status"] == "succeeded"
    for _ in range(5):
        other = await api.run(quick())
        assert other["status"] == "succeeded"
        assert other["nodes"]["1"]["value"] in (None, 1)
        assert await api.task(task["id"]) == task


@well
@pytest.mark.parametrize("kind", ["bytes", "object", "set", "keys", "no_list", "opaque", "endless"])
async def test_what_is_no_json_ends_as_text_or_as_a_failure_of_its_node(api, kind):
    task = await api.run(showing("FaultOpaque", kind=kind))
    assert task["status"] in {"succeeded", "failed"}
    if task["status"] == "failed":
        assert (task["error"]["code"], task["error"]["node_id"]) == ("NODE_FAILED", "1")
    else:
        assert task["outputs"]


@well
async def test_five_thousand_outputs_of_one_node_are_all_there(api):
    task = await api.run(showing("FaultMany", count=5000))
    assert task["status"] == "succeeded"
    assert [output["value"] for output in task["outputs"]] == [f"text {number}" for number in range(5000)]
    async with api.session.get(task["outputs"][4999]["url"]) as reply:
        assert await reply.text() == "text 4999"


@well
async def test_a_reader_of_more_outputs_than_are_kept_still_learns_the_end(api):
    made = await api.submit(
        {
            **sleeping(0.3),
            "8": node("FaultMany", count=5000, salt=salt()),
            "9": node("ContractShow", value=["1", 0]),
        }
    )
    last, seen = None, []
    while not (seen and seen[-1][2].get("finished_at")):
        seen = await stream_of(api, made["id"], last)
        last = seen[-1][0] if seen else None
    assert seen[-1][2]["status"] == "succeeded"


@well
async def test_an_enormous_text_is_kept_whole(api):
    task = await api.run(showing("FaultLong", megabytes=8))
    assert task["status"] == "succeeded"
    [output] = task["outputs"]
    assert output["size"] == 8 * 2**20
    async with api.session.get(output["url"]) as reply:
        assert await reply.read() == "é".encode() * (4 * 2**20)


# What the sandbox makes plain before it is told, ComfyUI hands over as it is.


class NoText:
    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__


def endless():
    made = []
    made.append(made)
    return made


ODD = {
    "object": lambda: [object()],
    "no text": lambda: [NoText()],
    "bytes": lambda: [b"\xff\x00"],
    "endless": endless,
    "deep nan": lambda: [{"a": [float("nan")]}],
    "infinite": lambda: [float("inf")],
    "huge number": lambda: [10**400],
    "a number of 5,000 digits": lambda: [10**5000],
    "half a surrogate": lambda: ["a\ud800b"],
    "half a surrogate in json": lambda: [{"\ud800": "\udfff"}],
    "half a surrogate as a filename": lambda: [{"filename": "\ud800.png"}],
    "a filename with a zero byte": lambda: [{"filename": "a\0.png"}],
    "a filename of 10,000 characters": lambda: [{"filename": "a" * 10_000}],
    "keys of all kinds": lambda: [{1: {None: {(2, 3): 4}}}],
    "no list": lambda: "text",
    "nothing": lambda: None,
    "a number": lambda: 5,
}


@pytest.mark.parametrize(
    "kind",
    ODD,
)
async def test_whatever_a_node_shows_comfyui_the_task_ends_and_can_be_read(tmp_path, kind):
    host = FakeHost(tmp_path)
    show = spec("Show", {"value": ("INT", {"default": 1})}, (), output_node=True)
    tasks = Tasks(
        host,
        FakeClasses(show),
        lambda node: open_engine(tmp_path / "t.sqlite3", node=node),
        inputs=Inputs(None, None, max_bytes=1),
    )
    tasks.start()
    try:
        task = await tasks.submit(Submission({"1": {"class_type": "Show", "inputs": {"value": 1}}}))
        while not host.pending:
            await asyncio.sleep(0.001)
        host.begin(task.id)
        host.emit(RunStarted(task.id, 100.0, None))
        host.emit(NodeOutput(task.id, 101.0, "1", "1", {"odd": ODD[kind](), "text": ["sound"]}))
        host.end(task.id, outputs={"1": {"odd": ODD[kind](), "text": ["sound"]}})
        last = await tasks.wait_end(task.id, 10)
        shown = await tasks.show(last)
        assert shown["status"] == "succeeded"
        assert "sound" in [output.get("value") for output in shown["outputs"]]
        strict(json.dumps(shown, allow_nan=False, ensure_ascii=False).encode().decode())
        tasks._recent.clear()
        assert await tasks.show(await tasks.find(task.id)) == shown
    finally:
        await tasks.stop()
