"""The inputs of a template as JSON Schema. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import JSON
from ..nodespec import NodeSpec
from .files import FILE_TYPES, file_schema
from .kinds import RANDOM
from .rules import Rule, rules_of
from .values import UNSET, Template

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = {
    "string": "string",
    "model": "string",
    "boolean": "boolean",
    "integer": "integer",
    "number": "number",
}


def schema(template: Template, specs: Mapping[str, NodeSpec]) -> JSON:
    """Give the JSON Schema (2020-12) of a template's inputs on this server.

    What it accepts, :func:`.filling.fill` takes, and the other way round. ``x-backplane`` of each input
    says what JSON Schema has no word for.
    """
    rules = rules_of(template, specs)
    return {
        "$schema": DIALECT,
        "title": template.document.get("title") or template.name,
        **({"description": text} if (text := template.document.get("description")) else {}),
        "type": "object",
        "properties": {name: _property(rule) for name, rule in rules.items()},
        "required": [name for name, rule in rules.items() if rule.required],
        "additionalProperties": False,
        "x-backplane": {"name": template.name, "version": template.version, "digest": template.digest},
    }


def _property(rule: Rule) -> JSON:
    declared = rule.declared
    about: JSON = {"title": declared.title or declared.name.replace("_", " ").capitalize()}
    text = declared.description or (rule.param.tooltip if rule.param is not None else None)
    if text:
        about["description"] = text
    if rule.default is not UNSET:
        about["default"] = rule.default
    return {**about, **_values(rule), "x-backplane": _hints(rule)}


def _values(rule: Rule) -> JSON:
    kind = rule.declared.type
    if kind in FILE_TYPES:
        return file_schema()
    if kind == "seed":
        return {"anyOf": [{"type": "integer", **_limits(rule)}, {"const": RANDOM}]}
    enum = {} if rule.options is None else {"enum": list(rule.options)}
    return {"type": _TYPES[kind], **enum, **_limits(rule)}


def _limits(rule: Rule) -> JSON:
    limits = {"minimum": rule.least, "maximum": rule.most}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _hints(rule: Rule) -> JSON:
    declared, param = rule.declared, rule.param
    step = declared.step if declared.step is not None else param.step if param is not None else None
    hints: dict[str, Any] = {
        "type": declared.type,
        "step": step if declared.type in {"integer", "number"} else None,
        "multiline": rule.multiline or None,
        "folder": param.folder if param is not None and declared.type == "model" else None,
        "default_missing": rule.default_fault,
    }
    return {name: hint for name, hint in hints.items() if hint is not None}
