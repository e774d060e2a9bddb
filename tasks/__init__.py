"""One task from submit to result."""

from __future__ import annotations

from .outputs import Output
from .progress import NodeRun, RunProgress
from .service import Submission, Tasks
from .task import FINISHED, STATUSES, Task, TaskError

__all__ = [
    "FINISHED",
    "STATUSES",
    "NodeRun",
    "Output",
    "RunProgress",
    "Submission",
    "Task",
    "TaskError",
    "Tasks",
]
