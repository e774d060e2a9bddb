"""What is wrong with one node: its links, its values, what it lacks."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ..errors import JSON
from ..graph import is_link
from ..nodespec import accepts
from .closest import SHOWN_OPTIONS
from .finding import Severity
from .look import Look, meeting, suits
from .net import Hop
from .shapes import Field, Shape
from .values import LINKS_ONLY, Rule, misfit_of, shortened


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong, before it is told: a finding is made of it, and a fix."""

    code: str
    node_id: str | None
    name: str | None
    text: str
    """What is wrong, as the end of a sentence that begins with the node and the input."""
    hint: str | None = None
    details: JSON = field(default_factory=dict[str, Any])
    severity: Severity = "error"
    circle: tuple[Hop, ...] = ()


def unknown_classes(look: Look) -> Iterator[Fault]:
    """Find nodes whose class is not here: ComfyUI refuses the whole workflow for one, wherever it is."""
    for node_id, node in look.graph.items():
        class_type: str = node["class_type"]
        if class_type not in look.specs:
            matches = look.closest.of(class_type, look.specs.keys())
            yield Fault(
                "UNKNOWN_NODE_CLASS",
                node_id,
                None,
                f"this server has no node class {shortened(class_type)}.",
                f"Did you mean {matches[0]}?" if matches else "Install the node pack that brings it.",
                {"close_matches": matches},
            )


def faults_of(look: Look, node_id: str) -> Iterator[Fault]:
    """Find all that is wrong with one node, but for its class and for circles."""
    inputs, shape = look.inputs(node_id), look.shape(node_id)
    fields: Mapping[str, Field] = {} if shape is None else shape.fields
    if not isinstance(look.graph[node_id].get("inputs"), Mapping):
        text = "it has no inputs, not even an empty object, and ComfyUI looks for that."
        yield Fault("BAD_NODE", node_id, None, text, 'Write "inputs": {}.')
    fitting = look.fitting(node_id)
    extra: list[str] = []
    for name, value in inputs.items():
        about = fields.get(name)
        if about is None:
            extra.append(name)
        elif name in fitting:
            continue
        if isinstance(value, list):
            yield from _link_faults(look, node_id, shape, name, cast("list[Any]", value))
        elif about is not None and (not about.rule.free or about.takes in LINKS_ONLY):
            yield from _value_faults(look, node_id, name, about, value)
    if shape is not None:
        yield from _shape_faults(look, node_id, shape, extra)


def _shape_faults(look: Look, node_id: str, shape: Shape, extra: list[str]) -> Iterator[Fault]:
    inputs = look.inputs(node_id)
    for name in shape.required:
        if name not in inputs:
            yield _missing(shape, node_id, name, near(shape, inputs, extra, name))
    if extra:
        yield from _extra_faults(look, node_id, shape, extra)
    if shape.matched:
        yield from _match_faults(look, node_id, shape)


# links


def _link_faults(
    look: Look, node_id: str, shape: Shape | None, name: str, value: list[Any]
) -> Iterator[Fault]:
    about = None if shape is None else shape.fields.get(name)
    if not is_link(value):
        if shape is not None and about is None and not _runs_as_link(value):
            return  # ComfyUI looks at no value that the class does not ask for
        hint = 'A link is [node id, slot]; if the array is a value, write it as {"__value__": […]}.'
        yield Fault("BAD_LINK", node_id, name, "an array must be a link [node id, slot].", hint)
        return
    source: str = value[0]
    slot: int = value[1]
    if source not in look.graph:
        matches = look.closest.of(source, look.graph.keys())
        yield Fault(
            "DANGLING_LINK",
            node_id,
            name,
            f"it links to node {shortened(source)}, which is not in the workflow.",
            f"Did you mean {matches[0]!r}?" if matches else None,
            {"close_matches": matches},
        )
        return
    spec = look.spec(source)
    if spec is None:
        return  # already a finding
    count = len(spec.outputs)
    if not 0 <= slot < count:
        slots = f"slots 0 to {count - 1}" if count > 1 else "slot 0 only" if count else "no outputs"
        yield Fault(
            "LINK_SLOT_OUT_OF_RANGE",
            node_id,
            name,
            f"it links to slot {slot} of node {source} ({spec.name}), which has {slots}.",
            None,
            {"outputs": [output.name for output in spec.outputs]},
        )
    elif about is not None and shape is not None:
        yield from _type_faults(look, node_id, shape, name, (source, slot))
    elif shape is not None and shape.closed:
        yield Fault(
            "PORT_UNKNOWN",
            node_id,
            name,
            f"{shape.spec.name} has no such input: it would be handed a value that it does not know.",
            severity="warning",
        )


def _runs_as_link(value: list[Any]) -> bool:
    """Say whether ComfyUI takes it for a link when it runs, though its slot is no whole number."""
    return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int | float)


def _type_faults(look: Look, node_id: str, shape: Shape, name: str, out: tuple[str, int]) -> Iterator[Fault]:
    about = shape.fields[name]
    given, output = look.gives(out), look.output(out)
    if about.rule.variants:
        yield Fault(
            "TYPE_MISMATCH",
            node_id,
            name,
            "it decides which inputs there are, so it takes a value and no link.",
            details={"options": list(about.rule.options or ())[:SHOWN_OPTIONS]},
        )
        return
    if given is None or output is None or "input_types" in shape.spec.own_checks:
        return
    if suits(about, given, output):
        return
    # ComfyUI leaves match types to its page, and would let this pass
    matched = about.match is not None or output.match is not None
    whose = f"output {out[1]} ({output.name}) of node {out[0]} gives {given}"
    takes = f"one of {shortened(about.options)}" if about.options is not None else about.takes
    yield Fault(
        "MATCH_TYPE_CONFLICT" if matched else "TYPE_MISMATCH",
        node_id,
        name,
        f"it takes {takes}, and {whose}.",
        details={"takes": about.takes, "gives": given},
    )


def _match_faults(look: Look, node_id: str, shape: Shape) -> Iterator[Fault]:
    """Find links into inputs of one match that share no type."""
    for match in dict.fromkeys(shape.fields[name].match for name in shape.matched):
        kinds: list[str] = []
        for name, kind in look.matched(node_id, match or ""):
            if meeting([*kinds, kind]) is not None:
                kinds.append(kind)
            elif accepts(shape.fields[name].takes, kind) is not None:  # else that is told already
                others = [n for n in shape.matched if n != name and shape.fields[n].match == match]
                yield Fault(
                    "MATCH_TYPE_CONFLICT",
                    node_id,
                    name,
                    f"it has to be of one type with {', '.join(others[:3])}, which are"
                    f" {meeting(kinds)}, not {kind}.",
                    details={"takes": meeting(kinds), "gives": kind, "match": match},
                )


# values


def _value_faults(look: Look, node_id: str, name: str, about: Field, value: Any) -> Iterator[Fault]:
    rule = about.rule
    if rule.free:  # and so it takes links only
        if value is not None:
            text = f"{shortened(value)} stands where a link to an output of type {about.takes} belongs."
            hint = "Write a link as [node id, slot]."
            yield Fault("VALUE_WRONG_TYPE", node_id, name, text, hint, severity="warning")
        return
    misfit = misfit_of(rule, value, look.has_file)
    if misfit is None:
        return
    details = dict(misfit.details or {})
    hint = None
    if misfit.code == rule.missing:
        details = options_told(look, rule, misfit.value)
        close = details["close_matches"]
        hint = f"Did you mean {close[0]!r}?" if close else None
        if rule.folder is not None:
            details["folder"] = rule.folder
            hint = hint or "POST /ext/models/download fetches models."
        elif rule.upload:
            hint = hint or "Upload the file, or name one that is there."
    # ComfyUI leaves a dynamic combo with an unknown key out, which only a required one cannot do without
    severity: Severity = "warning" if rule.variants and not about.required else "error"
    yield Fault(misfit.code, node_id, name, misfit.text, hint, details, severity)


def options_told(look: Look, rule: Rule, value: Any) -> JSON:
    """Give what a finding tells of the options."""
    options = rule.options or ()
    return {
        "options": list(options[:SHOWN_OPTIONS]),
        "options_total": len(options),
        "close_matches": look.closest.options(value, options),
    }


# what is lacking, and what is too much


def near(shape: Shape, inputs: Mapping[str, Any], extra: list[str], name: str) -> str | None:
    """Give the input that seems to be meant by *name* and misspelt; None if there is none."""
    parent, _, leaf = name.rpartition(".")
    for each in extra:
        theirs, _, other = each.rpartition(".")
        if theirs == parent and name not in inputs and name in shape.fields:
            least = 0.6 if shape.fields[name].required else 0.8  # what may be left out is seldom meant
            if difflib.SequenceMatcher(None, leaf.casefold(), other.casefold()).ratio() >= least:
                return each
    return None


def _missing(shape: Shape, node_id: str, name: str, misspelt: str | None) -> Fault:
    about = shape.fields[name]
    type_ = about.port.type
    details: JSON = {"type": type_}
    if about.param is None:
        hint = f"Link an output of type {type_} to it."
    else:
        hint = "Set it."
        default = about.param.default
        if default is None and about.rule.options:
            default = about.rule.options[0]
        if default is not None:
            hint = f"Set it; the default is {shortened(default)}."
            details["default"] = default
    if misspelt is not None:
        hint = f"Is {misspelt!r} meant to be {name!r}?"
        details["misspelt"] = misspelt
    return Fault("MISSING_INPUT", node_id, name, f"the input {name} ({type_}) is missing.", hint, details)


def _extra_faults(look: Look, node_id: str, shape: Shape, extra: list[str]) -> Iterator[Fault]:
    """Find values of inputs that seem to be misspelt; others that the class does not know do no harm."""
    inputs = look.inputs(node_id)
    for name, about in shape.fields.items():
        if about.required or name in inputs:
            continue
        misspelt = near(shape, inputs, extra, name)
        if misspelt is not None and not isinstance(inputs[misspelt], list):
            yield Fault(
                "PARAM_UNKNOWN",
                node_id,
                misspelt,
                f"{shape.spec.name} has no such input, and ignores it.",
                f"Did you mean {name!r}?",
                {"meant": name},
                "warning",
            )
