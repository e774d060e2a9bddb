import pytest
from backplane.host.protocol import (
    NodeFinished,
    NodeProgressed,
    NodesCached,
    NodeStarted,
    RunEnded,
    RunError,
)
from backplane.tasks.progress import CHILDREN_KEPT, RunProgress
from hypothesis import given
from hypothesis import strategies as st


def chain(length):
    return {
        str(number): {"class_type": "X", "inputs": {"a": [str(number - 1), 0]} if number else {}}
        for number in range(length)
    }


def start(node_id, at=1.0, parent=None):
    return NodeStarted("p", at, node_id, parent or node_id, parent, "X")


def finish(node_id, at=2.0):
    return NodeFinished("p", at, node_id, node_id)


def step(node_id, value, most):
    return NodeProgressed("p", 1.5, node_id, value, most)


def end(status, node_id=None):
    error = RunError("no", node_id) if node_id else None
    return RunEnded("p", 9.0, status, error=error)


def states(progress):
    return {node_id: node.state for node_id, node in progress.nodes.items()}


def test_only_what_the_outputs_reach_counts():
    graph = {**chain(3), "alone": {"class_type": "X", "inputs": {}}}
    progress = RunProgress.of(graph, ["2"])
    assert progress.total == 3
    assert "alone" not in progress.nodes


def test_progress_is_what_is_settled_and_a_part_of_what_runs():
    progress = RunProgress.of(chain(4), ["3"])
    progress.started(start("0"))
    progress.finished(finish("0"))
    progress.started(start("1"))
    progress.progressed(step("1", 5, 20))
    assert progress.fraction == pytest.approx((1 + 0.25) / 4)
    assert list(progress.running) == ["1"]
    assert progress.nodes["0"].duration_s == pytest.approx(1.0)


def test_what_only_cached_nodes_would_need_is_not_waited_for():
    progress = RunProgress.of(chain(5), ["4"])
    progress.cached(NodesCached("p", 1.0, ("2", "elsewhere")))
    assert states(progress) == {
        "0": "skipped", "1": "skipped", "2": "cached", "3": "pending", "4": "pending"
    }  # fmt: skip
    assert progress.settled == 3


def test_a_cached_node_that_the_cache_lost_runs_after_all():
    progress = RunProgress.of(chain(2), ["1"])
    progress.cached(NodesCached("p", 1.0, ("0",)))
    progress.started(start("0"))
    assert progress.nodes["0"].state == "running"
    progress.finished(finish("0"))
    assert progress.nodes["0"].state == "done"
    assert progress.settled == 1


def test_a_finish_without_a_start_came_from_the_cache():
    progress = RunProgress.of(chain(1), ["0"])
    progress.finished(finish("0"))
    assert progress.nodes["0"].state == "cached"


def test_a_lazy_node_may_start_twice():
    progress = RunProgress.of(chain(2), ["1"])
    for event in [start("1", 1.0), start("0", 2.0)]:
        progress.started(event)
    progress.finished(finish("0", 3.0))
    progress.started(start("1", 3.0))
    progress.finished(finish("1", 5.0))
    assert states(progress) == {"0": "done", "1": "done"}
    assert progress.nodes["1"].duration_s == pytest.approx(4.0)


def test_children_are_shown_and_do_not_count():
    progress = RunProgress.of(chain(2), ["1"])
    progress.started(start("0"))
    progress.started(start("0.0.1", parent="0"))
    progress.progressed(step("0.0.1", 1, 2))
    assert progress.total == 2
    assert progress.fraction == 0.0
    assert progress.nodes["0.0.1"].parent == "0"
    progress.finished(finish("0.0.1"))
    assert progress.settled == 0


def test_a_loop_that_makes_nodes_without_end_does_not_fill_the_memory():
    progress = RunProgress.of(chain(1), ["0"])
    for number in range(CHILDREN_KEPT + 50):
        child = f"0.0.{number}"
        progress.started(start(child, parent="0"))
        progress.progressed(step(child, 1, 2))
        progress.finished(finish(child))
    assert len(progress.nodes) == 1 + CHILDREN_KEPT


def test_the_end_of_a_failed_run_names_the_failed_node():
    progress = RunProgress.of({**chain(3), "x": {"class_type": "X", "inputs": {}}}, ["2", "x"])
    progress.started(start("0"))
    progress.finished(finish("0"))
    progress.started(start("1"))
    progress.started(start("x"))
    progress.ended(end("failed", "1"))
    assert states(progress) == {"0": "done", "1": "failed", "2": "skipped", "x": "interrupted"}
    assert progress.running == {}


def test_a_failure_inside_an_expanded_node_is_its_parents_too():
    progress = RunProgress.of(chain(1), ["0"])
    progress.started(start("0"))
    progress.started(start("0.0.1", parent="0"))
    progress.ended(end("failed", "0"))
    assert states(progress) == {"0": "failed", "0.0.1": "failed"}


def test_an_interrupted_run_leaves_no_node_running():
    progress = RunProgress.of(chain(2), ["1"])
    progress.started(start("0"))
    progress.ended(end("interrupted"))
    assert states(progress) == {"0": "interrupted", "1": "skipped"}


EVENTS = st.one_of(
    st.builds(start, st.sampled_from("0123")),
    st.builds(finish, st.sampled_from("0123")),
    st.builds(step, st.sampled_from("0123"), st.floats(-5, 50), st.floats(-5, 50)),
    st.builds(lambda ids: NodesCached("p", 1.0, tuple(ids)), st.lists(st.sampled_from("0123"))),
)


@given(st.lists(EVENTS, max_size=40), st.sampled_from(["succeeded", "failed", "interrupted"]))
def test_whatever_is_reported_progress_never_falls_and_the_count_is_right(events, status):
    progress = RunProgress.of(chain(4), ["3"])
    handlers = {
        NodeStarted: progress.started,
        NodeFinished: progress.finished,
        NodeProgressed: progress.progressed,
        NodesCached: progress.cached,
    }
    shown = [progress.fraction]
    for event in events:
        handlers[type(event)](event)
        shown.append(progress.fraction)
        settled = [state for state in states(progress).values() if state in {"done", "cached", "skipped"}]
        assert progress.settled == len(settled)
        running = [node_id for node_id, state in states(progress).items() if state == "running"]
        assert sorted(progress.running) == sorted(running)
    assert shown == sorted(shown)
    assert all(0 <= value <= 1 for value in shown)
    progress.ended(end(status, "1"))
    assert not {"pending", "running"} & set(states(progress).values())
