"""Undo, redo and rollback through random sequences of calls, beside a simple model of them."""

import asyncio
import tempfile
from pathlib import Path

from backplane.errors import ApiError
from backplane.sessions import Expected
from backplane.validation import judge
from holding import CUT, Rig, made, state, steps
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from patching import SPECS, text_to_image

small = st.integers(min_value=1, max_value=4)


class Model(RuleBasedStateMachine):
    """Versions as a tree, a head, and of each version where undo came from."""

    @initialize()
    def begin(self):
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.rig = Rig(Path(self.folder.name))
        self.clients = [self.rig.sessions(), self.rig.sessions()]
        self.turn = 0
        self.id = self.do(made(self.clients[0]))
        self.graphs = {1: text_to_image()}
        self.base = {1: None}
        self.forth = {}
        self.head, self.rev = 1, 1

    def do(self, doing):
        return self.loop.run_until_complete(doing)

    def refusal(self, doing):
        try:
            self.do(doing)
        except ApiError as error:
            return error
        return None

    @property
    def sessions(self):
        self.turn += 1
        return self.clients[self.turn % 2]

    def made(self, graph):
        number = len(self.graphs) + 1
        self.graphs[number], self.base[number] = graph, self.head
        self.head, self.rev = number, self.rev + 1

    @rule(value=st.integers(min_value=20, max_value=23))
    def patch(self, value):
        edited = self.do(self.sessions.patch(self.id, steps(value)))
        old = self.graphs[self.head]
        new = {**old, "5": {**old["5"], "inputs": {**old["5"]["inputs"], "steps": value}}}
        if new != old:
            self.made(new)
        assert edited.session.version == self.head

    @rule()
    def cut(self):
        old = self.graphs[self.head]
        if "latent" in old["5"]["inputs"]:
            self.do(self.sessions.patch(self.id, CUT))
            inputs = {name: value for name, value in old["5"]["inputs"].items() if name != "latent"}
            self.made({**old, "5": {**old["5"], "inputs": inputs}})

    @rule(count=small)
    def undo(self, count):
        path = [self.head]
        while len(path) <= count and self.base[path[-1]] is not None:
            path.append(self.base[path[-1]])
        self.move(path, count, back=True)

    @rule(count=small)
    def redo(self, count):
        path = [self.head]
        while len(path) <= count and path[-1] in self.forth:
            path.append(self.forth[path[-1]])
        self.move(path, count, back=False)

    def move(self, path, count, *, back):
        refusal = self.refusal(self.sessions.step(self.id, count, back=back))
        if len(path) <= count:
            assert refusal.code == ("NOTHING_TO_UNDO" if back else "NOTHING_TO_REDO")
            assert refusal.details == {"available": len(path) - 1}
            return
        assert refusal is None
        if back:
            self.forth |= dict(zip(path[1:], path, strict=False))
        self.head, self.rev = path[-1], self.rev + 1

    @rule(data=st.data())
    def rollback(self, data):
        number = data.draw(st.sampled_from(sorted(self.graphs)))
        edited = self.do(self.sessions.rollback(self.id, number))
        if self.graphs[number] != self.graphs[self.head]:
            self.made(self.graphs[number])
        assert edited.session.version == self.head

    @rule(data=st.data())
    def too_late(self, data):
        version, rev = data.draw(st.sampled_from(sorted(self.graphs))), data.draw(st.integers(1, self.rev))
        refusal = self.refusal(self.sessions.patch(self.id, [], expected=[Expected(version, rev)]))
        if (version, rev) == (self.head, self.rev):
            assert refusal is None
            return
        assert refusal.code == "SESSION_CHANGED"
        assert (refusal.details["changes"] == []) == (self.graphs[version] == self.graphs[self.head])

    @invariant()
    def both_see_the_same_as_the_model(self):
        if not hasattr(self, "loop"):
            return
        for client in self.clients:
            session, graph = self.do(state(client, self.id))
            assert graph == self.graphs[self.head]
            assert (session.version, session.latest, session.rev) == (self.head, len(self.graphs), self.rev)
            assert (session.base, session.following) == (self.base[self.head], self.forth.get(self.head))
            assert session.valid == self.valid(self.head)
            assert session.last_valid == self.last_valid()

    def valid(self, number):
        return judge(self.graphs[number], SPECS).valid

    def last_valid(self):
        at = self.head
        while at is not None and not self.valid(at):
            at = self.base[at]
        return max(filter(self.valid, self.graphs)) if at is None else at

    def teardown(self):
        if not hasattr(self, "loop"):
            return
        for number, graph in self.graphs.items():
            assert self.do(state(self.clients[0], self.id, number))[1] == graph
        self.do(self.rig.close())
        self.do(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
