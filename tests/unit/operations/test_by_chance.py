"""What holds for all operations, however they are mixed: nothing is half done, everything can be undone."""

import random

from backplane.errors import CODES, ApiError
from backplane.graph import on_cycle
from backplane.patch_engine import OPERATIONS, apply
from hypothesis import given, settings
from hypothesis import strategies as st
from patching import AGAIN, LORA, SPECS, exactly, links, node, replayed, text_to_image, unfit_links

CLASSES = [*SPECS, "Missing"]
VALUES = [0, 3, -1, 2.5, True, None, "euler", "by size", "by factor", "like", "", [1, 2], {"a": 1}]
NAMES = [
    *("model", "clip", "image", "images", "image1", "image2", "images.image0", "images.image3", "mode.width"),
    *(
        "mode",
        "mode.image",
        "steps",
        "factor",
        "positive",
        "on_true",
        "on_false",
        "latent",
        "text",
        "nothing",
    ),
]


class Maker:
    """Makes workflows and operations of all kinds, good and bad, out of one source of chance."""

    def __init__(self, chance):
        self.chance = chance

    def some(self, items):
        return self.chance.choice(list(items))

    def often(self, share=0.5):
        return self.chance.random() < share

    def graph(self):
        """A workflow whose links mostly fit, with unknown classes, dangling links and odd values in it."""
        graph = text_to_image() if self.often() else {}
        for number in range(len(graph), self.chance.randint(0, 9)):
            class_type = self.some(CLASSES)
            made = node(class_type, self.some([None, None, "A title"]))
            graph[self.some([str(number + 1), f"n{number}", f"{number}:1"])] = made
            spec = SPECS.get(class_type)
            for port in () if spec is None else (*spec.inputs, *spec.params):
                if self.often(0.7):
                    name = port.name if port.name != "images" or class_type != "Batch" else "images.image0"
                    made["inputs"][name] = self.value(graph, port)
            if self.often(0.1):
                made["inputs"][self.some(NAMES)] = self.some([["x", 0], *VALUES])
        if self.often():
            shuffled = list(graph.items())
            self.chance.shuffle(shuffled)
            graph = dict(shuffled)
        return graph

    def value(self, graph, port):
        sources = [
            [source, at]
            for source, made in list(graph.items())[:-1]
            for at, output in enumerate(
                SPECS[made["class_type"]].outputs if made["class_type"] in SPECS else ()
            )
            if port.link_type in {output.type, "*"}
        ]
        if sources and self.often(0.8):
            return self.some(sources)
        return self.some([*VALUES, *(getattr(port, "options", None) or ())])

    def reference(self, graph):
        return self.some([*graph, *graph, *graph, "$a", "$b", "$f.a", 1, "nowhere"])

    def out(self, graph):
        return self.some(
            [[self.reference(graph), self.some([0, 1, "IMAGE"])], {"node_id": self.reference(graph)}]
        )

    def operation(self, graph):
        likely = self.likely(graph) if self.often() else None
        if likely is not None:
            return likely
        name = self.some(OPERATIONS)
        made = {"op": name}
        for field, about in OPERATIONS[name].fields.items():
            if about.required or self.often(0.25):
                made[field] = self.some(self.choices(graph, field))
        if name in {"insert_node", "add_fragment"} and self.often(0.8) and links(graph):
            for field in OPERATIONS["disconnect"].fields:
                made.pop(field, None)
            target, taking, source, slot = self.some(sorted(links(graph)))
            where = {"target_node_id": target, "input": taking, "source_node_id": source, "output": slot}
            if self.often():
                del where["source_node_id"], where["output"]
            made |= where
        if name == "duplicate" and self.often(0.9):
            made.pop("node_ids", None)
            made.setdefault("node_id", self.reference(graph))
        return made

    def likely(self, graph):
        """Make an operation that has a chance, or None where the workflow has no place for one."""
        target, taking, source, slot = self.some(sorted(links(graph)) or [("", "", "", 0)])
        known = [node_id for node_id, made in graph.items() if made["class_type"] in SPECS]
        if not target or not known:
            return None
        node_id = self.some(known)
        spec = SPECS[graph[node_id]["class_type"]]
        ports = [port for port in (*spec.inputs, *spec.params) if port.link_type is not None]
        through = [
            name
            for name, each in SPECS.items()
            if {port.type for port in each.inputs} & {"IMAGE", "MODEL", "*"}
        ]
        made = [
            {"op": "disconnect", "target_node_id": target, "input": taking},
            {
                "op": "insert_node",
                "target_node_id": target,
                "input": taking,
                "class_type": self.some(through),
            },
            {"op": "insert_node", "source_node_id": source, "class_type": self.some(through)},
            {"op": "parallel", "node_id": target, "class_type": self.some(through)},
            {"op": "add_fragment", "fragment": LORA, "source_node_id": source, "output": slot},
            {"op": "remove_node", "node_id": source, "bridge": self.often()},
            {"op": "bypass", "node_id": source, "on": self.often()},
        ]
        if spec.params:
            param = self.some(spec.params)
            value = self.some(param.options or ["by size", "by factor", 3, 0.5])
            made.append({"op": "set_param", "node_id": node_id, "param": param.name, "value": value})
        if ports:
            ends = {"source_node_id": self.some(known), "target_node_id": node_id}
            named = self.some([{}, {"input": self.some(ports).name}])
            made += [{"op": "connect", **ends, **named}] * 2
        return self.some(made)

    def choices(self, graph, field):
        """Give values for a field, some of them good ones."""
        references = [*graph, *graph, *graph, "$a", "$b", "$f.a", 1, "nowhere"]
        ports = [0, 1, 2, 9, "MODEL", "IMAGE", "out", *NAMES]
        restored = {self.some(["new", *graph]): self.some([None, node("Number", value=3)]) for _ in range(3)}
        linked = {self.some(["z", *graph]): node("Any", anything=[self.some(["z", *graph]), 0])}
        wanted = {
            "class_type": CLASSES,
            "param": NAMES,
            "value": VALUES,
            "params": [{}, {}, {self.some(NAMES): self.some(VALUES)}],
            "inputs": [{}, {self.some(NAMES): self.out(graph)}],
            "outputs": [{self.some(["model", "image"]): [self.some(references), self.some(NAMES)]}],
            "id": ["new", "other", 77, *graph],
            "alias": ["a", "b", "f"],
            "title": [None, "A", "B"],
            "node_ids": [[self.some(references) for _ in range(self.chance.randint(1, 3))]],
            "fragment": [LORA, AGAIN],
            "nodes": [restored | linked],
            "place": [{self.some(["new", *graph]): self.chance.randint(0, 9) for _ in range(2)}],
        }
        wanted |= dict.fromkeys(["node_id", "source_node_id", "target_node_id"], references)
        wanted |= dict.fromkeys(["output", "input", "node_input", "node_output"], ports)
        wanted |= dict.fromkeys(["bridge", "on", "keep_inputs", "wire"], (False, True))
        return wanted[field]


def tried(graph, ops):
    """Give what becomes of it, or the error."""
    before, asked = exactly(graph), exactly(ops)
    try:
        return apply(graph, ops, SPECS)
    except ApiError as error:
        return error
    finally:
        assert (exactly(graph), exactly(ops)) == (before, asked)


@given(st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_every_patch_is_whole_accounted_for_and_undone_exactly(chance):
    maker = Maker(chance)
    graph = maker.graph()
    done, ops = graph, []
    for _ in range(6):
        op = maker.operation(done)
        result = tried(done, [op])
        if isinstance(result, ApiError):
            check_refusal(result, op)
        else:
            check_result(done, [op], result)
            done = result.graph
            ops.append(op)
    result = tried(graph, ops)  # ids may come out otherwise than one by one, so it may be refused
    if not isinstance(result, ApiError):
        check_result(graph, ops, result)


def check_refusal(error, op):
    declared = OPERATIONS[op["op"]].errors | {"INVALID_REQUEST"}
    assert error.code in declared, (error.code, error.message, op)
    if error.code != "WORKFLOW_CYCLE":  # which the operations make together
        assert error.details["op"] == 0
        assert error.details["operation"] == op["op"]
    assert error.status == CODES[error.code].status


def check_result(graph, ops, result):
    undone = apply(result.graph, list(result.inverse), SPECS)
    assert exactly(undone.graph) == exactly(graph)
    assert exactly(apply(undone.graph, list(undone.inverse), SPECS).graph) == exactly(result.graph)
    assert replayed(graph, result.changes) == result.graph
    touched = {change.node_id for change in result.changes}
    restored = {name for op in ops if op["op"] == "restore" for name in op["nodes"]}
    assert all(result.graph[name] is graph[name] for name in graph.keys() - touched - restored)
    assert {each.node_id for each in result.created} <= result.graph.keys() - graph.keys() | touched
    if not on_cycle(graph) and not restored:
        assert on_cycle(result.graph) == []
    if not restored:
        assert unfit_links(result.graph, newly_linked(graph, result.graph, ops)) == []


def newly_linked(graph, made, ops):
    """The links that are new, but for those that copies took over as they were."""
    if any(op["op"] == "duplicate" for op in ops):
        return set()
    return links(made) - links(graph)


def test_the_making_of_chance_reaches_every_operation():
    done = {}
    chance = random.Random(5)
    for _ in range(2500):
        maker = Maker(chance)
        graph = maker.graph()
        op = maker.operation(graph)
        if not isinstance(tried(graph, [op]), ApiError):
            done[op["op"]] = done.get(op["op"], 0) + 1
    assert done.keys() == OPERATIONS.keys()
    assert min(done.values()) >= 3
