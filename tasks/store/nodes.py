"""Which processes share the file, and which of them still live.

A process on this machine is asked for by its pid and its time of birth, which tells at once that it is dead
and does not care what the clock says. Only where that cannot be asked (another machine, another container)
or the process lives but stopped beating does its lease decide; and on one machine leases are measured in
ticks of its monotonic clock, so that setting the clock takes no task from a living process.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from .writer import Transaction

State = Literal["dead", "here", "elsewhere"]
"""``here``: alive, or may be, on this machine's monotonic clock. ``elsewhere``: only its lease tells."""

SAME_BIRTH_S = 2.0


@dataclass(frozen=True, slots=True)
class Process:
    """What a process is known by. *space*: pids mean something only in one namespace (container)."""

    host: str
    boot: str
    space: str
    pid: int
    birth: float | None


def this_process() -> Process:
    """Say who we are."""
    pid = os.getpid()
    return Process(platform.node(), _boot(), _space(), pid, birth_of(pid))


def birth_of(pid: int) -> float | None:
    """Give when a process was born, None if it is gone or cannot be asked for.

    On Linux in ticks since the boot: psutil's time of birth moves when the clock is set.
    """
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        return None if fields[0] in {b"Z", b"X"} else float(fields[19])
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def state_of(other: Process | None, me: Process) -> State:
    """Judge a process. One that is in no table said goodbye."""
    if other is None:
        return "dead"
    if other.host != me.host:
        return "elsewhere"
    if other.boot != me.boot:
        return "dead"  # the machine was restarted since
    if other.space != me.space:
        return "here"
    birth = birth_of(other.pid)
    if birth is None:
        return "here" if _hidden(other.pid) else "dead"
    same = other.birth is None or abs(birth - other.birth) <= SAME_BIRTH_S
    return "here" if same else "dead"


class Nodes:
    """The table of nodes, as process *me* keeps it. *ticks*: a clock that nobody can set."""

    def __init__(self, me: Process, ticks: Callable[[], float]) -> None:
        self._me = me
        self._ticks = ticks

    def until(self, lease_s: float) -> float:
        """Give when a lease from now on runs out, in ticks."""
        return self._ticks() + lease_s

    def beat(self, tx: Transaction, node: str, now: float) -> None:
        """Say that *node* is this process, and lives."""
        me = self._me
        old = _processes(tx, node).get(node)
        if old == me:
            tx.db.execute("UPDATE nodes SET beat_at=? WHERE id=?", (now, node))
            return
        if old is not None:
            # An earlier process of the same name: its tasks are not ours.
            gone = f"{node}@{old.pid}.{old.birth}"
            tx.db.execute(
                "UPDATE tasks SET node=?, rev=? WHERE status IN ('running', 'canceling') AND node=?",
                (gone, tx.rev(), node),
            )
            tx.db.execute("UPDATE deliveries SET owner=NULL WHERE state='pending' AND owner=?", (node,))
        tx.db.execute(
            "INSERT OR REPLACE INTO nodes VALUES (?,?,?,?,?,?,?)",
            (node, me.host, me.boot, me.space, me.pid, me.birth, now),
        )

    def leave(self, tx: Transaction, node: str) -> None:
        """Say goodbye: whatever *node* still holds may be taken at once."""
        tx.db.execute("UPDATE deliveries SET owner=NULL WHERE state='pending' AND owner=?", (node,))
        tx.db.execute("DELETE FROM nodes WHERE id=?", (node,))

    def lapsed(self, tx: Transaction, asking: str, now: float) -> list[int]:
        """Give the seqs of running tasks whose node is dead or whose lease ran out."""
        processes, ticks = _processes(tx), self._ticks()
        states: dict[str | None, State] = {}
        found: list[int] = []
        for seq, node, until, until_ticks in tx.db.execute(
            "SELECT seq, node, lease_until, lease_ticks FROM tasks WHERE status IN ('running', 'canceling')"
        ).fetchall():
            if node == asking:
                continue
            if node not in states:
                states[node] = state_of(processes.get(node), self._me)
            state = states[node]
            over = until < now if state == "elsewhere" else until_ticks < ticks
            if state == "dead" or over:
                found.append(seq)
        return sorted(found)

    def forget_dead(self, tx: Transaction) -> None:
        """Drop dead nodes, and let others deliver what they were about to."""
        for node, process in _processes(tx).items():
            if state_of(process, self._me) == "dead":
                self.leave(tx, node)


def _processes(tx: Transaction, node: str | None = None) -> dict[str, Process]:
    rows = tx.db.execute(
        "SELECT id, host, boot, space, pid, birth FROM nodes WHERE id=coalesce(?, id)", (node,)
    )
    return {row[0]: Process(*row[1:]) for row in rows}


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _space() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _hidden(pid: int) -> bool:
    """Whether a process is there but not for us to look at (another user's)."""
    if sys.platform == "win32":
        return psutil.pid_exists(pid)
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False  # a zombie
