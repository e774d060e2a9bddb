import asyncio

import pytest
from backplane.errors import ApiError
from backplane.host.protocol import (
    NodeFinished,
    NodeOutput,
    NodeStarted,
    QueuedPrompt,
    RunEnded,
    RunError,
    RunStarted,
)
from backplane.tasks import Submission, Tasks
from fakes import FakeClasses, FakeHost, spec

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
def tasks(host, classes):
    made = Tasks(host, classes, kept=3)
    made.start()
    return made


async def settled(task):
    while not task.finished:
        await asyncio.sleep(0)
    return task


async def ran(tasks, host, **fields):
    task = await tasks.submit(Submission(graph()))
    host.begin(task.id)
    host.emit(RunStarted(task.id, 100.0, None))
    host.end(task.id, **fields)
    return await settled(task)


async def test_what_is_queued_is_a_copy_with_titles(tasks, host):
    workflow = graph()
    await tasks.submit(Submission(workflow))

    [prompt] = host.prompts
    prompt.graph["1"]["inputs"]["value"] = 99
    assert workflow["1"]["inputs"]["value"] == 1
    assert prompt.graph["1"]["_meta"] == {"title": "Number"}
    assert "_meta" not in workflow["1"]
    assert prompt.client_id == "backplane"


async def test_a_report_that_comes_before_submit_returns_finds_its_task(tasks, host):
    host.on_submit = lambda prompt: host.emit(RunStarted(prompt.prompt_id, 100.0, None))

    task = await tasks.submit(Submission(graph()))

    assert (task.status, task.origin) == ("running", "api")


async def test_what_was_installed_since_the_last_look_is_found(host):
    classes = FakeClasses(NUMBER, later=[SHOW])
    tasks = Tasks(host, classes, kept=3)

    task = await tasks.submit(Submission(graph()))

    assert task.status == "queued"
    assert classes.looks == 1


async def test_a_good_workflow_needs_no_second_look(tasks, classes):
    await tasks.submit(Submission(graph()))
    assert classes.looks == 0


async def test_a_refused_prompt_leaves_no_task(tasks, host):
    fault = {"type": "value_bigger_than_max", "message": "Too big", "details": "value", "extra_info": {}}
    host.reject = ({"type": "x"}, {"1": {"errors": [fault], "class_type": "Number"}})

    with pytest.raises(ApiError) as refused:
        await tasks.submit(Submission(graph()))

    assert refused.value.code == "VALUE_OUT_OF_RANGE"
    assert tasks.list(before=None, limit=10) == ([], None)


async def test_outputs_that_comfyui_drops_are_warned_of(tasks, host):
    fault = {"type": "value_not_in_list", "message": "no", "extra_info": {"input_name": "value"}}
    host.node_errors = {"1": {"errors": [fault], "class_type": "Number", "dependent_outputs": ["2"]}}

    task = await tasks.submit(Submission({**graph(), "3": {"class_type": "Show", "inputs": {"value": "x"}}}))

    assert [warning["code"] for warning in task.warnings] == ["UNKNOWN_OPTION"]
    assert list(task.progress.nodes) == ["3"]


async def test_a_task_ends_only_when_its_outputs_are_measured(tasks, host):
    (host.folder / "a.png").write_bytes(b"12345")
    task = await tasks.submit(Submission(graph()))
    host.emit(RunStarted(task.id, 100.0, None))
    host.end(task.id, outputs={"2": {"images": [{"filename": "a.png"}]}})
    assert task.status == "running"

    await settled(task)

    assert task.status == "succeeded"
    assert [output.size for output in task.outputs] == [5]


async def test_outputs_told_during_the_run_and_at_its_end_are_shown_once(tasks, host):
    task = await tasks.submit(Submission(graph()))
    host.emit(
        RunStarted(task.id, 100.0, None),
        NodeOutput(task.id, 101.0, "2", "2", {"text": ["first"]}),
    )
    host.end(
        task.id, outputs={"1.0.1": {"text": ["second"]}, "2": {"text": ["first"]}}, display_ids={"1.0.1": "1"}
    )
    await settled(task)

    assert [(output.node_id, output.value) for output in task.outputs] == [("2", "first"), ("1", "second")]


async def test_nothing_changes_a_finished_task(tasks, host):
    task = await ran(tasks, host)
    before = tasks.shown(task)

    host.emit(
        NodeStarted(task.id, 300.0, "1", "1", None, "Number"),
        RunEnded(task.id, 300.0, "failed", error=RunError("late")),
    )

    assert tasks.shown(task) == before


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (RunError("broken", "1", "Number", "ValueError"), "NODE_FAILED", False),
        (RunError("x", "1", "Number", "torch.OutOfMemoryError"), "OUT_OF_MEMORY", True),
        (RunError("HIP out of memory", "1", "Number", "RuntimeError"), "OUT_OF_MEMORY", True),
    ],
)
async def test_a_failure_has_a_code(tasks, host, error, code, retryable):
    task = await ran(tasks, host, status="failed", error=error)
    assert (task.error.code, task.error.retryable, task.error.node_id) == (code, retryable, "1")


async def test_a_run_that_was_lost_failed(tasks, host):
    task = await ran(tasks, host, status="lost", error=RunError("gone"))
    assert (task.status, task.error.code) == ("failed", "TASK_LOST")


async def test_succeeded_runs_teach_which_nodes_go_together(tasks, host, classes):
    await ran(tasks, host)
    await ran(tasks, host, status="failed", error=RunError("no"))
    assert classes.learned == [graph()]


async def test_a_prompt_of_another_client_is_a_task(tasks, host):
    host.pending.append(QueuedPrompt("foreign", graph(), ("2",), None))
    host.tell_queue()
    task = tasks.get("foreign")
    assert (task.origin, task.status) == ("comfyui", "queued")
    assert tasks.shown(task)["queue_position"] == 1
    assert task.progress.total == 2

    host.begin("foreign")
    host.emit(RunStarted("foreign", 100.0, None), NodeFinished("foreign", 101.0, "1", "1"))
    host.end("foreign")
    await settled(task)

    assert task.status == "succeeded"
    assert task.progress.nodes["1"].state == "cached"


async def test_places_in_the_queue_follow_the_queue(tasks, host):
    made = [await tasks.submit(Submission(graph())) for _ in range(3)]
    host.tell_queue()
    assert [tasks.shown(task)["queue_position"] for task in made] == [1, 2, 3]
    etag = made[2].etag

    tasks.cancel(made[0].id)
    host.tell_queue()

    assert [tasks.shown(task)["queue_position"] for task in made] == [None, 1, 2]
    assert made[2].etag != etag


async def test_a_queued_task_is_cancelled_at_once(tasks, host):
    task = await tasks.submit(Submission(graph()))
    assert tasks.cancel(task.id).status == "cancelled"
    assert tasks.cancel(task.id).status == "cancelled"


async def test_a_running_task_is_canceling_until_it_stopped(tasks, host):
    task = await tasks.submit(Submission(graph()))
    host.begin(task.id)
    host.emit(RunStarted(task.id, 100.0, None))
    assert tasks.cancel(task.id).status == "canceling"
    assert host.interrupted == [task.id]

    host.end(task.id, "interrupted")

    assert task.status == "cancelled"


async def test_a_cancel_that_came_too_late_leaves_the_truth(tasks, host):
    task = await tasks.submit(Submission(graph()))
    host.begin(task.id)
    host.emit(RunStarted(task.id, 100.0, None))
    tasks.cancel(task.id)

    host.end(task.id, "succeeded")

    assert task.status == "succeeded"


async def test_only_the_newest_finished_tasks_are_kept(tasks, host):
    made = [await ran(tasks, host) for _ in range(5)]
    waiting = await tasks.submit(Submission(graph()))

    found, _ = tasks.list(before=None, limit=10)

    assert [task.id for task in found] == [waiting.id, *[task.id for task in reversed(made[2:])]]
    with pytest.raises(ApiError):
        tasks.get(made[0].id)


async def test_pages_do_not_shift_when_tasks_come(tasks, host):
    made = [await tasks.submit(Submission(graph())) for _ in range(4)]
    first, following = tasks.list(before=None, limit=2)
    await tasks.submit(Submission(graph()))

    second, end = tasks.list(before=following, limit=2)

    assert [task.id for task in [*first, *second]] == [task.id for task in reversed(made)]
    assert end is None
