"""Workflows broken in the ways in which clients break them, drawn by hypothesis.

A mutation changes a graph in place, and leaves it as it is where it finds nothing to change. Graphs are in
API format; *specs* are the node classes of the server that is to judge them.
"""

import copy
import math

from backplane.graph import is_link, reachable
from backplane.nodespec import Param, Ports, every_port, live_ports
from hypothesis import strategies as st

ODD_VALUES = [
    *("", "x", "12", "-3", "1.5", "true", "one.png", "missing.safetensors", "../x"),
    *(0, 1, -1, 3, 11, 2**70, 0.0, 0.5, 3.7, -1.5, 1e300, math.inf, math.nan, True, False, None),
    *({}, {"a": 1}, {"__value__": 3}, {"__value__": "x"}, {"__value__": None}, {"__value__": []}),
    *({"__value__": ["x", "y"]}, {"__value__": ["x", "no such option"]}, {"__value__": ["1", 0]}),
    *([], [1], ["x"], [1, 2, 3], ["1", 0, 0], [[1, 0]], [[], 0], [{}, 0], [None, 0], ["1", "0"], ["1", None]),
]
ODD_SLOTS = [-1, -2, -9, 1, 2, 9, 99, 2**70, 0.0, 0.5, True, False, None, "0", [], {}]
ODD_NODES = [None, 3, "x", [], {}, {"class_type": 3, "inputs": {}}, {"inputs": {}}, {"class_type": []}]
ANY_SLOT = 5
"""The output of CheckSources (tests/data/checks_pack) that fits every input."""


def node_of(draw, graph):
    """Draw a node that may be broken further."""
    usable = [node_id for node_id, node in graph.items() if whole(node)]
    return draw(st.sampled_from(usable)) if usable else None


def whole(node):
    return (
        isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
    )


def port_of(draw, graph, specs, wanted=lambda _port: True):
    """Draw a node and one of the ports that it has now: (inputs, port), or None."""
    found = {}
    for node_id, node in graph.items():
        spec = specs.get(node["class_type"]) if whole(node) else None
        live = Ports() if spec is None else live_ports(spec, node["inputs"])
        # of a growing input the first few names do
        ports = [port for port in (*live.inputs[:40], *live.params) if wanted(port)]
        if ports:
            found[node_id] = ports
    if not found:
        return None
    node_id = draw(st.sampled_from(list(found)))
    return graph[node_id]["inputs"], draw(st.sampled_from(found[node_id]))


def link_of(draw, graph):
    """Draw a link that is there: (inputs, name), or None."""
    links = [
        (node["inputs"], name)
        for node in graph.values()
        if whole(node)
        for name, value in node["inputs"].items()
        if is_link(value)
    ]
    return draw(st.sampled_from(links)) if links else None


def drop_input(draw, graph, specs):
    node_id = node_of(draw, graph)
    if node_id is not None and graph[node_id]["inputs"]:
        del graph[node_id]["inputs"][draw(st.sampled_from(sorted(graph[node_id]["inputs"])))]


def drop_inputs(draw, graph, specs):
    node_id = node_of(draw, graph)
    if node_id is not None:
        node, kinds = graph[node_id], [{}, None, [], "x", 3]
        if draw(st.booleans()):
            del node["inputs"]
        else:
            node["inputs"] = copy.deepcopy(draw(st.sampled_from(kinds)))


def link_anything(draw, graph, specs):
    """Link a port to some output, mostly of another type."""
    found, source = port_of(draw, graph, specs), node_of(draw, graph)
    if found is None or source is None:
        return
    inputs, port = found
    spec = specs.get(graph[source]["class_type"])
    inputs[port.name] = [source, draw(st.integers(0, max(0, len(spec.outputs) - 1 if spec else 0)))]


def link_new(draw, graph, specs):
    """Link a port to a node made for it."""
    found = port_of(draw, graph, specs)
    if found is None:
        return
    inputs, port = found
    takes = {part.strip() for part in (port.link_type or "*").split(",")}
    makers = [
        (spec, slot)
        for spec in specs.values()
        for slot, output in enumerate(spec.outputs)
        if not takes.isdisjoint({"*", *output.type.split(",")}) or "*" in output.type
    ]
    if makers:
        spec, slot = draw(st.sampled_from(makers))
        node_id = new_id(graph)
        graph[node_id] = {"class_type": spec.name, "inputs": defaults(spec)}
        inputs[port.name] = [node_id, slot]


def move_slot(draw, graph, specs):
    found = link_of(draw, graph)
    if found is not None:
        inputs, name = found
        inputs[name] = [inputs[name][0], draw(st.sampled_from(ODD_SLOTS))]


def link_to_nothing(draw, graph, specs):
    found = link_of(draw, graph)
    if found is not None:
        inputs, name = found
        source = inputs[name][0]
        number = int(source) if source.isdecimal() else 0
        inputs[name] = [draw(st.sampled_from(["missing", "", source + " ", number, None])), 0]


def close_a_circle(draw, graph, specs):
    """Link a node to itself or to one that depends on it."""
    found = port_of(draw, graph, specs)
    if found is None:
        return
    inputs, port = found
    node_id = next(each for each, node in graph.items() if whole(node) and node["inputs"] is inputs)
    behind = [
        each
        for each, node in graph.items()
        if whole(node) and node_id in reachable({key: n for key, n in graph.items() if whole(n)}, [each])
    ]
    inputs[port.name] = [draw(st.sampled_from(behind)), 0]


def rename_class(draw, graph, specs):
    node_id = node_of(draw, graph)
    if node_id is not None:
        known = graph[node_id]["class_type"]
        names = st.sampled_from(sorted(specs))
        graph[node_id]["class_type"] = draw(
            st.one_of(st.sampled_from([known + "X", known.lower(), ""]), names)
        )


def set_limit(draw, graph, specs):
    """Give a number beside its limits."""
    found = port_of(draw, graph, specs, lambda port: getattr(port, "min", None) is not None)
    if found is not None:
        inputs, port = found
        most = port.min if port.max is None else port.max
        least, step = port.min, draw(st.sampled_from([1, 0.5, 0.001]))
        value = draw(st.sampled_from([least, most, least - step, most + step, least + step, most - step]))
        inputs[port.name] = draw(st.sampled_from([value, str(value), {"__value__": value}]))


def set_odd(draw, graph, specs):
    found = port_of(draw, graph, specs)
    if found is not None:
        inputs, port = found
        inputs[port.name] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))


def set_option(draw, graph, specs):
    found = port_of(draw, graph, specs, lambda port: isinstance(port, Param) and port.options)
    if found is not None:
        inputs, port = found
        options = list(port.options[:50])
        odd = [f"{options[0]} ", str(options[-1]).upper(), str(options[0]), "no such option", 0, None]
        value = draw(st.one_of(st.sampled_from(options), st.sampled_from(odd)))
        inputs[port.name] = draw(st.sampled_from([value, {"__value__": value}, {"__value__": [value]}]))


def set_choice(draw, graph, specs):
    """Give a dynamic combo another key, no key, or one that it does not have."""
    found = port_of(draw, graph, specs, lambda port: isinstance(port, Param) and port.variants)
    if found is None:
        return
    inputs, port = found
    keys = [*port.options, "no such key", str(port.options[0]).upper(), None, 0, ["1", 0]]
    key = draw(st.sampled_from(keys))
    inputs[port.name] = key
    if isinstance(key, str) and key in port.variants and draw(st.booleans()):
        fill(inputs, port.variants[key])
    if draw(st.integers(0, 5)) == 0:
        del inputs[port.name]


def grow(draw, graph, specs):
    """Link names of a growing input: more than there may be, with gaps, or its own name."""
    node_id = node_of(draw, graph)
    spec = specs.get(graph[node_id]["class_type"]) if node_id is not None else None
    growing = [port for port in every_port(spec.ports) if getattr(port, "grows", None)] if spec else []
    source = link_of(draw, graph)
    if not growing or source is None:
        return
    port, link = draw(st.sampled_from(growing)), source[0][source[1]]
    names, inputs = port.grows.names(), graph[node_id]["inputs"]
    for name in draw(
        st.lists(st.sampled_from([*names[:3], *names[-1:], port.name, f"{names[-1]}0"]), max_size=3)
    ):
        if name in inputs and draw(st.booleans()):
            del inputs[name]
        else:
            inputs[name] = list(link)


def remove_node(draw, graph, specs):
    if len(graph) > 1:
        del graph[draw(st.sampled_from(list(graph)))]


def remove_output(draw, graph, specs):
    """Mute a node that shows or saves something: it then is not in the workflow."""
    outputs = [node_id for node_id, node in graph.items() if is_output(node, specs)]
    if outputs:
        del graph[draw(st.sampled_from(outputs))]


def is_output(node, specs):
    spec = specs.get(node["class_type"]) if whole(node) else None
    return spec is not None and spec.flags.output_node


def twin(draw, graph, specs):
    node_id = node_of(draw, graph)
    if node_id is not None:
        graph[new_id(graph)] = copy.deepcopy(graph[node_id])


def add_input(draw, graph, specs):
    node_id = node_of(draw, graph)
    if node_id is not None:
        name = draw(st.sampled_from(["no such input", "", "unique_id", "images", "*", "input_types", "cls"]))
        graph[node_id]["inputs"][name] = copy.deepcopy(draw(st.sampled_from([*ODD_VALUES, [node_id, 0]])))


def add_node(draw, graph, specs):
    spec = specs[draw(st.sampled_from(sorted(specs)))]
    graph[new_id(graph)] = {"class_type": spec.name, "inputs": defaults(spec)}


def break_node(draw, graph, specs):
    graph[draw(st.sampled_from(list(graph)))] = copy.deepcopy(draw(st.sampled_from(ODD_NODES)))


COMMON = [
    *(drop_input, link_anything, link_new, set_odd, set_option, set_choice, set_limit, move_slot, grow),
    *(add_input, add_node, twin),
]
RARE = [remove_node, remove_output, rename_class, link_to_nothing, close_a_circle, drop_inputs, break_node]
"""These mostly end in one and the same refusal of the whole workflow."""


def new_id(graph):
    return next(str(number) for number in range(1, len(graph) + 1000) if str(number) not in graph)


def defaults(spec):
    """Give the values that a new node of this class has on the page."""
    inputs = {}
    fill(inputs, spec.ports)
    return inputs


def fill(inputs, ports):
    for port in ports.params:
        value = port.default
        if value is None:
            value = {"INT": 1, "FLOAT": 1.0, "STRING": "text", "BOOLEAN": False}.get(port.type)
        if port.options and value not in port.options:
            value = port.options[0]
        if value is not None:
            inputs.setdefault(port.name, {"__value__": value} if isinstance(value, list) else value)
        if port.variants is not None and str(value) in port.variants:
            fill(inputs, port.variants[str(value)])


def settled(graph, specs):
    """Give a copy in which a value that is no option (a file that is not there) is one, if there are any."""
    made = copy.deepcopy(graph)
    for node in made.values():
        spec = specs.get(node["class_type"])
        for param in live_ports(spec, node["inputs"]).params if spec else ():
            value = node["inputs"].get(param.name)
            plain = param.variants is None and isinstance(value, str | int | float)
            if plain and param.options and value not in param.options:
                node["inputs"][param.name] = param.options[0]
    return made


def around(spec):
    """Give a workflow that is as good as can be with a node of this class in it, "2"."""
    inputs = defaults(spec)
    for port in live_ports(spec, inputs).inputs:
        if port.required:
            inputs[port.name] = ["1", ANY_SLOT]
    graph = {
        "1": {"class_type": "CheckSources", "inputs": {}},
        "2": {"class_type": spec.name, "inputs": inputs},
    }
    if spec.outputs:
        graph["3"] = {"class_type": "CheckShow", "inputs": {"first": ["2", 0]}}
    return graph


@st.composite
def broken(draw, seeds, specs, most=4):
    """Draw ``(graph, targets)``: a graph of the strategy *seeds*, after a few mutations."""
    graph = copy.deepcopy(draw(seeds))
    for _ in range(draw(st.integers(0, most))):
        if graph:
            kinds = RARE if draw(st.integers(0, 5)) == 5 else COMMON
            draw(st.sampled_from(kinds))(draw, graph, specs)
    targets = None
    if draw(st.integers(0, 7)) == 7:
        outputs = [node_id for node_id, node in graph.items() if is_output(node, specs)]
        targets = draw(st.lists(st.sampled_from([*outputs, *graph, "no such node"]), max_size=3, unique=True))
    return graph, targets
