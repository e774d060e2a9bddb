"""The two questions: what is wrong, and what would run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..errors import JSON
from .document import output_nodes
from .finding import STOPS_ALL, Files, Finding, Report, Specs
from .fixes import Fixes
from .look import Look
from .nodes import Fault, faults_of, unknown_classes


def check(
    graph: Mapping[str, JSON],
    specs: Specs,
    targets: Iterable[str],
    files: Files | None = None,
    *,
    only: Collection[str] | None = None,
) -> list[Finding]:
    """Give all findings on the nodes that *targets* depend on, and every unknown class anywhere.

    *only* leaves out what is wrong with other nodes than these, but for circles.
    """
    look = Look(graph, specs, targets, files)
    looked_at = [
        node_id for node_id in graph if node_id in look.net.needed and (only is None or node_id in only)
    ]
    faults = [fault for fault in unknown_classes(look) if only is None or fault.node_id in only]
    faults += [fault for node_id in looked_at for fault in faults_of(look, node_id)]
    fixes = Fixes(look)
    faults += (fault for fault in fixes.circles() if fault.node_id in look.net.needed)
    return [_finding(look, fixes, fault) for fault in faults]


def judge(
    graph: Mapping[str, JSON],
    specs: Specs,
    *,
    targets: Collection[str] | None = None,
    files: Files | None = None,
) -> Report:
    """Say which output nodes would run, and what is wrong with the workflow; *targets*: only these of them.

    As in ComfyUI, a workflow is taken if any output can run. What is wrong with the others is then a warning,
    and so is what is wrong with nodes that nothing needs.
    """
    outputs = output_nodes(graph, specs)
    wanted = outputs if targets is None else tuple(each for each in outputs if each in targets)
    look = Look(graph, specs, wanted, files)
    fixes = Fixes(look)
    faults = [*unknown_classes(look), *(fault for node_id in graph for fault in faults_of(look, node_id))]
    faults += fixes.circles()
    failing = _failing(look, faults)
    stopped = any(fault.code in STOPS_ALL for fault in faults)
    running = () if stopped else tuple(each for each in wanted if each not in failing)
    if not wanted and not (stopped and not outputs):  # a node of an unknown class may be the output
        faults.append(_no_output(outputs, targets))
    elif not stopped:
        faults += [*_unreached(look, outputs, faults)]
    return Report(tuple(_told(look, fixes, fault, anything_runs=bool(running)) for fault in faults), running)


def _told(look: Look, fixes: Fixes, fault: Fault, *, anything_runs: bool) -> Finding:
    finding = _finding(look, fixes, fault)
    stays = fault.code in STOPS_ALL or (not anything_runs and fault.node_id in look.net.needed)
    return finding if stays or finding.severity == "warning" else replace(finding, severity="warning")


def _finding(look: Look, fixes: Fixes, fault: Fault) -> Finding:
    node_id, name = fault.node_id, fault.name
    class_type = None if node_id is None else look.graph[node_id]["class_type"]
    where = "" if node_id is None else f"Node {node_id} ({class_type})"
    if fault.code == "UNKNOWN_NODE_CLASS":
        where = f"Node {node_id}"
    if name is not None and fault.code != "MISSING_INPUT":
        where = f"{where}, {name}"
    message = f"{where}: {fault.text}" if where else fault.text
    return Finding(
        fault.code,
        message,
        node_id,
        name,
        class_type,
        fault.hint,
        fault.details,
        fault.severity,
        fixes.of(fault),
    )


def _failing(look: Look, faults: Iterable[Fault]) -> set[str]:
    """Give the nodes that cannot run: with an error of their own, or behind such a node."""
    failing = {fault.node_id for fault in faults if fault.severity == "error" and fault.node_id is not None}
    failing.update(hop.target for circle in look.net.circles for hop in circle)
    if failing:
        for node_id in look.net.order:
            if any(source in failing for _, source, _ in look.net.into[node_id]):
                failing.add(node_id)
    return failing


def _no_output(outputs: tuple[str, ...], targets: Collection[str] | None) -> Fault:
    if targets is not None and outputs:
        return Fault(
            "NO_OUTPUT_NODE",
            None,
            None,
            "None of the nodes that were asked for saves or shows anything.",
            f"Output nodes here: {', '.join(outputs[:10])}.",
            {"output_nodes": list(outputs)},
        )
    return Fault(
        "NO_OUTPUT_NODE",
        None,
        None,
        "Nothing in the workflow saves or shows a result.",
        "Add a node that saves or previews something.",
    )


def _unreached(look: Look, outputs: tuple[str, ...], faults: Sequence[Fault]) -> Iterator[Fault]:
    """Find output nodes that nothing reaches, and the ends of branches that reach no output."""
    told = {fault.node_id for fault in faults}
    users, given = look.net.users, {*outputs}
    for node_id in outputs:
        shape = look.shape(node_id)
        sockets = [] if shape is None else [name for name in shape.fields if shape.fields[name].param is None]
        used = users[node_id] or look.net.into[node_id]  # some make things by themselves
        if sockets and not used and node_id not in told:
            yield Fault("OUTPUT_NOT_REACHED", node_id, None, "nothing is linked to it.", severity="warning")
    if any(fault.severity == "error" and fault.node_id in look.net.needed for fault in faults):
        return  # what is not used now may be what lost its link
    for node_id in look.graph:
        if node_id not in given and node_id not in told and not users[node_id]:
            yield Fault(
                "NODE_NOT_USED",
                node_id,
                None,
                "nothing uses it, so it will not run.",
                "Remove it, or link it to something.",
                severity="warning",
            )
