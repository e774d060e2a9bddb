from backplane.tasks.engine import QueuedRow
from backplane.tasks.queue import FairQueue
from hypothesis import given
from hypothesis import strategies as st


def row(task_id, seq, client="", priority=0, not_before=0.0):
    return QueuedRow(task_id, seq, client, priority, not_before, 0)


def queue_of(*rows):
    queue = FairQueue()
    for one in rows:
        queue.add(one, now=100.0)
    return queue


def test_first_come_first_run():
    assert queue_of(row("b", 2), row("a", 1), row("c", 3)).first(3) == ["a", "b", "c"]


def test_priority_goes_before_everything():
    queue = queue_of(row("a", 1), row("b", 2, priority=5), row("c", 3, priority=-1))
    assert queue.first(3) == ["b", "a", "c"]


def test_clients_take_turns_however_much_one_of_them_queues():
    many = [row(f"a{n}", n, "alice") for n in range(5)]
    queue = queue_of(*many, row("b", 10, "bob"), row("c", 11, "carol"))
    assert queue.first(7) == ["a0", "b", "c", "a1", "a2", "a3", "a4"]


def test_a_client_that_had_its_turn_goes_to_the_end():
    queue = queue_of(row("a1", 1, "alice"), row("a2", 2, "alice"), row("b1", 3, "bob"))
    queue.taken("a1")
    assert queue.first(2) == ["b1", "a2"]


def test_a_task_that_may_not_run_yet_waits_outside():
    queue = queue_of(row("a", 1, not_before=200.0), row("b", 2))
    assert queue.first(5) == ["b"]
    assert queue.position("a") is None
    assert queue.next_due() == 200.0
    queue.due(200.0)
    assert queue.first(5) == ["a", "b"]
    assert queue.next_due() is None


def test_a_waiting_task_that_was_removed_never_comes():
    queue = queue_of(row("a", 1, not_before=200.0))
    assert queue.remove("a")
    queue.due(300.0)
    assert (queue.first(1), len(queue), queue.next_due()) == ([], 0, None)


def test_a_priority_can_change():
    queue = queue_of(row("a", 1), row("b", 2))
    queue.prioritise("b", 9, now=100.0)
    assert queue.first(2) == ["b", "a"]


ROWS = st.lists(st.tuples(st.sampled_from("xyz"), st.integers(-1, 1)), min_size=1, max_size=25).map(
    lambda made: [row(f"t{n}", n, client, priority) for n, (client, priority) in enumerate(made)]
)


@given(ROWS, st.data())
def test_places_are_those_of_the_order(rows, data):
    queue = queue_of(*rows)
    for _ in range(data.draw(st.integers(0, 5))):
        ids = queue.first(100)
        if not ids:
            break
        gone = data.draw(st.sampled_from(ids))
        queue.taken(gone) if data.draw(st.booleans()) else queue.remove(gone)
    order = queue.first(100)
    assert len(order) == len(queue)
    assert [queue.position(task_id) for task_id in order] == list(range(1, len(order) + 1))
