"""The sandbox's node classes, in V1 style. Names, inputs, ranges and outputs are those of ComfyUI's nodes."""

from __future__ import annotations

from . import control, dynamic, edges, guidance, images, loaders, primitives, scaling, text_to_image
from .base import Node, Studio


def builtin(studio: Studio) -> dict[str, type[Node]]:
    """Give all node classes by class_type, working in *studio*."""
    classes: tuple[type[Node], ...] = (
        *images.CLASSES,
        *primitives.CLASSES,
        *dynamic.CLASSES,
        *text_to_image.CLASSES,
        *loaders.CLASSES,
        *guidance.CLASSES,
        *scaling.CLASSES,
        *edges.CLASSES,
        *control.CLASSES,
    )
    return {node_class.__name__: node_class.bound(studio) for node_class in classes}
