"""Sessions on one file with a clock that is set by hand: what their tests share."""

from contextlib import asynccontextmanager

import pytest
from backplane.errors import ApiError, NotFound
from backplane.sessions import Bounds, Description, Sessions
from backplane.sessions.work import unpack
from patching import SPECS, text_to_image
from stores import NOW, Ticks


class Classes:
    """The catalogue, as far as sessions need it."""

    async def specs(self, *, fresh):
        return SPECS

    def learn(self, graph):
        raise AssertionError


class FakeTasks:
    """Tasks by id: their status and their workflow."""

    def __init__(self):
        self.statuses = {}
        self.workflows = {}
        self.asked = []

    async def status(self, task_id):
        self.asked.append(task_id)
        return self.statuses.get(task_id)

    async def workflow(self, task_id):
        if task_id not in self.workflows:
            raise NotFound("TASK_NOT_FOUND", f"There is no task {task_id}.")
        return self.workflows[task_id]


class Rig:
    """Sessions of several processes, as it were, that share one file."""

    def __init__(self, folder):
        self.path = folder / "sessions.sqlite3"
        self.clock = Ticks(NOW)
        self.tasks = FakeTasks()
        self.told = []
        self.open = []

    def sessions(self, **options):
        bounds = Bounds(**{"age_s": 86_400.0, **options.pop("bounds", {})})
        made = Sessions(
            self.path,
            Classes(),
            self.tasks,
            bounds=bounds,
            tell=lambda name, data: self.told.append((name, data)),
            clock=self.clock,
            **options,
        )
        self.open.append(made)
        return made

    async def close(self):
        for each in self.open:
            await each.stop()
        self.open.clear()


@asynccontextmanager
async def rigged(folder):
    rig = Rig(folder)
    try:
        yield rig
    finally:
        await rig.close()


async def made(sessions, workflow=None, **about):
    """Keep a session; give its id."""
    origin = await sessions.from_workflow(text_to_image() if workflow is None else workflow)
    given = frozenset(about)
    return (await sessions.create(origin, Description(**about, given=given))).session.id


def steps(value):
    return [{"op": "set_param", "node_id": "5", "param": "steps", "value": value}]


CUT = [{"op": "disconnect", "target_node_id": "5", "input": "latent"}]
"""Leaves the workflow invalid."""


async def state(sessions, session_id, version=None):
    """The session, and the workflow of the head or a version."""
    session, _, body = await sessions.get(session_id, version)
    return session, unpack(body)


async def refused(code, doing):
    with pytest.raises(ApiError) as error:
        await doing
    assert error.value.code == code
    return error.value
