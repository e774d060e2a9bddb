"""Real workflows with something wrong in them, for tests of validation."""

import copy
from collections import defaultdict
from dataclasses import replace
from functools import cache

from backplane.conversion import to_api
from backplane.graph import is_link
from backplane.nodespec import NodeSpec
from converting import digests, specs, template, template_folder

VALUES = [None, "abc", "5", "", 5, -7, 0.5, 1e12, -1e12, True, [], [1, 2, 3], {}, {"a": 1}]
VALUES += [{"__value__": ["a"]}, {"__value__": 3}, {"__value__": []}]
SLOTS = [-1, -2, 1, 5, 99]


@cache
def graphs():
    """The templates as API graphs, by name."""
    template_folder()
    return {name: to_api(template(name), specs()).graph for name in digests()}


@cache
def stocked():
    """The classes of the templates on a server that has every file the templates name."""
    named = defaultdict(dict)
    for graph in graphs().values():
        for node in graph.values():
            for name, value in node["inputs"].items():
                if isinstance(value, str):
                    named[node["class_type"], name][value] = None
    return {name: _stocked(spec, named) for name, spec in specs().items()}


def _stocked(spec: NodeSpec, named) -> NodeSpec:
    params = []
    for param in spec.ports.params:
        if (
            param.type == "COMBO"
            and param.options is not None
            and len(param.options) < 2
            and not param.variants
        ):
            folder = None if param.upload else "models"
            options = tuple(dict.fromkeys([*param.options, *named[spec.name, param.name]]))
            params.append(replace(param, options=options, folder=folder))
        else:
            params.append(param)
    return replace(spec, ports=replace(spec.ports, params=tuple(params)))


def mutated(graph, chance, classes, change=None):
    """A copy of *graph* with one thing changed, mostly for the worse; *chance* is a random.Random."""
    made = copy.deepcopy(graph)
    (change or chance.choice(MUTATIONS))(made, chance, classes)
    return made


def _place(graph, chance, wanted=lambda value: True):
    places = [
        (node_id, name)
        for node_id, node in graph.items()
        for name, value in node["inputs"].items()
        if wanted(value)
    ]
    return chance.choice(places) if places else None


def _drop(graph, chance, classes):
    if place := _place(graph, chance):
        del graph[place[0]]["inputs"][place[1]]


def _drop_link(graph, chance, classes):
    if place := _place(graph, chance, is_link):
        del graph[place[0]]["inputs"][place[1]]


def _another_value(graph, chance, classes):
    if place := _place(graph, chance, lambda value: not is_link(value)):
        graph[place[0]]["inputs"][place[1]] = copy.deepcopy(chance.choice(VALUES))


def _any_value(graph, chance, classes):
    if place := _place(graph, chance):
        graph[place[0]]["inputs"][place[1]] = copy.deepcopy(chance.choice(VALUES))


def _misspelt_value(graph, chance, classes):
    if place := _place(graph, chance, lambda value: isinstance(value, str) and len(value) > 2):
        value = graph[place[0]]["inputs"][place[1]]
        at = chance.randrange(len(value))
        graph[place[0]]["inputs"][place[1]] = value[:at] + value[at + 1 :]


def _dangling(graph, chance, classes):
    if place := _place(graph, chance, is_link):
        graph[place[0]]["inputs"][place[1]][0] = chance.choice(["nowhere", "9999", "1 "])


def _other_slot(graph, chance, classes):
    if place := _place(graph, chance, is_link):
        graph[place[0]]["inputs"][place[1]][1] = chance.choice(SLOTS)


def _half_a_slot(graph, chance, classes):
    if place := _place(graph, chance, is_link):
        graph[place[0]]["inputs"][place[1]][1] = chance.choice([0.5, "0", None])


def _other_source(graph, chance, classes):
    """Any output of any node: often of another type, or one that closes a circle."""
    if place := _place(graph, chance, is_link):
        source = chance.choice(list(graph))
        spec = classes.get(graph[source]["class_type"])
        slots = len(spec.outputs) if spec is not None else 0
        graph[place[0]]["inputs"][place[1]] = [source, chance.randrange(slots) if slots else 0]


def _linked_param(graph, chance, classes):
    if place := _place(graph, chance, lambda value: not is_link(value)):
        graph[place[0]]["inputs"][place[1]] = [chance.choice(list(graph)), 0]


def _other_class(graph, chance, classes):
    node = graph[chance.choice(list(graph))]
    node["class_type"] = chance.choice(
        [node["class_type"][:-1], "Nothing like it", chance.choice(list(classes))]
    )


def _removed_node(graph, chance, classes):
    del graph[chance.choice(list(graph))]


def _removed_outputs(graph, chance, classes):
    for node_id, node in list(graph.items()):
        spec = classes.get(node["class_type"])
        if spec is not None and spec.flags.output_node:
            del graph[node_id]


def _misspelt_input(graph, chance, classes):
    if place := _place(graph, chance):
        inputs = graph[place[0]]["inputs"]
        inputs[place[1] + chance.choice(["s", "_", "x"])] = inputs.pop(place[1])


def _two(graph, chance, classes):
    for _ in range(2):
        if graph:
            chance.choice(MUTATIONS[:-1])(graph, chance, {**classes})


MUTATIONS = [
    *(_drop, _drop_link, _another_value, _any_value, _misspelt_value, _dangling, _other_slot, _half_a_slot),
    *(_other_source, _linked_param, _other_class, _removed_node, _removed_outputs, _misspelt_input, _two),
]
