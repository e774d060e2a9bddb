"""Compares what ComfyUI and Backplane say about one workflow; every difference that is meant stands here.

*answer* is that of tests/contract/oracle.py: ``peer`` is what ComfyUI (or the sandbox) says, ``ours`` what
Backplane says. The rule is: an output that ComfyUI would run has no error before it, and one that it would
not run has one; a node that ComfyUI names has an error of ours.
"""

from backplane.graph import is_link, on_cycle, reachable
from backplane.nodespec import Param, Ports, live_ports
from mutations import whole


def disagreements(graph, answer, specs, *, older=False):
    """Give every difference that is not meant, in words; none is agreement.

    *older*: the peer is a ComfyUI before 0.33, whose rules are these but for :data:`LET_THROUGH_ONCE`.
    """
    peer, ours = answer["peer"], answer["ours"]
    if "crash" in ours:
        return [ours["crash"]]
    if "no_workflow" in ours:
        return _out_of_shape(graph, peer, ours["no_workflow"])
    errors = [each for each in ours["findings"] if each["severity"] == "error"]
    found = [] if ours["valid"] is not bool(errors) else [f"valid is {ours['valid']}, with errors: {errors}"]
    found += _refused_for_nothing(graph, peer, ours, specs, older=older)
    found += _accepted_for_nothing(graph, peer, ours, specs)
    named = {each["node_id"] for each in ours["findings"]}
    for each in ours["findings"]:
        if (
            each["code"] == "WORKFLOW_CYCLE"
        ):  # told once for the link that closes it, whatever ways lead round
            ahead = reachable(graph, [each["node_id"]])
            named.update(node_id for node_id in ahead if each["node_id"] in reachable(graph, [node_id]))
    for node_id, node in peer["node_errors"].items():
        if node_id not in named and not only_the_class_knows(node, specs):
            found.append(f"ComfyUI names {node_id}: {[each['type'] for each in node['errors']]}")
    return found


def _out_of_shape(graph, peer, code):
    """Look for what ComfyUI takes for a workflow: it looks names up in any inputs that Python can."""
    odd = [node for node in graph.values() if isinstance(node, dict) and "inputs" in node and not whole(node)]
    return [f"ComfyUI would run {peer['outputs']}, but here: {code}"] if peer["ok"] and not odd else []


def _refused_for_nothing(graph, peer, ours, specs, *, older):
    """Look for outputs that ComfyUI would run, and Backplane not.

    Once anything runs, what is wrong with the rest is told as warnings: so all findings count.
    """
    followed = as_followed(graph, specs)
    for output in set(peer["outputs"]) - _good(ours):
        near = reachable(graph, [output])
        findings = [each for each in ours["findings"] if each["node_id"] in near or each["node_id"] is None]
        looked_at = {key: followed[key] for key in reachable(followed, [output])}
        wrong = [each for each in findings if not lets_through(each, graph, looked_at, specs, older=older)]
        if len(wrong) == len(findings) or any(each["severity"] == "error" for each in wrong):
            yield f"ComfyUI would run {output}, but here: {[_words(each) for each in wrong]}"


def _accepted_for_nothing(graph, peer, ours, specs):
    """Look for outputs that ComfyUI would not run, and Backplane would."""
    for output in _good(ours) - set(peer["outputs"]):
        near = reachable(graph, [output])
        told = {node_id: node for node_id, node in peer["node_errors"].items() if node_id in near}
        if not told or not all(only_the_class_knows(node, specs) for node in told.values()):
            kinds = {node_id: [each["type"] for each in node["errors"]] for node_id, node in told.items()}
            yield f"ComfyUI would not run {output}: {(peer['error'] or {}).get('type')} {kinds}"


def _good(ours):
    return set(ours["outputs"]) if ours["valid"] else set()


def _words(finding):
    return f"{finding['code']} on {finding['node_id']}.{finding['input']}"


def only_the_class_knows(told, specs):
    """Say whether all that ComfyUI says of a node came out of the class's own VALIDATE_INPUTS.

    No signature tells what that function will say, or that it will fail on a value (LoadImage's does on a
    number). What ComfyUI raises itself is not of that kind: there, the node has no own checks.
    """
    spec = specs.get(told["class_type"])
    own = spec is not None and bool(spec.own_checks)
    return bool(told["errors"]) and all(
        each["type"] == "custom_validation_failed" or (own and each["type"].startswith("exception_during"))
        for each in told["errors"]
    )


def as_followed(graph, specs):
    """Give the graph with those inputs only that ComfyUI's validation looks at.

    It knows no inputs but those the class declares, and takes a dynamic combo for none at all that is not
    set to one of its keys. The run then follows every link, and fails on what is behind these.
    """
    made = {}
    for node_id, node in graph.items():
        made[node_id] = {"inputs": {}}
        if whole(node):
            ports = _ports(node, specs)
            seen = {name: value for name, value in node["inputs"].items() if name in ports}
            made[node_id] = {"inputs": {n: v for n, v in seen.items() if not _is_choice(ports[n], v)}}
    return made


def lets_through(finding, graph, looked_at, specs, *, older=False):
    """Say whether it is an error that ComfyUI's validation does not look for, and the run then fails on."""
    code, node_id, name = finding["code"], finding["node_id"], finding["input"]
    node = graph.get(node_id)
    if not whole(node):  # without inputs: it stumbles, if it looks at all
        return code == "BAD_NODE" and isinstance(node, dict) and node_id not in looked_at
    if code in {"UNKNOWN_NODE_CLASS", "NO_OUTPUT_NODE"}:
        return False
    if code == "WORKFLOW_CYCLE":  # one that is closed by a link that it does not follow
        return not on_cycle(looked_at)
    if node_id not in looked_at:  # behind such a link
        return True
    port, value = _ports(node, specs).get(name), node["inputs"].get(name)
    if port is None:
        return code in {"BAD_LINK", "DANGLING_LINK", "LINK_SLOT_OUT_OF_RANGE"}
    reason = LET_THROUGH.get(code) or (LET_THROUGH_ONCE.get(code) if older else None)
    return _is_choice(port, value) or bool(reason and reason(port, value, *_source(value, graph, specs)))


def _ports(node, specs):
    spec = specs.get(node["class_type"])
    live = Ports() if spec is None else live_ports(spec, node["inputs"])
    return {port.name: port for port in (*live.inputs, *live.params)}


def _source(value, graph, specs):
    """Give what a link leads to: the class and the output, each None if there is none."""
    source = graph.get(value[0]) if is_link(value) else None
    spec = specs.get(source["class_type"]) if whole(source) else None
    return spec, None if spec is None or not 0 <= value[1] < len(spec.outputs) else spec.outputs[value[1]]


def _is_choice(port, value):
    """Say whether it is a dynamic combo without one of its keys (or with a link in its place)."""
    return isinstance(port, Param) and port.variants is not None and value not in port.options


def _counts_from_the_end(port, value, spec, output):
    """Slot -1: ComfyUI looks the type up as Python does, and finds the last output; runs do not."""
    return spec is not None and -len(spec.outputs) <= value[1] < 0


def _is_flag(port, value, spec, output):
    """Slot true: a number to Python."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], bool)


def _is_match(port, value, spec, output):
    """Ports that are to have one type: ComfyUI leaves that to the page."""
    return getattr(port, "match", None) is not None or (output is not None and output.match is not None)


def _is_grown(port, value, spec, output):
    """The first names of a growing input, where none of its names is set."""
    return value is None and "." in port.name


LET_THROUGH = {
    "LINK_SLOT_OUT_OF_RANGE": _counts_from_the_end,
    "BAD_LINK": _is_flag,
    "MATCH_TYPE_CONFLICT": _is_match,
}
"""Code of an error of ours -> when ComfyUI has nothing against it."""
LET_THROUGH_ONCE = {"MISSING_INPUT": _is_grown}
"""The same for a ComfyUI before 0.33."""
