"""Which failures are worth another attempt, and when. Pure.

=================  ======================================  ===============================
class              examples                                what is done
=================  ======================================  ===============================
out of memory      torch.OutOfMemoryError                  models freed, one more attempt
transient          a connection, a time-out, a locked file  another attempt after a pause
anything else      a node's own bug, a wrong value         none: it would fail again
=================  ======================================  ===============================
"""

from __future__ import annotations

from ..host.protocol import RunError
from .task import TaskError

TRANSIENT_NAMES = frozenset(
    {
        "BlockingIOError",
        "BrokenPipeError",
        "ChunkedEncodingError",
        "ClientConnectorError",
        "ClientOSError",
        "ConnectTimeout",
        "ConnectionAbortedError",
        "ConnectionError",
        "ConnectionRefusedError",
        "ConnectionResetError",
        "IncompleteRead",
        "ProtocolError",
        "ReadTimeout",
        "ReadTimeoutError",
        "RemoteDisconnected",
        "ServerDisconnectedError",
        "Timeout",
        "TimeoutError",
        "gaierror",
    }
)
"""Exception names (without module) of faults that pass by themselves."""

TRANSIENT_WORDS = (
    "being used by another process",  # Windows: a file lock
    "database is locked",
    "resource temporarily unavailable",
    "temporary failure in name resolution",
    "connection reset by peer",
    "timed out",
)

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 120.0


def error_of(fault: RunError | None, *, lost: bool = False) -> TaskError:
    """Say why a run failed, in the words of the API."""
    if fault is None or lost:
        message = "The run ended without a result." if fault is None else fault.message
        return TaskError("TASK_LOST", message, retryable=True)
    memory = is_out_of_memory(fault)
    return TaskError(
        "OUT_OF_MEMORY" if memory else "NODE_FAILED",
        fault.message or "The node gave no message.",
        fault.node_id,
        fault.class_type,
        fault.exception_type,
        retryable=memory or is_transient(fault),
    )


def is_out_of_memory(fault: RunError) -> bool:
    """Whether the GPU's memory was too small for what it had to hold."""
    name = (fault.exception_type or "").rpartition(".")[2]
    return name in {"OutOfMemoryError", "OOM_EXCEPTION"} or "out of memory" in fault.message.lower()


def is_transient(fault: RunError) -> bool:
    """Whether the same may well succeed a little later."""
    name = (fault.exception_type or "").rpartition(".")[2]
    message = fault.message.lower()
    return name in TRANSIENT_NAMES or any(words in message for words in TRANSIENT_WORDS)


def pause_s(error: TaskError, attempt: int, *, memory_failures: int) -> float | None:
    """Give the seconds until another attempt, or None if there shall be none.

    *attempt* counts from 1 and is the one that failed; *memory_failures* are those before it.
    """
    if not error.retryable:
        return None
    if error.code == "OUT_OF_MEMORY":
        return 0.0 if memory_failures == 0 else None
    return min(FIRST_PAUSE_S * 2 ** (attempt - 1), LONGEST_PAUSE_S)
