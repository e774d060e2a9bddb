"""What a node class takes and gives, as values: one shape for V1 and V3 nodes.

*Inputs* are sockets, *params* are widgets; both are keys of a node's ``inputs`` in the API format. A
dynamic V3 input is one entry that says how it unfolds:

* ``grows`` (autogrow): the entry's own name is no input; the names that :class:`Grows` gives are.
* ``variants`` (dynamic combo): by the param's value, the ports that exist beside it. On an *input*
  (dynamic slot) there is one key, ``"linked"``: the ports that exist once it is linked.
* ``match``: every port of the node with the same ``match`` has the same type in a given workflow; ``type``
  then holds what is allowed.

Nested names are complete: ``resize_type.width``, ``images.image0``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

LINKED = "linked"
"""The one key of the variants of a dynamic slot."""

NO_HINTS: Mapping[str, Any] = MappingProxyType({})


def _no_hints() -> Mapping[str, Any]:
    return NO_HINTS  # unhashable before Python 3.12, which dataclasses take for mutable


@dataclass(frozen=True, slots=True)
class Grows:
    """The names of an input that grows as it is linked: listed, or ``prefix`` + number from 0."""

    least: int
    most: int
    """The first *least* are required if the input is; *most* exist."""
    prefix: str | None = None
    listed: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Give every name it can have, in order."""
        if self.prefix is None:
            return self.listed
        return tuple(f"{self.prefix}{number}" for number in range(self.most))


@dataclass(frozen=True, slots=True)
class Input:
    """A socket: it takes a link and nothing else."""

    name: str
    type: str
    """A type, a union ``"IMAGE,MASK"``, or ``"*"``."""
    required: bool
    lazy: bool = False
    list: bool = False
    """The node gets all items of a list at once (INPUT_IS_LIST)."""
    tooltip: str | None = None
    display_name: str | None = None
    match: str | None = None
    grows: Grows | None = None
    variants: Mapping[str, Ports] | None = None
    hints: Mapping[str, Any] = field(default_factory=_no_hints)
    """Further options of the definition, in their JSON names (``default``, ``advanced``, ``min``, …)."""

    @property
    def link_type(self) -> str:
        """The type of link it takes."""
        return self.type


@dataclass(frozen=True, slots=True)
class Param:
    """A widget: its value is written into the workflow; where *link_type* is set it may be linked instead."""

    name: str
    type: str
    """``STRING``, ``INT``, ``FLOAT``, ``BOOLEAN``, ``COMBO``, or the type of a special widget."""
    required: bool
    link_type: str | None = None
    """The type of link it takes, or None for a widget without a socket."""
    lazy: bool = False
    default: Any = None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    options: tuple[Any, ...] | None = None
    """The values of a COMBO; None where the client fetches them itself (``remote``)."""
    variants: Mapping[str, Ports] | None = None
    multiline: bool = False
    control_after_generate: bool | str = False
    upload: str | None = None
    """``image``, ``audio``, ``video`` or ``file``: a new value may be uploaded."""
    folder: str | None = None
    """The model folder whose files the options are."""
    advanced: bool = False
    tooltip: str | None = None
    display_name: str | None = None
    listed: bool = False
    """A COMBO whose type is the list itself, as V1 declares it: it takes links of exactly that type only."""
    hints: Mapping[str, Any] = field(default_factory=_no_hints)
    """Further options, in their JSON names: ``round``, ``display``, ``placeholder``, ``multiselect``, …"""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a node takes, or what one variant of it adds."""

    inputs: tuple[Input, ...] = ()
    params: tuple[Param, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """What an output slot gives; its place in :attr:`NodeSpec.outputs` is the slot's number."""

    name: str
    type: str
    list: bool = False
    tooltip: str | None = None
    match: str | None = None
    options: tuple[Any, ...] | None = None
    """The values of an output declared by a list of them (its type is then COMBO)."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What kind of node it is."""

    output_node: bool = False
    deprecated: bool = False
    experimental: bool = False
    api_node: bool = False
    dev_only: bool = False


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node class. *name* is its class_type; *pack* is ``core``, ``extras``, ``api`` or a pack's folder."""

    name: str
    display_name: str
    category: str
    description: str
    pack: str
    ports: Ports
    outputs: tuple[Output, ...] = ()
    flags: Flags = Flags()
    search_aliases: tuple[str, ...] = ()
    own_checks: frozenset[str] = frozenset()
    """Inputs that the class's own VALIDATE_INPUTS judges, which ComfyUI then leaves to it (options, ranges).

    ``"*"``: every input (it takes ``**kwargs``). ``"input_types"``: the types of links, too.
    """

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The sockets, dynamic ones as declared."""
        return self.ports.inputs

    @property
    def params(self) -> tuple[Param, ...]:
        """The widgets, dynamic ones as declared."""
        return self.ports.params
