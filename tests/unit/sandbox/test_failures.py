"""Runs that fail or are stopped: what is told, and that the next prompt runs."""

import asyncio

import pytest
from backplane.host.protocol import NewPrompt, NodeStarted, RunEnded, RunStarted
from backplane.sandbox.app import Options, make_host


def failing(node, class_type, value):
    return {"1": node(class_type, value=value), "2": node("PackShow", value=["1", 0])}


def sleeping(node, seconds=600.0):
    return {
        "1": node("SandboxSleep", value=1, seconds=seconds, steps=6),
        "2": node("PackShow", value=["1", 0]),
    }


async def test_a_failing_node_is_named_with_its_message(sandbox, node):
    graph = {
        "1": node("PrimitiveInt", value=3),
        "2": node("SandboxFail", message="the reason", value=["1", 0]),
        "3": node("PackShow", value=["2", 0]),
    }
    ended = await sandbox.run(graph)
    assert ended.status == "failed"
    assert (ended.error.node_id, ended.error.class_type) == ("2", "SandboxFail")
    assert (ended.error.message, ended.error.exception_type) == ("the reason", "RuntimeError")
    status = (await sandbox.history(ended.prompt_id))["status"]
    assert (status["status_str"], status["completed"]) == ("error", False)
    kind, data = status["messages"][-1]
    assert kind == "execution_error"
    assert data["exception_message"] == "the reason"
    assert any("control.py" in line for line in data["traceback"])
    assert data["current_inputs"] == {"message": ["the reason"], "value": [3]}


async def test_a_failure_inside_an_expansion_names_the_submitted_node(sandbox, node):
    graph = {
        "1": node("SandboxRepeat", value=None, times=1, seconds=0),
        "2": node("PackExpand", value=["1", 0]),
        "3": node("SandboxFail", message="no", value=["2", 0]),
        "4": node("PackShow", value=["3", 0]),
    }
    assert (await sandbox.run(graph)).error.node_id == "3"


@pytest.mark.parametrize(
    ("class_type", "value", "kind"),
    [
        ("PackRaise", "exit", "SystemExit"),
        ("PackRaise", "keyboard", "KeyboardInterrupt"),
        ("PackRaise", "generator", "GeneratorExit"),
        ("PackAsyncExit", "out", "SystemExit"),
        ("PackAsyncFail", "lost", "LookupError"),
        ("PackWrong", "text", "TypeError"),
    ],
)
async def test_whatever_a_node_raises_the_worker_lives(sandbox, node, class_type, value, kind):
    ended = await sandbox.run(failing(node, class_type, value))
    assert ended.status == "failed"
    assert (ended.error.exception_type, ended.error.node_id) == (kind, "1")
    assert (await sandbox.run({"1": node("PackShow", value=1)})).status == "succeeded"
    assert all(check.ok for check in sandbox.host.checks())


async def test_a_coroutine_that_fails_takes_the_others_along(sandbox, node):
    graph = {
        "1": node("SandboxAsyncSleep", value=1, seconds=600),
        "2": node("PackAsyncFail", value="lost"),
        "3": node("PackShow", value=["1", 0]),
        "4": node("PackShow", value=["2", 0]),
    }
    assert (await sandbox.run(graph)).status == "failed"


async def test_a_running_prompt_is_interrupted(sandbox, node):
    prompt_id = await sandbox.queue(sleeping(node))
    await sandbox.started(prompt_id, "1")
    assert sandbox.host.cancel(prompt_id) == "interrupting"
    ended = await sandbox.ended(prompt_id)
    assert ended.status == "interrupted"
    messages = (await sandbox.history(prompt_id))["status"]["messages"]
    assert messages[-1][0] == "execution_interrupted"
    assert messages[-1][1]["node_id"] == "1"
    assert (await sandbox.run(sleeping(node, 0.0))).status == "succeeded"


async def test_waiting_coroutines_are_interrupted(sandbox, node):
    graph = {
        "1": node("SandboxAsyncSleep", value=1, seconds=600),
        "2": node("PackShow", value=["1", 0]),
    }
    prompt_id = await sandbox.queue(graph)
    await sandbox.started(prompt_id, "1")
    assert (await sandbox.client.post("/interrupt", json={"prompt_id": prompt_id})).status == 200
    assert (await sandbox.ended(prompt_id)).status == "interrupted"


async def test_interrupt_without_an_id_stops_what_runs_and_nothing_after_it(sandbox, node):
    first = await sandbox.queue(sleeping(node))
    second = await sandbox.queue({"1": node("PackShow", value=1)})
    await sandbox.started(first)
    assert (await sandbox.client.post("/interrupt")).status == 200
    assert (await sandbox.ended(first)).status == "interrupted"
    assert (await sandbox.ended(second)).status == "succeeded"


async def test_interrupting_another_prompt_leaves_this_one_alone(sandbox, node, new_id):
    prompt_id = await sandbox.queue(sleeping(node))
    await sandbox.started(prompt_id)
    await sandbox.client.post("/interrupt", json={"prompt_id": new_id()})
    assert sandbox.host.cancel(new_id()) == "absent"
    assert [prompt.prompt_id for prompt in sandbox.host.queue().running] == [prompt_id]
    sandbox.host.cancel(prompt_id)
    await sandbox.ended(prompt_id)


async def test_a_pending_prompt_is_removed(sandbox, node):
    first = await sandbox.queue(sleeping(node))
    second = await sandbox.queue({"1": node("PackShow", value=1)})
    await sandbox.started(first)
    assert sandbox.host.cancel(second) == "removed"
    assert (await sandbox.ended(second)).status == "removed"
    assert sandbox.host.cancel(second) == "absent"
    sandbox.host.cancel(first)
    await sandbox.ended(first)
    assert [type(e) for e in sandbox.events if getattr(e, "prompt_id", None) == second] == [RunEnded]
    assert await (await sandbox.client.get(f"/history/{second}")).json() == {}


async def test_a_cancel_between_queue_and_start_is_not_lost(tmp_path, node, new_id):
    host = make_host(Options(tmp_path))
    prompt_id = new_id()
    graph = {
        "1": node("SandboxSleep", value=1, seconds=600, steps=1),
        "2": node("PreviewAny", source=["1", 0]),
    }
    await host.submit(NewPrompt(prompt_id, graph, "client"))
    item = host.prompts.get()
    assert host.cancel(prompt_id) == "interrupting"
    outcome = await asyncio.to_thread(host.worker._run, item)
    assert outcome.status == "interrupted"
    assert outcome.messages[-1][0] == "execution_interrupted"


async def test_a_node_may_interrupt_its_own_prompt(sandbox, node):
    assert (await sandbox.run(failing(node, "PackSelfInterrupt", 1))).status == "interrupted"


async def test_nodes_that_wait_for_each_other_fail_the_run(sandbox, node):
    # validation cannot see it: the class of "1" is asked for its inputs only when it runs
    graph = {
        "1": node("SandboxSwitch", switch=True, on_true=["2", 0]),
        "2": node("PackValue", value=["3", 0]),
        "3": node("PrimitiveInt", value=1),
        "4": node("PackShow", value=["1", 0]),
    }
    prompt = (await sandbox.run(graph)).status
    assert prompt == "succeeded"
    refused = await sandbox.refused(graph | {"3": node("PackValue", value=["1", 0])})
    assert refused["node_errors"]["1"]["errors"][0]["type"] == "dependency_cycle"


async def test_the_end_comes_once_with_everything_before_it(sandbox, node):
    ids = [await sandbox.queue({"1": node("PackShow", value=n)}) for n in range(20)]
    for prompt_id in ids:
        await sandbox.ended(prompt_id)
    for prompt_id in ids:
        mine = [type(e) for e in sandbox.events if getattr(e, "prompt_id", None) == prompt_id]
        assert mine[0] is RunStarted
        assert mine[-1] is RunEnded
        assert mine.count(RunEnded) == 1
        assert mine.count(NodeStarted) == 1
    order = [e.prompt_id for e in sandbox.events if isinstance(e, RunEnded)]
    assert order == ids


async def test_a_failure_outside_of_nodes_ends_only_that_prompt(sandbox, node, monkeypatch, caplog):
    def explode(*_):
        raise RuntimeError("no graph today")

    with monkeypatch.context() as patched:
        patched.setattr("backplane.sandbox.worker.RunGraph", explode)
        ended = await sandbox.run({"1": node("PackShow", value=1)})
    assert (ended.status, ended.error.message) == ("failed", "no graph today")
    assert "could not run prompt" in caplog.text
    assert (await sandbox.run({"1": node("PackShow", value=2)})).status == "succeeded"
