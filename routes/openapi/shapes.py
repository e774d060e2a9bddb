"""Short words for JSON Schema (2020-12)."""

from __future__ import annotations

from ...errors import JSON

TIME: JSON = {"type": "string", "format": "date-time"}
TEXT: JSON = {"type": "string"}
WHOLE: JSON = {"type": "integer"}
BYTES: JSON = {"type": "integer", "minimum": 0}
SECONDS: JSON = {"type": "number", "minimum": 0}
FRACTION: JSON = {"type": "number", "minimum": 0, "maximum": 1}
FLAG: JSON = {"type": "boolean"}
ANYTHING: JSON = {}
OBJECT: JSON = {"type": "object"}


def ref(name: str) -> JSON:
    """Point to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(schema: JSON) -> JSON:
    """Give the schema of an array of such values."""
    return {"type": "array", "items": schema}


def or_null(schema: JSON) -> JSON:
    """Give the schema of such a value or null."""
    if "type" in schema and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def by_name(schema: JSON) -> JSON:
    """Give the schema of an object whose values are such, whatever their names."""
    return {"type": "object", "additionalProperties": schema}


def one_of(*values: str) -> JSON:
    """Give the schema of one of these words."""
    return {"type": "string", "enum": list(values)}


def shape(description: str = "", optional: tuple[str, ...] = (), /, **properties: JSON) -> JSON:
    """Give the schema of an object with these keys, all always there but the *optional* ones."""
    return {
        "type": "object",
        **({"description": description} if description else {}),
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def paged(item: JSON, optional: tuple[str, ...] = (), /, **more: JSON) -> JSON:
    """Give the schema of one page of a list."""
    return shape("", optional, **more, items=listed(item), next_cursor=or_null(TEXT))


def merge(known: dict[str, JSON], more: dict[str, JSON]) -> None:
    """Add schemas to those there are. Raises ValueError for two of one name that differ."""
    for name, schema in more.items():
        if known.setdefault(name, schema) != schema:
            raise ValueError(f"two schemas are called {name}")
