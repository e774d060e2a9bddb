import pytest
from backplane.host.history import history_entry
from backplane.host.protocol import NodeFinished, NodeProgressed, NodeStarted
from backplane.host.reports import Reporter
from backplane.host.v1 import node_info_v1


class FakeNodes:
    """The executor's DynamicPrompt, as far as a report needs it."""

    def get_display_node_id(self, node_id):
        return node_id.partition(".")[0]

    def get_parent_node_id(self, node_id):
        return node_id.partition(".")[0] if "." in node_id else None

    def get_node(self, node_id):
        return {"class_type": "KSampler", "inputs": {}}


class Broken:
    def __getattr__(self, name):
        raise RuntimeError("a future ComfyUI")


def reporter(nodes=None, cancelled=()):
    reports, interrupts = [], []
    made = Reporter(nodes or FakeNodes(), reports.append, set(cancelled), lambda: interrupts.append(1))
    return made, reports, interrupts


def test_a_node_is_reported_with_its_place_in_the_workflow():
    made, reports, interrupts = reporter()

    made.start_handler("2.0.1", {}, "p")
    made.update_handler("2.0.1", 3, 20, {}, "p")
    made.finish_handler("2.0.1", {}, "p")

    started, step, finished = reports
    assert isinstance(started, NodeStarted)
    assert (started.display_id, started.parent_id, started.class_type) == ("2", "2", "KSampler")
    assert isinstance(step, NodeProgressed)
    assert (step.value, step.max, step.preview) == (3.0, 20.0, None)
    assert isinstance(finished, NodeFinished)
    assert not interrupts


def test_a_cancelled_prompt_is_interrupted_at_every_node_and_step():
    made, _, interrupts = reporter(cancelled=["p"])

    made.start_handler("1", {}, "p")
    made.update_handler("1", 1, 20, {}, "p")
    made.start_handler("1", {}, "another")

    assert len(interrupts) == 2


def test_a_frame_is_passed_on_as_it_is_and_never_held_back():
    made, reports, _ = reporter()
    image = object()

    for value in (1, 2, 3):
        made.update_handler("1", value, 20, {}, "p", ("JPEG", image, 512))

    assert [report.preview.image for report in reports] == [image] * 3
    assert (reports[0].preview.format, reports[0].preview.max_size) == ("JPEG", 512)


def test_progress_of_no_node_is_passed_over():
    made, reports, _ = reporter()
    made.update_handler(None, 1, 20, {}, "p")
    assert reports == []


def test_nothing_is_raised_into_the_worker_whatever_happens():
    made, reports, _ = reporter(nodes=Broken())
    made.start_handler("1", {}, "p")
    made.finish_handler("1", {}, "p")
    made.update_handler("1", "x", None, {}, "p", image=7)
    made.reset()
    assert reports == []


def entry(messages, status="success"):
    return history_entry(
        {
            "prompt": (1, "p", {"1": {}}, {"client_id": "c"}, ["1"]),
            "outputs": {"2.0.1": {"text": ["x"]}},
            "meta": {"2.0.1": {"display_node": "2"}},
            "status": {"status_str": status, "messages": messages},
        }
    )


def test_the_messages_of_a_history_entry_are_believed_before_its_status():
    error = {"node_id": "4", "node_type": "X", "exception_message": " no \n", "exception_type": "E"}

    read = entry([("execution_cached", {"nodes": ["1"]}), ("execution_error", error)])

    assert read.status == "failed"
    assert read.error.message == "no"
    assert read.error.node_id == "4"
    assert read.cached == ("1",)
    assert read.display_ids == {"2.0.1": "2"}
    assert read.prompt.client_id == "c"


@pytest.mark.parametrize(
    ("message", "status"),
    [("execution_success", "succeeded"), ("execution_interrupted", "interrupted")],
)
def test_how_a_run_ended_is_read_from_its_messages(message, status):
    assert entry([(message, {})], status="error").status == status


def test_a_history_entry_of_an_older_comfyui_is_read_too():
    read = history_entry({"prompt": (1, "p", {}, None, []), "outputs": {}, "status": None})
    assert (read.status, read.prompt.client_id) == ("failed", None)


def test_a_v1_class_is_described_with_what_it_says_and_defaults_for_the_rest():
    class Node:
        RETURN_TYPES = ("IMAGE",)
        CATEGORY = "image"

        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {"a": ("INT",)}, "hidden": {"prompt": "PROMPT"}}

    info = node_info_v1("Node", Node, "A node")

    assert info["input_order"] == {"required": ["a"], "hidden": ["prompt"]}
    assert info["output_name"] == ("IMAGE",)
    assert info["output_is_list"] == [False]
    assert (info["display_name"], info["output_node"], info["python_module"]) == ("A node", False, "nodes")
