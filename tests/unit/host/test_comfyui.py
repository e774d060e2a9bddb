"""The door to ComfyUI, tried on a stand-in; tests/contract tries it on the real thing."""

import asyncio
import importlib
import sys
import uuid

import pytest
from backplane.errors import Unavailable
from backplane.host.protocol import NewPrompt, NodeOutput, PromptRejected, RunEnded
from fake_comfyui import FakeComfyUI

GRAPH = {"1": {"class_type": "Node", "inputs": {}}, "2": {"class_type": "Node", "inputs": {}}}


@pytest.fixture
async def comfyui(tmp_path, monkeypatch):
    made = FakeComfyUI(tmp_path)
    made.install(monkeypatch)
    return made


@pytest.fixture
async def door(comfyui):
    return importlib.import_module("backplane.host.comfyui")


@pytest.fixture
async def host(door, comfyui):
    made = door.ComfyUI(comfyui.server)
    made.watch_runs(hooks=True, poll_interval_s=1000)
    return made


@pytest.fixture
async def seen(host):
    events = []
    host.subscribe(events.append)
    return events


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def kinds(events, prompt_id):
    return [type(event).__name__ for event in events if getattr(event, "prompt_id", None) == prompt_id]


def new_prompt(**changes):
    fields = {"prompt_id": str(uuid.uuid4()), "graph": {**GRAPH}, "client_id": "me", **changes}
    return NewPrompt(**fields)


async def test_a_prompt_goes_through_comfyuis_own_handler(host, comfyui):
    prompt = new_prompt(targets=("1",), extra_data={"x": 1})

    assert await host.submit(prompt) == {}

    [body] = comfyui.server.bodies
    assert body["prompt_id"] == prompt.prompt_id
    assert (body["client_id"], body["partial_execution_targets"]) == ("me", ["1"])
    assert [queued.prompt_id for queued in host.queue().pending] == [prompt.prompt_id]
    assert host.queue().pending[0].targets == ("1",)


async def test_what_comfyui_refuses_is_told_with_its_reasons(host, comfyui):
    comfyui.server.refuse = {"error": {"type": "prompt_no_outputs"}, "node_errors": {"1": {"errors": []}}}

    with pytest.raises(PromptRejected) as refused:
        await host.submit(new_prompt())

    assert refused.value.error["type"] == "prompt_no_outputs"
    assert list(refused.value.node_errors) == ["1"]


async def test_a_run_is_reported_from_start_to_end(host, seen, comfyui):
    prompt = new_prompt()
    await host.submit(prompt)
    for _ in comfyui.run_next():
        pass
    await settle()

    assert kinds(seen, prompt.prompt_id) == [
        "RunStarted",
        "NodesCached",
        *["NodeStarted", "NodeProgressed", "NodeFinished"] * 2,
        "RunEnded",
    ]
    assert seen[0].prompt.graph == GRAPH
    [end] = [event for event in seen if isinstance(event, RunEnded)]
    assert (end.status, end.outputs) == ("succeeded", {"1": {"text": ["x"]}})


async def test_an_output_is_reported_while_the_run_goes_on(host, seen, comfyui):
    prompt = new_prompt()
    await host.submit(prompt)
    run = comfyui.run_next()
    next(run)
    next(run)
    message = {"node": "1", "display_node": "1", "output": {"text": ["x"]}, "prompt_id": prompt.prompt_id}
    comfyui.server.send_sync("executed", message, "me")
    await settle()

    assert any(isinstance(event, NodeOutput) for event in seen)
    assert comfyui.server.sent[-1] == ("executed", message, "me")


async def test_a_cancel_between_taking_and_starting_is_asserted_again(host, seen, comfyui):
    prompt = new_prompt()
    await host.submit(prompt)
    run = comfyui.run_next()
    assert next(run) == "taken"

    assert host.cancel(prompt.prompt_id) == "interrupting"
    for _ in run:
        pass
    await settle()

    [end] = [event for event in seen if isinstance(event, RunEnded)]
    assert end.status == "interrupted"


async def test_a_cancelled_prompt_does_not_interrupt_the_next(host, comfyui, seen):
    first, second = new_prompt(), new_prompt()
    await host.submit(first)
    await host.submit(second)
    run = comfyui.run_next()
    next(run)
    host.cancel(first.prompt_id)
    for _ in run:
        pass
    await settle()
    for _ in comfyui.run_next():
        pass
    await settle()

    ends = {event.prompt_id: event.status for event in seen if isinstance(event, RunEnded)}
    assert ends == {first.prompt_id: "interrupted", second.prompt_id: "succeeded"}


async def test_a_pending_prompt_is_removed_and_an_unknown_one_absent(host, seen, comfyui):
    prompt = new_prompt()
    await host.submit(prompt)
    await settle()

    assert host.cancel(prompt.prompt_id) == "removed"
    assert host.cancel(prompt.prompt_id) == "absent"
    await settle()

    assert comfyui.interrupts == []
    assert seen[-2].status == "removed"


async def test_hooks_pass_everything_on_to_what_they_wrap(host, comfyui):
    comfyui.server.queue_updated()
    comfyui.server.send_sync("status", {"a": 1})
    executor = comfyui.executor()
    executor.add_message("execution_start", None, True)

    assert comfyui.server.updates == 1
    assert comfyui.server.sent == [("status", {"a": 1}, None)]
    assert executor.messages == [("execution_start", None)]


async def test_a_registry_of_no_prompt_is_left_alone(host, comfyui):
    assert comfyui.registry("", {}).handlers == {}
    assert list(comfyui.registry("p", {}).handlers) == ["backplane"]


async def test_a_registry_that_changed_its_parameters_still_works(door, comfyui):
    class Changed(sys.modules["comfy_execution.progress"].ProgressRegistry):
        def __init__(self, prompt_id, dynprompt, workflow_id=None):
            super().__init__(prompt_id, dynprompt)
            self.workflow_id = workflow_id

    sys.modules["comfy_execution.progress"].ProgressRegistry = Changed
    host = door.ComfyUI(comfyui.server)
    host.watch_runs(hooks=True, poll_interval_s=1000)

    made = Changed("p", None, workflow_id="w")

    assert made.workflow_id == "w"
    assert list(made.handlers) == ["backplane"]


@pytest.mark.parametrize(
    ("module", "name", "hook"),
    [
        ("comfy_execution.progress", "ProgressRegistry", "progress"),
        ("execution", "PromptExecutor", "messages"),
    ],
)
async def test_a_hook_that_is_gone_is_told_and_polled_for(door, comfyui, module, name, hook, caplog):
    delattr(sys.modules[module], name)
    host = door.ComfyUI(comfyui.server)

    host.watch_runs(hooks=True, poll_interval_s=0.001)

    checks = {check.name: check for check in host.checks()}
    assert "polling" in checks[f"hook_{hook}"].detail
    assert all(check.ok for check in checks.values())
    assert "polls instead" in caplog.text


async def test_a_run_is_followed_to_its_end_by_polling_alone(door, comfyui):
    del sys.modules["execution"].PromptExecutor
    progress = sys.modules["comfy_execution.progress"]
    del progress.ProgressRegistry
    host = door.ComfyUI(comfyui.server)
    host.watch_runs(hooks=True, poll_interval_s=0.001)
    seen = []
    host.subscribe(seen.append)
    host.start()
    prompt = new_prompt()
    await host.submit(prompt)
    queue = comfyui.server.prompt_queue
    queue.get()
    progress.get_progress_state = lambda: ProgressOf(prompt.prompt_id)
    while "NodeProgressed" not in kinds(seen, prompt.prompt_id):
        await asyncio.sleep(0.001)
    queue.task_done({"2": {"text": ["x"]}}, "success", [("execution_success", {})])
    while not any(isinstance(event, RunEnded) for event in seen):
        await asyncio.sleep(0.001)
    host.stop()

    assert kinds(seen, prompt.prompt_id)[:3] == ["RunStarted", "NodeStarted", "NodeProgressed"]


class ProgressOf:
    """The registry as it is read when it cannot be hooked: one node, each look a step further."""

    value = 0

    def __init__(self, prompt_id):
        self.prompt_id = prompt_id
        ProgressOf.value += 1
        state = type("State", (), {"value": "running"})
        self.nodes = {"1": {"state": state, "value": ProgressOf.value, "max": 10**9}}
        self.dynprompt = type("Nodes", (), {"get_display_node_id": staticmethod(str)})


async def test_a_dead_worker_is_told_and_nothing_is_queued_for_it(host, comfyui, monkeypatch):
    worker = type("Thread", (), {"name": "Thread-4 (prompt_worker)"})()
    monkeypatch.setattr("threading.enumerate", lambda: [worker])
    assert all(check.ok for check in host.checks())
    monkeypatch.setattr("threading.enumerate", list)

    [check] = [check for check in host.checks() if check.name == "prompt_worker"]
    assert not check.ok
    with pytest.raises(Unavailable) as refused:
        await host.submit(new_prompt())
    assert refused.value.code == "HOST_UNAVAILABLE"
    assert comfyui.server.bodies == []


async def test_a_new_file_changes_the_stamp_of_its_folder(host, tmp_path):
    before = host.file_list_stamps()
    (tmp_path / "models" / "new.safetensors").write_bytes(b"")
    after = host.file_list_stamps()

    assert before["checkpoints"] != after["checkpoints"]
    assert "new.safetensors" in host.model_files("checkpoints")


async def test_files_outside_the_folder_are_not_found(host, tmp_path):
    (tmp_path / "output" / "a.png").write_bytes(b"1")
    (tmp_path / "secret.txt").write_bytes(b"1")

    assert host.output_file("a.png", "", "output") is not None
    for filename, subfolder, kind in [
        ("secret.txt", "..", "output"),
        ("../secret.txt", "", "output"),
        (str(tmp_path / "secret.txt"), "", "output"),
        ("a.png", "", "elsewhere"),
        ("a\0.png", "", "output"),
    ]:
        assert host.output_file(filename, subfolder, kind) is None


async def test_installing_mounts_the_routes_and_starts_with_the_server(door, comfyui):
    door.install()

    paths = {route.path for route in comfyui.server.routes}
    assert {"/ext", "/ext/tasks", "/ext/catalog"} <= paths
    assert len(comfyui.server.app.on_startup) >= 1


async def test_a_second_copy_does_not_install_itself_again(door, comfyui, caplog):
    door.install()
    count = len(comfyui.server.routes)

    door.install()

    assert len(comfyui.server.routes) == count
    assert "loaded twice" in caplog.text


async def test_wrong_settings_leave_comfyui_alone(door, comfyui, monkeypatch, caplog):
    monkeypatch.setenv("BACKPLANE_POLL_INTERVAL_S", "soon")
    count = len(comfyui.server.routes)

    door.install()

    assert len(comfyui.server.routes) == count
    assert "BACKPLANE_POLL_INTERVAL_S" in caplog.text


async def test_a_comfyui_that_fits_in_no_way_is_left_alone(door, comfyui, caplog):
    comfyui.server.routes = __import__("aiohttp").web.RouteTableDef()

    door.install()

    assert "ComfyUI goes on without it" in caplog.text
