"""Node classes."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import JSON
from .described import CURSOR, WORDS, Operation, switch, text, whole
from .shapes import ANYTHING, BYTES, FLAG, TEXT, WHOLE, by_name, listed, one_of, or_null, paged, ref, shape

_PAGE_OF_NODES = {
    "limit": whole(50, 1, 1000, "Most items of a page."),
    "cursor": CURSOR,
}

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/ext/catalog"): Operation(
        "listNodes",
        "Every node class of this server",
        ref("Catalog"),
        query={
            "q": WORDS,
            "category": text("A category, and those below it."),
            "fields": text("Keys of a NodeSpec, comma-separated."),
            "deprecated": switch("0 without deprecated nodes, 1 only those."),
        },
        conditional=True,
    ),
    ("GET", "/ext/catalog/{class_type}"): Operation(
        "getNode", "One node class", ref("NodeSpec"), conditional=True
    ),
    ("GET", "/ext/catalog/{class_type}/next"): Operation(
        "listNextNodes",
        "Nodes that take one of its outputs, the likeliest first",
        ref("Neighbours"),
        query={"output": text("Slot number or name of the output.", default="0"), **_PAGE_OF_NODES},
    ),
    ("GET", "/ext/catalog/{class_type}/previous"): Operation(
        "listPreviousNodes",
        "Nodes that give what one of its inputs takes, the likeliest first",
        ref("Neighbours"),
        query={"input": text("Name of the input; the first one if absent."), **_PAGE_OF_NODES},
    ),
}


def schemas() -> dict[str, JSON]:
    """Give the schemas of replies."""
    port: dict[str, JSON] = {"name": TEXT, "type": TEXT}
    fine: dict[str, JSON] = {"display_name": TEXT, "lazy": FLAG, "tooltip": TEXT}
    variants = by_name(shape(inputs=listed(ref("Input")), params=listed(ref("Param"))))
    grows = shape("", ("prefix", "names"), prefix=TEXT, names=listed(TEXT), min=BYTES, max=or_null(BYTES))
    inputs: dict[str, JSON] = {**fine, "list": FLAG, "match": TEXT, "grows": grows, "variants": variants}
    params: dict[str, JSON] = {
        **fine,
        "linkable": FLAG,
        "link_type": TEXT,
        "options": listed(ANYTHING),
        "variants": variants,
        "multiline": FLAG,
        "control_after_generate": ANYTHING,
        "upload": ANYTHING,
        "folder": TEXT,
        "advanced": FLAG,
        "default": ANYTHING,
        "min": {"type": "number"},
        "max": {"type": "number"},
        "step": {"type": "number"},
    }
    slot: dict[str, JSON] = {"list": FLAG, "match": TEXT, "options": listed(ANYTHING), "tooltip": TEXT}
    terse = "What is absent or default is left out; a node's further hints are there as they are."
    open_ = {"additionalProperties": True}
    return {
        "NodeSpec": shape(
            "A node class. Fewer keys with ?fields=.",
            ("search_aliases",),
            name=TEXT,
            display_name=TEXT,
            category=TEXT,
            description=TEXT,
            pack=TEXT,
            inputs=listed(ref("Input")),
            outputs=listed(ref("OutputSlot")),
            params=listed(ref("Param")),
            flags=shape(
                "",
                ("dev_only",),
                output_node=FLAG,
                deprecated=FLAG,
                experimental=FLAG,
                api_node=FLAG,
                dev_only=FLAG,
            ),
            search_aliases=listed(TEXT),
        ),
        "Input": {**shape(terse, tuple(inputs), **port, required=FLAG, **inputs), **open_},
        "Param": {**shape(terse, tuple(params), **port, required=FLAG, **params), **open_},
        "OutputSlot": shape(terse, tuple(slot), **port, **slot),
        "Catalog": shape(revision=TEXT, nodes=listed(ref("NodeSpec"))),
        "Neighbours": paged(
            shape(
                "",
                ("slot",),
                name=TEXT,
                display_name=TEXT,
                category=TEXT,
                port=TEXT,
                port_type=TEXT,
                slot=WHOLE,
                match=one_of("exact", "union", "wildcard"),
                count=BYTES,
                ports=listed(ANYTHING),
            )
        ),
    }
