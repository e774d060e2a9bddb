"""One task from submit to result."""

from __future__ import annotations

from .engine import AlreadyRememberedError, Query, Remembered, Retention
from .outputs import Output
from .progress import NodeRun, RunProgress
from .runner import Policy
from .service import Tasks
from .submission import Limits, Submission, first_view
from .task import FINISHED, STATUSES, Task, TaskError

__all__ = [
    "FINISHED",
    "STATUSES",
    "AlreadyRememberedError",
    "Limits",
    "NodeRun",
    "Output",
    "Policy",
    "Query",
    "Remembered",
    "Retention",
    "RunProgress",
    "Submission",
    "Task",
    "TaskError",
    "Tasks",
    "first_view",
]
