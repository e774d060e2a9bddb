"""Which inputs of a node class its own validation judges, so that ComfyUI does not.

A class may have a ``VALIDATE_INPUTS`` (V1) or ``validate_inputs`` (V3). ComfyUI (execution.py,
``validate_inputs``) gives it the inputs that its parameters name, and checks neither the range nor the
options of those; with ``**kwargs`` it gets every input, with a parameter ``input_types`` it judges the types
of links. Here the signature is read, the function is never called. Nothing imports ComfyUI.
"""

from __future__ import annotations

import inspect
import itertools
from typing import Any

EVERY_INPUT = "*"
"""Stands for ``**kwargs``."""


def v1_own_checks(node_class: Any) -> frozenset[str]:
    """Give the names of the inputs that a V1 class judges; never raises."""
    try:
        return judged_by(getattr(node_class, "VALIDATE_INPUTS", None))
    except Exception:  # odd classes are common
        return frozenset({EVERY_INPUT})


def v3_own_checks(node_class: Any) -> frozenset[str]:
    """Give the names of the inputs that a V3 class judges; never raises."""
    try:
        return judged_by(_override(node_class, node_class.GET_BASE_CLASS(), "validate_inputs"))
    except Exception:  # as above
        return frozenset({EVERY_INPUT})


def _override(node_class: Any, base: Any, name: str) -> Any:
    """Give the method if a class before *base* has one of its own: that of *base* is a placeholder."""
    placeholder = base.__dict__.get(name)
    before = itertools.takewhile(lambda ancestor: ancestor is not base, node_class.__mro__)
    own = any(ancestor.__dict__.get(name, placeholder) is not placeholder for ancestor in before)
    return getattr(node_class, name) if own else None


def judged_by(check: Any) -> frozenset[str]:
    """Give the parameters of *check* as ComfyUI reads them: keyword-only ones do not count.

    A class whose check has no signature is left to ComfyUI altogether, as if it took ``**kwargs``.
    """
    if check is None:
        return frozenset()
    try:
        # the function ComfyUI asks: unlike inspect.signature, it does not look through decorators
        declared = inspect.getfullargspec(check)
    except TypeError:
        return frozenset({EVERY_INPUT})
    names = declared.args[1:] if inspect.ismethod(check) else declared.args
    return frozenset([*names, EVERY_INPUT] if declared.varkw is not None else names)
