import asyncio
import json
import time

import pytest
from backplane.errors import ApiError, Unavailable
from backplane.host.protocol import (
    NodeFinished,
    NodeOutput,
    NodeProgressed,
    NodeStarted,
    Preview,
    PromptRejected,
    QueuedPrompt,
    RunEnded,
    RunError,
    RunStarted,
)
from backplane.tasks import Limits, Query, Submission, Tasks
from backplane.tasks.intake import Inputs
from backplane.tasks.store import open_engine
from fakes import FakeClasses, FakeHost, spec
from PIL import Image

NO_INPUTS = Inputs(None, None, max_bytes=1)
NUMBER = spec("Number", {"value": ("INT", {"default": 1})})
SHOW = spec("Show", {"value": ("*", {})}, (), output_node=True)


def graph(**number):
    return {
        "1": {"class_type": "Number", "inputs": {"value": 1, **number}},
        "2": {"class_type": "Show", "inputs": {"value": ["1", 0]}},
    }


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path)


@pytest.fixture
def classes():
    return FakeClasses(NUMBER, SHOW)


@pytest.fixture
async def tasks(host, classes, tmp_path):
    made = Tasks(
        host,
        classes,
        lambda node: open_engine(tmp_path / "tasks.sqlite3", node=node),
        limits=Limits(max_queued=5, max_attempts=3),
        inputs=NO_INPUTS,
    )
    made.start()
    yield made
    await made.stop()


async def until(condition):
    while not condition():  # pytest's own timeout ends a hang
        await asyncio.sleep(0.001)


async def started(tasks, host, **fields):
    """Submit a task and let it begin."""
    task = await tasks.submit(Submission(graph(), **fields))
    await until(lambda: any(prompt.prompt_id == task.id for prompt in host.pending))
    host.begin(task.id)
    host.emit(RunStarted(task.id, 100.0, None))
    return task.id


async def ended(tasks, task_id):
    return await tasks.show(await tasks.wait_end(task_id, 10))


async def ran(tasks, host, **fields):
    task_id = await started(tasks, host)
    host.end(task_id, **fields)
    return await ended(tasks, task_id)


async def test_a_task_that_was_claimed_and_not_yet_handed_on_still_waits(tasks, host):
    """Else who asks in that moment sees it run, then wait, then run."""
    await tasks.pause(paused=True)
    task = await tasks.submit(Submission(graph()))
    engine = await tasks.engine()
    assert await engine.claim(tasks.node, [task.id], now=time.time(), lease_s=60) is not None
    assert (await engine.get(task.id)).status == "running"
    assert (await tasks.find(task.id)).status == "queued"
    assert [one.status for one in await tasks.find_many([task.id])] == ["queued"]
    found, _ = await tasks.list(Query(limit=5, statuses=("queued",)))
    assert [one.id for one in found] == [task.id]
    assert (await tasks.list(Query(limit=5, statuses=("running",))))[0] == []


async def test_what_is_queued_is_a_copy_with_titles(tasks, host):
    workflow = graph()
    await tasks.submit(Submission(workflow))
    await until(lambda: host.prompts)

    [prompt] = host.prompts
    prompt.graph["1"]["inputs"]["value"] = 99
    assert workflow["1"]["inputs"]["value"] == 1
    assert prompt.graph["1"]["_meta"] == {"title": "Number"}
    assert "_meta" not in workflow["1"]
    assert prompt.client_id == "backplane"


async def test_the_last_preview_outlives_the_run_for_a_moment(tasks, host, monkeypatch):
    monkeypatch.setattr("backplane.tasks.service.PREVIEW_KEPT_S", 0.5)
    task_id = await started(tasks, host)
    frame = Preview(Image.new("RGB", (8, 8)), "JPEG", None)
    host.emit(NodeProgressed(task_id, 100.5, "1", 1, 2, frame))
    host.end(task_id)
    assert (await ended(tasks, task_id))["status"] == "succeeded"

    media_type, _ = await tasks.results.preview(await tasks.find(task_id))
    assert media_type == "image/jpeg"
    task = await tasks.find(task_id)
    await until(lambda: task.progress.preview is None)
    with pytest.raises(ApiError) as gone:
        await tasks.results.preview(task)
    assert gone.value.code == "PREVIEW_NOT_FOUND"


async def test_what_was_installed_since_the_last_look_is_found(host, tmp_path):
    classes = FakeClasses(NUMBER, later=[SHOW])
    tasks = Tasks(
        host, classes, lambda node: open_engine(tmp_path / "t.sqlite3", node=node), inputs=NO_INPUTS
    )
    tasks.start()
    assert (await tasks.submit(Submission(graph()))).status == "queued"
    assert classes.looks == 1
    await tasks.stop()


async def test_a_good_workflow_needs_no_second_look(tasks, classes):
    await tasks.submit(Submission(graph()))
    assert classes.looks == 0


async def test_a_refused_prompt_leaves_no_task(tasks, host):
    fault = {"type": "value_bigger_than_max", "message": "Too big", "details": "value", "extra_info": {}}
    host.reject = ({"type": "x"}, {"1": {"errors": [fault], "class_type": "Number"}})

    with pytest.raises(ApiError) as refused:
        await tasks.submit(Submission(graph()))

    assert refused.value.code == "VALUE_OUT_OF_RANGE"
    assert await tasks.list(Query(limit=10)) == ([], None)


async def test_outputs_that_comfyui_drops_are_warned_of(tasks, host):
    fault = {"type": "value_not_in_list", "message": "no", "extra_info": {"input_name": "value"}}
    host.node_errors = {"1": {"errors": [fault], "class_type": "Number", "dependent_outputs": ["2"]}}
    workflow = {**graph(), "3": {"class_type": "Show", "inputs": {"value": "x"}}}

    task = await tasks.show(await tasks.submit(Submission(workflow)))

    assert [warning["code"] for warning in task["warnings"]] == ["UNKNOWN_OPTION"]
    assert list(task["nodes"]) == ["3"]


async def test_what_comfyui_refuses_when_its_turn_comes_fails(tasks, host):
    host.refuse_late = PromptRejected({"type": "missing_node_type", "message": "gone"}, {})
    task = await tasks.submit(Submission(graph()))

    shown = await ended(tasks, task.id)

    assert (shown["status"], shown["error"]["code"]) == ("failed", "WORKFLOW_INVALID")
    assert shown["attempt"] == 1


async def test_a_host_that_takes_nothing_now_is_asked_again_later(tasks, host):
    host.refuse_late = Unavailable("HOST_UNAVAILABLE", "The worker has stopped.")
    task = await tasks.submit(Submission(graph()))
    await until(lambda: tasks._runner._host_waits_until > 0)
    host.refuse_late = None
    await until(lambda: len(tasks._runner.queue) == 1)

    tasks._runner._host_waits_until = 0.0
    tasks._runner.wake()
    await until(lambda: host.prompts)

    assert (await tasks.find(task.id)).attempt == 1


async def test_a_task_ends_only_when_its_outputs_are_measured(tasks, host):
    (host.folder / "a.png").write_bytes(b"12345")
    task_id = await started(tasks, host)
    host.end(task_id, outputs={"2": {"images": [{"filename": "a.png"}]}})
    assert (await tasks.find(task_id)).status == "running"

    shown = await ended(tasks, task_id)

    assert shown["status"] == "succeeded"
    assert [output["size"] for output in shown["outputs"]] == [5]


async def test_outputs_told_during_the_run_and_at_its_end_are_shown_once(tasks, host):
    task_id = await started(tasks, host)
    host.emit(NodeOutput(task_id, 101.0, "2", "2", {"text": ["first"]}))
    host.end(
        task_id,
        outputs={"1.0.1": {"text": ["second"]}, "2": {"text": ["first"]}},
        display_ids={"1.0.1": "1"},
    )

    shown = await ended(tasks, task_id)

    assert [(output["node_id"], output["value"]) for output in shown["outputs"]] == [
        ("2", "first"),
        ("1", "second"),
    ]


async def test_nothing_changes_a_finished_task(tasks, host):
    before = await ran(tasks, host)

    host.emit(
        NodeStarted(before["id"], 300.0, "1", "1", None, "Number"),
        RunEnded(before["id"], 300.0, "failed", error=RunError("late")),
    )

    assert await tasks.show(await tasks.find(before["id"])) == before


async def test_a_finished_task_is_the_same_from_memory_and_from_the_store(tasks, host):
    before = await ran(tasks, host, outputs={"2": {"text": ["x"]}})
    tasks._recent.clear()
    assert await tasks.show(await tasks.find(before["id"])) == before


async def test_a_failure_has_a_code(tasks, host):
    shown = await ran(tasks, host, status="failed", error=RunError("broken", "1", "Number", "ValueError"))
    assert shown["error"]["code"] == "NODE_FAILED"
    assert shown["nodes"]["1"]["status"] == "failed"


async def test_out_of_memory_frees_the_models_and_runs_once_more(tasks, host):
    error = RunError("x", "1", "Number", "torch.OutOfMemoryError")
    task_id = await started(tasks, host)
    host.end(task_id, status="failed", error=error)
    await until(lambda: len(host.prompts) == 2)
    assert host.freed == 1
    second = host.prompts[1].prompt_id
    assert second != task_id

    host.begin(second)
    host.emit(RunStarted(second, 110.0, None))
    host.end(second, status="failed", error=error)
    shown = await ended(tasks, task_id)

    assert (shown["status"], shown["attempt"], shown["error"]["code"]) == ("failed", 2, "OUT_OF_MEMORY")
    assert shown["prompt_id"] == second


async def test_a_canceled_task_is_not_tried_again(tasks, host):
    task_id = await started(tasks, host)
    await tasks.cancel(task_id)
    host.end(task_id, status="failed", error=RunError("x", "1", "Number", "ConnectionResetError"))
    assert (await ended(tasks, task_id))["status"] == "failed"


async def test_succeeded_runs_teach_which_nodes_go_together(tasks, host, classes):
    await ran(tasks, host)
    await ran(tasks, host, status="failed", error=RunError("no"))
    assert classes.learned == [graph()]


async def test_a_prompt_of_another_client_is_a_task(tasks, host):
    host.pending.append(QueuedPrompt("foreign", graph(), ("2",), None))
    host.tell_queue()
    shown = await tasks.show(await tasks.find("foreign"))
    assert (shown["origin"], shown["status"], shown["queue_position"]) == ("comfyui", "queued", 1)
    assert shown["nodes_total"] == 2
    assert [task.id for task in (await tasks.list(Query(limit=5)))[0]] == ["foreign"]

    host.begin("foreign")
    host.emit(RunStarted("foreign", 100.0, None), NodeFinished("foreign", 101.0, "1", "1"))
    host.end("foreign")
    shown = await ended(tasks, "foreign")

    assert shown["status"] == "succeeded"
    assert shown["nodes"]["1"]["status"] == "cached"
    tasks._recent.clear()
    assert (await tasks.find("foreign")).origin == "comfyui"


async def test_a_full_queue_takes_no_more_and_says_when_to_come_back(tasks):
    await tasks.pause(paused=True)
    for _ in range(5):
        await tasks.submit(Submission(graph()))

    with pytest.raises(ApiError) as refused:
        await tasks.submit(Submission(graph()))

    assert refused.value.code == "QUEUE_FULL"
    assert refused.value.status == 429
    assert refused.value.details["retry_after_s"] > 0


async def test_a_queued_task_is_cancelled_at_once(tasks):
    await tasks.pause(paused=True)
    task = await tasks.submit(Submission(graph()))
    shown = await tasks.show(await tasks.cancel(task.id))
    assert shown["status"] == "cancelled"
    assert {node["status"] for node in shown["nodes"].values()} == {"skipped"}
    assert (await tasks.cancel(task.id)).status == "cancelled"


async def test_a_task_in_comfyuis_queue_is_cancelled_at_once(tasks, host):
    await started(tasks, host)
    waiting = await tasks.submit(Submission(graph()))
    await until(lambda: len(host.prompts) == 2)
    assert (await tasks.cancel(waiting.id)).status == "cancelled"
    assert host.interrupted == []


async def test_a_running_task_is_canceling_until_it_stopped(tasks, host):
    task_id = await started(tasks, host)
    assert (await tasks.cancel(task_id)).status == "canceling"
    assert host.interrupted == [task_id]

    host.end(task_id, "interrupted")

    assert (await ended(tasks, task_id))["status"] == "cancelled"


async def test_a_cancel_that_came_too_late_leaves_the_truth(tasks, host):
    task_id = await started(tasks, host)
    await tasks.cancel(task_id)
    host.end(task_id, "succeeded")
    assert (await ended(tasks, task_id))["status"] == "succeeded"


async def test_pages_do_not_shift_when_tasks_come(tasks):
    await tasks.pause(paused=True)
    made = [(await tasks.submit(Submission(graph()))).id for _ in range(4)]
    first, following = await tasks.list(Query(limit=2))
    await tasks.submit(Submission(graph()))

    second, end = await tasks.list(Query(limit=2, before=following))

    assert [task.id for task in [*first, *second]] == list(reversed(made))
    assert end is None


async def test_a_store_that_cannot_be_opened_is_told(host, classes, caplog):
    def fail(node):
        raise RuntimeError("a newer schema")

    tasks = Tasks(host, classes, fail, inputs=NO_INPUTS)
    tasks.start()

    with pytest.raises(ApiError) as refused:
        await tasks.submit(Submission(graph()))

    assert refused.value.code == "STORE_UNAVAILABLE"
    assert tasks.faults()
    assert "a newer schema" in caplog.text
    await tasks.stop()


async def test_a_server_that_starts_again_goes_on_where_it_was(host, classes, tmp_path):
    def life():
        made = Tasks(
            host, classes, lambda node: open_engine(tmp_path / "t.sqlite3", node=node), inputs=NO_INPUTS
        )
        made.start()
        return made

    first = life()
    await first.pause(paused=True)
    task = await first.submit(Submission(graph(), metadata={"a": 1}))
    await first.stop()
    second = life()
    assert (await second.queue())["paused"] is True
    assert (await second.find(task.id)).metadata == {"a": 1}
    await second.pause(paused=False)
    await until(lambda: host.prompts)
    assert host.prompts[0].prompt_id == task.id
    await second.stop()


async def test_a_class_that_is_gone_is_replaced_as_its_pack_says(tasks, host):
    host.replacements = {"OldNumber": "Number"}
    old = graph()
    old["1"]["class_type"] = "OldNumber"

    task = await tasks.show(await tasks.submit(Submission(old)))

    assert task["nodes"]["1"]["class_type"] == "Number"
    [warning] = task["warnings"]
    assert (warning["code"], warning["node_id"]) == ("NODE_CLASS_REPLACED", "1")
    assert old["1"]["class_type"] == "OldNumber"


async def test_the_same_again_is_the_same_byte_for_byte(tasks, host):
    odd = {
        "2": {
            "class_type": "Show",
            "_meta": {"title": "ü"},
            "inputs": {"value": ["1", 0], "b": 1.0, "a": 2**60},
        }
    }
    first = await tasks.submit(Submission({**odd, "1": {"inputs": {"value": 1}, "class_type": "Number"}}))

    again = await tasks.submit(await tasks.again(first.id, same=True))

    engine = await tasks.engine()
    graphs = [(await engine.get(task.id, graph=True)).graph for task in (first, again)]
    assert json.dumps(graphs[0]) == json.dumps(graphs[1])
    assert list(graphs[0]) == ["2", "1"]
