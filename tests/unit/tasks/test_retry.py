import pytest
from backplane.host.protocol import RunError
from backplane.tasks.retry import LONGEST_PAUSE_S, error_of, pause_s


def fault(exception_type, message="x"):
    return RunError(message, "1", "Node", exception_type)


@pytest.mark.parametrize(
    ("exception_type", "message"),
    [
        ("torch.OutOfMemoryError", "x"),
        ("torch.cuda.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2 GiB"),
        ("RuntimeError", "HIP out of memory"),
    ],
)
def test_out_of_memory_is_tried_once_more_at_once(exception_type, message):
    error = error_of(fault(exception_type, message))
    assert (error.code, error.retryable) == ("OUT_OF_MEMORY", True)
    assert pause_s(error, 1, memory_failures=0) == 0.0
    assert pause_s(error, 2, memory_failures=1) is None


@pytest.mark.parametrize(
    ("exception_type", "message"),
    [
        ("ConnectionResetError", "x"),
        ("requests.exceptions.ReadTimeout", "x"),
        ("TimeoutError", ""),
        ("PermissionError", "The file is being used by another process"),
        ("sqlite3.OperationalError", "database is locked"),
    ],
)
def test_what_passes_by_itself_is_tried_again_after_growing_pauses(exception_type, message):
    error = error_of(fault(exception_type, message))
    assert (error.code, error.retryable) == ("NODE_FAILED", True)
    pauses = [pause_s(error, attempt, memory_failures=0) for attempt in range(1, 12)]
    assert pauses[:3] == [2.0, 4.0, 8.0]
    assert pauses[-1] == LONGEST_PAUSE_S


@pytest.mark.parametrize("exception_type", ["ValueError", "KeyError", "AssertionError", None])
def test_a_nodes_own_bug_is_not_tried_again(exception_type):
    error = error_of(fault(exception_type))
    assert (error.code, error.retryable) == ("NODE_FAILED", False)
    assert pause_s(error, 1, memory_failures=0) is None


def test_a_run_that_was_lost_may_be_tried_again():
    assert error_of(None).code == "TASK_LOST"
    assert error_of(RunError("gone"), lost=True).retryable
