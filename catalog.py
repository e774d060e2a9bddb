"""The node classes of the host as a catalogue: ready bytes, specs, search, and what connects to what.

:class:`Catalog` reads the host's node definitions, keeps each parsed node and its JSON, and at every request
looks whether a class or a file list has changed since; only what changed is read again. How definitions are
read, searched and ranked stands in ``nodespec/``.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import threading
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from .breath import Breath, full_collections_put_off
from .errors import JSON, InvalidRequest, NotFound, close_matches
from .host.protocol import NodeSource
from .nodespec.encode import FIELDS, encoded, to_json
from .nodespec.pairs import PairCounts
from .nodespec.parse import parse, said
from .nodespec.search import Words, in_category, search
from .nodespec.suggest import PortIndex, following, input_end, output_end, preceding
from .nodespec.values import NodeSpec

__all__ = ["Catalog", "NodeSpec", "PairCounts", "Snapshot"]

log = logging.getLogger("backplane")

"""After so much work a thread that builds sleeps for so long, and the event loop gets the interpreter."""
_ABSENT: Hashable = object()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The catalogue at one moment. Equal content has an equal *revision*."""

    revision: str
    specs: Mapping[str, NodeSpec]
    """By class_type, in the host's order."""
    encoded: Mapping[str, bytes]
    """Each node as JSON."""
    identity: bytes
    """``{"revision": …, "nodes": […]}`` in UTF-8."""
    gzip: bytes
    """*identity*, compressed."""
    etag: str
    """Strong ETag of *identity*, quotes included: what it is a hash of decides every byte of it."""


@dataclass(frozen=True, slots=True)
class _Node:
    """One class as it was last read. *reads* are the file lists it depends on, None if unknown."""

    token: Hashable
    reads: frozenset[str] | None
    spec: NodeSpec | None
    body: bytes
    fault: str | None = None

    @property
    def content(self) -> Hashable:
        """All that a reader can tell two of them apart by; *body* does not show the class's own checks."""
        return None if self.spec is None else (self.body, self.spec.own_checks)

    def stands(self, token: Hashable, changed: set[str]) -> bool:
        """Say whether it need not be read again."""
        if self.token != token:
            return False
        return not changed or (self.reads is not None and self.reads.isdisjoint(changed))


@dataclass(frozen=True, slots=True)
class _Indexes:
    """What searching and suggesting look things up in, made of one snapshot."""

    snapshot: Snapshot
    ports: PortIndex
    words: Sequence[Words]


class Catalog:
    """The catalogue of *source*; *pairs* ranks suggestions.

    On the event loop: the coroutines, :attr:`snapshot`, :meth:`spec`, :meth:`node`, :meth:`learn`. The other
    methods may take some milliseconds, and :meth:`refresh` as long as the packs need: call those in a thread.
    """

    def __init__(self, source: NodeSource, pairs: PairCounts | None = None) -> None:
        self.pairs = PairCounts() if pairs is None else pairs
        self._source = source
        self._nodes: Mapping[str, _Node] = {}
        self._seen: list[tuple[str, Hashable]] = []
        self._stamps: Mapping[str, Hashable] = {}
        self._snapshot: Snapshot | None = None
        self._indexes: _Indexes | None = None
        self._building = threading.Lock()
        self._turn = asyncio.Lock()
        self._next_check: asyncio.Task[Snapshot] | None = None

    @property
    def snapshot(self) -> Snapshot | None:
        """The last snapshot, possibly stale; None before the first :meth:`ready`."""
        return self._snapshot

    def spec(self, class_type: str) -> NodeSpec | None:
        """Give a node of the last snapshot, or None."""
        return None if self._snapshot is None else self._snapshot.specs.get(class_type)

    async def ready(self) -> Snapshot:
        """Give the catalogue as it is now, building what is missing in a thread.

        Callers share one look at the host, unless it began before they asked: what was true when this was
        called is in the answer.
        """
        check = self._next_check
        if check is None:
            check = self._next_check = asyncio.get_running_loop().create_task(self._check())
            check.add_done_callback(self._checked)
        return await asyncio.shield(check)  # a client that leaves must not take it from the others

    async def specs(self, *, fresh: bool = True) -> Mapping[str, NodeSpec]:
        """Give all nodes by class_type: as :meth:`ready` does if *fresh*, else as last read."""
        snapshot = None if fresh else self._snapshot
        return (snapshot or await self.ready()).specs

    def learn(self, graph: Mapping[str, JSON]) -> None:
        """Count what a workflow that ran to its end connects, for :meth:`next` and :meth:`previous`."""
        self.pairs.learn(graph)

    async def close(self) -> None:
        """Save what was learned."""
        await self.pairs.close()

    async def _check(self) -> Snapshot:
        async with self._turn:
            self._next_check = None  # who asks from here on needs another look
            return await asyncio.to_thread(self.refresh)

    def _checked(self, check: asyncio.Task[Snapshot]) -> None:
        if self._next_check is check:  # cancelled before its turn
            self._next_check = None
        if not check.cancelled():
            check.exception()  # all who waited may have left: it counts as seen

    def refresh(self) -> Snapshot:
        """Look what changed, read that again, and give the catalogue. Blocks; for threads."""
        with self._building:
            tokens = self._tokens()
            # before the nodes are read: a file that comes meanwhile is then seen as a change next time
            stamps = dict(self._source.file_list_stamps())
            if self._snapshot is None or tokens != self._seen or stamps != self._stamps:
                with full_collections_put_off():
                    self._snapshot = self._rebuilt(tokens, _changed(self._stamps, stamps))
                self._seen, self._stamps = tokens, stamps
            return self._snapshot

    def _tokens(self) -> list[tuple[str, Hashable]]:
        token_of = self._source.class_token
        names = self._source.class_types()
        try:
            return [(name, token_of(name)) for name in names]
        except KeyError:  # one was unloaded since
            found: list[tuple[str, Hashable]] = []
            for name in names:
                with suppress(KeyError):
                    found.append((name, token_of(name)))
            return found

    def _rebuilt(self, tokens: Sequence[tuple[str, Hashable]], changed: set[str]) -> Snapshot:
        breath = Breath()
        nodes: dict[str, _Node] = {}
        for name, token in tokens:
            known = self._nodes.get(name)
            if known is not None and known.stands(token, changed):
                nodes[name] = known
            else:
                nodes[name] = self._read(name, token, known, breath)
        same = self._snapshot is not None and _contents(nodes) == _contents(self._nodes)
        self._nodes = nodes
        return self._snapshot if self._snapshot is not None and same else _assembled(nodes)

    def _read(self, name: str, token: Hashable, known: _Node | None, breath: Breath) -> _Node:
        reads: frozenset[str] | None = None
        try:
            info = self._source.node_info(name)
            breath.take()
            reads = self._source.file_lists(name)
            breath.take()
            spec = parse(info, folders=self._source.param_folders(name), name=name)
            breath.take()
            body = encoded(to_json(spec))
        except (Exception, SystemExit) as error:  # a pack's code: its faults cost its own node
            fault = said(error)
            if known is None or known.fault != fault:
                log.warning("Node class %r is left out of the catalogue: %s", name, fault)
            return _Node(token, reads, None, b"", fault)
        made = _Node(token, reads, spec, body)
        if known is not None and known.content == made.content:
            return replace(known, token=token, reads=reads)
        return made

    def node(self, class_type: str) -> NodeSpec:
        """Give a node of the last snapshot. Raises NotFound NODE_CLASS_NOT_FOUND with close matches."""
        spec = self.spec(class_type)
        if spec is not None:
            return spec
        known = () if self._snapshot is None else self._snapshot.specs
        matches = close_matches(class_type, known)
        raise NotFound(
            "NODE_CLASS_NOT_FOUND",
            f"This server has no node class {class_type!r}.",
            hint=f"Did you mean {matches[0]}?" if matches else "GET /ext/catalog lists all node classes.",
            details={"class_type": class_type, "close_matches": matches},
        )

    def search(
        self, q: str | None = None, *, category: str | None = None, deprecated: bool | None = None
    ) -> list[NodeSpec]:
        """Give the nodes that *q* finds, the best first, or all of them in the host's order.

        *category* holds for those below it too. *deprecated* gives only such nodes, or only others.
        """
        indexes = self._indexed()
        specs = list(indexes.snapshot.specs.values())
        if q is not None and q.strip():
            specs = search(indexes.words, q)
        if category is not None:
            specs = [spec for spec in specs if in_category(spec, category)]
        if deprecated is not None:
            specs = [spec for spec in specs if spec.flags.deprecated is deprecated]
        return specs

    def listing(
        self,
        q: str | None = None,
        *,
        category: str | None = None,
        deprecated: bool | None = None,
        fields: Sequence[str] | None = None,
    ) -> bytes:
        """Give what :meth:`search` finds as ``{"revision", "nodes"}``; only *fields* of each, and its name.

        Raises InvalidRequest INVALID_REQUEST for a field that a NodeSpec does not have.
        """
        unknown = [name for name in fields or () if name not in FIELDS]
        if unknown:
            raise InvalidRequest(
                "INVALID_REQUEST",
                f"A node has no field {', '.join(map(repr, unknown))}.",
                hint=f"Known: {', '.join(FIELDS)}.",
                details={"fields": dict.fromkeys(unknown, "unknown")},
            )
        specs = self.search(q, category=category, deprecated=deprecated)
        snapshot = self._indexed().snapshot
        if fields is None:
            ready = snapshot.encoded
            return _body(
                snapshot.revision, [ready.get(spec.name) or encoded(to_json(spec)) for spec in specs]
            )
        kept = [name for name in FIELDS if name == "name" or name in fields]
        breath = Breath()
        parts: list[bytes] = []
        for spec in specs:
            parts.append(encoded(to_json(spec, kept)))
            breath.take()
        return _body(snapshot.revision, parts)

    def next(self, class_type: str, output: int | str = 0) -> list[JSON]:
        """Give the nodes that take this output (number or name), the likeliest first.

        Each as ``{name, display_name, category, port, port_type, match, count, ports}``; *port* is the input
        to link. Raises NotFound NODE_CLASS_NOT_FOUND, PORT_NOT_FOUND.
        """
        indexes = self._indexed()
        return following(indexes.ports, output_end(self.node(class_type), str(output)), self.pairs)

    def previous(self, class_type: str, input_name: str | None = None) -> list[JSON]:
        """Give the nodes with an output for this input (the first, if None), the likeliest first.

        As :meth:`next`; *port* is the output's name and ``slot`` its number.
        """
        indexes = self._indexed()
        return preceding(indexes.ports, input_end(self.node(class_type), input_name), self.pairs)

    def _indexed(self) -> _Indexes:
        snapshot = self._snapshot or self.refresh()
        indexes = self._indexes
        if indexes is None or indexes.snapshot is not snapshot:
            # two threads may do this at once; the work is the same
            breath = Breath()
            words: list[Words] = []
            for spec in snapshot.specs.values():
                words.append(Words.of(spec))
                breath.take()
            indexes = self._indexes = _Indexes(snapshot, PortIndex(snapshot.specs.values()), words)
        return indexes


def _changed(before: Mapping[str, Hashable], now: Mapping[str, Hashable]) -> set[str]:
    return {
        name for name in before.keys() | now.keys() if before.get(name, _ABSENT) != now.get(name, _ABSENT)
    }


def _contents(nodes: Mapping[str, _Node]) -> list[Hashable]:
    return [node.content for node in nodes.values() if node.spec is not None]


def _assembled(nodes: Mapping[str, _Node]) -> Snapshot:
    specs = {name: node.spec for name, node in nodes.items() if node.spec is not None}
    bodies = {name: nodes[name].body for name in specs}
    digest = hashlib.blake2b(digest_size=16)
    for body in bodies.values():
        digest.update(body)
    revision = digest.hexdigest()
    identity = _body(revision, bodies.values())
    # mtime: the same catalogue must be the same bytes, for it has the same strong ETag
    return Snapshot(revision, specs, bodies, identity, gzip.compress(identity, 6, mtime=0), f'"{revision}"')


def _body(revision: str, nodes: Iterable[bytes]) -> bytes:
    return b'{"revision":"%s","nodes":[%s]}' % (revision.encode(), b",".join(nodes))
