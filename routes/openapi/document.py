"""The OpenAPI document (3.1), of the route table, the operations and the schemas. For threads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...breath import Breath
from ...errors import JSON
from . import catalog, faults, models, sessions, system, tasks, templates, workflows
from .described import JSON_TYPE, Body, Operation
from .shapes import merge, ref

VERSION = "3.1.1"

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    **system.OPERATIONS,
    **catalog.OPERATIONS,
    **models.OPERATIONS,
    **workflows.OPERATIONS,
    **sessions.OPERATIONS,
    **templates.OPERATIONS,
    **tasks.OPERATIONS,
}
"""(method, path) → what it does: one entry for each row of the route table."""

SCHEMAS = (
    *(faults.schemas, system.schemas, catalog.schemas, models.schemas),
    *(workflows.schemas, sessions.schemas, templates.schemas, tasks.schemas),
)

_PATHS = {
    "id": "The id that it was answered with.",
    "n": "Number of the output, from 0.",
    "class_type": "Name of a node class; may contain slashes.",
    "folder": "A model folder, such as checkpoints.",
    "path": "Name of a file in the folder; may contain slashes.",
    "name": "A name.",
    "version": "Number of a version.",
}
_REPEAT = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "The same key and body within 24 hours: the first answer again, nothing done twice.",
}
_UNLESS = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "An ETag: if it still holds, the answer is a 304 without a body.",
}
_IF = {
    "name": "If-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "An ETag: if it no longer holds, nothing is changed and the answer is a 412.",
}
_RESUME = {
    "name": "Last-Event-ID",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The id of the last event that was received: the stream goes on after it.",
}
_HEADERS: dict[str, JSON] = {
    "ETag": {"schema": {"type": "string"}, "description": "Changes with the content."},
    "Location": {"schema": {"type": "string"}, "description": "Where what was made is."},
    "Idempotent-Replayed": {
        "schema": {"type": "string", "const": "true"},
        "description": "The answer is that of the first request with this key.",
    },
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds until it may be tried again."},
}
_WORDS = {
    200: "As asked",
    201: "It is made",
    202: "It is queued, or takes its time",
    204: "Done; there is nothing to say",
    302: "Go to what Location says",
    503: "The same, while something is wrong",
}
_REFUSALS = {
    400: ("Unreadable", "The request cannot be read as asked"),
    404: ("NotFound", "There is no such thing"),
    409: ("Conflict", "The request is right, the moment is not"),
    412: ("Stale", "It is another version than If-Match names"),
    413: ("TooLarge", "The body is too large"),
    422: ("Refused", "It was read, but cannot be done"),
}
"""Status → the name of its response among the components, and what it means."""


def document(routes: Sequence[tuple[str, str]], named: Sequence[tuple[str, JSON]], *, version: str) -> JSON:
    """Describe *routes*, each (method, path). *named*: templates, each ``name@version`` and its inputs."""
    schemas = {name: schema for part in SCHEMAS for name, schema in part().items()}
    paths: dict[str, JSON] = {}
    breath = Breath()
    for method, path in routes:
        breath.take()
        operation = OPERATIONS.get((method, path)) or _undescribed(method, path)
        if operation.body is not None:
            _add_bodies(schemas, operation.body)
        paths.setdefault(path, {})[method.lower()] = _operation(path, operation)
    if named and "/ext/tasks" in paths:
        paths["/ext/tasks"]["post"]["requestBody"]["content"][JSON_TYPE]["schema"] = _orders(schemas, named)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Backplane",
            "version": version,
            "summary": "A running ComfyUI server as an API server",
            "description": "Nodes, models, downloads, workflows and tasks of this very server, its templates"
            " included. docs/api.md says more.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [
            {"url": "/", "description": "As it is"},
            {"url": "/api", "description": "The same once more, as ComfyUI does with its own routes"},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Error": _error("Anything else that went wrong; the code says what"),
                **{name: _error(meaning) for name, meaning in _REFUSALS.values()},
            },
            "headers": _HEADERS,
        },
        "tags": [{"name": name} for name in dict.fromkeys(_tag(path) for path in paths)],
    }


def _operation(path: str, operation: Operation) -> JSON:
    parameters: list[JSON] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": _PATHS.get(name, name),
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    for name, described in operation.query.items():
        schema = {key: value for key, value in described.items() if key != "description"}
        spread = {"style": "form", "explode": True} if schema.get("type") == "object" else {}
        about = {"description": described["description"]} if "description" in described else {}
        parameters.append({"name": name, "in": "query", **spread, "schema": schema, **about})
    headers = [
        (operation.repeatable, _REPEAT),
        (operation.conditional, _UNLESS),
        (operation.guarded, _IF),
        (operation.resumes, _RESUME),
    ]
    parameters += [header for wanted, header in headers if wanted]
    found: JSON = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [_tag(path)],
        "responses": _responses(path, operation),
    }
    if parameters:
        found["parameters"] = parameters
    if operation.body is not None:
        found["requestBody"] = {"required": operation.body.required, "content": _content(operation.body)}
    return found


def _responses(path: str, operation: Operation) -> JSON:
    content: JSON = {media: {"schema": schema} for media, schema in operation.media.items()}
    if operation.reply is not None:
        content[JSON_TYPE] = {"schema": operation.reply}
    names = [
        *(["ETag"] if operation.conditional else []),
        *(["Location"] if operation.located else []),
        *(["Idempotent-Replayed"] if operation.repeatable else []),
    ]
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    found: JSON = {}
    for status in operation.statuses:
        about: JSON = {"description": _WORDS[status]}
        if headers and status < 300:
            about["headers"] = headers
        if content and status != 204:
            about["content"] = content
        found[str(status)] = about
    if operation.conditional:
        found["304"] = {"description": "What If-None-Match names still holds"}
    refused = [
        400,
        *([404] if "{" in path else []),
        *([409] if operation.repeatable else []),
        *([412] if operation.guarded else []),
        *([413, 422] if operation.body is not None else []),
    ]
    found |= {str(status): {"$ref": f"#/components/responses/{_REFUSALS[status][0]}"} for status in refused}
    return {**found, "default": {"$ref": "#/components/responses/Error"}}


def _error(description: str) -> JSON:
    return {
        "description": description,
        "headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}},
        "content": {JSON_TYPE: {"schema": ref("Error")}},
    }


def _content(body: Body) -> JSON:
    schemas = [ref(model.__name__) for model in body.models]
    own = {JSON_TYPE: schemas[0] if len(schemas) == 1 else {"anyOf": schemas}} if schemas else {}
    return {media: {"schema": schema} for media, schema in {**own, **body.schemas}.items()}


def _add_bodies(schemas: dict[str, JSON], body: Body) -> None:
    for model in body.models:
        schema: dict[str, Any] = model.model_json_schema(ref_template="#/components/schemas/{model}")
        merge(schemas, schema.pop("$defs", {}))
        merge(schemas, {model.__name__: schema})


def _orders(schemas: dict[str, JSON], named: Sequence[tuple[str, JSON]]) -> JSON:
    """Add what POST /ext/tasks takes for each template; give the schema of its body."""
    mapping: dict[str, str] = {}
    for name, schema in named:
        key = name.replace("@", ".")  # which no component's name may have, and no template's a dot
        inputs = {word: value for word, value in schema.items() if word != "$schema"}
        own = {"template": {"const": name}, "inputs": ref(f"template.{key}")}
        needed = ["template", *(["inputs"] if inputs.get("required") else [])]
        order: JSON = {"allOf": [ref("NewTask"), {"type": "object", "properties": own, "required": needed}]}
        merge(schemas, {f"template.{key}": inputs, f"task.{key}": order})
        mapping[name] = f"#/components/schemas/task.{key}"
    others = {"properties": {"template": {"not": {"enum": list(mapping)}}}}
    return {
        "anyOf": [
            {"allOf": [ref("NewTask"), others], "description": "What is made of no template listed here."},
            {
                "oneOf": [{"$ref": pointer} for pointer in mapping.values()],
                "discriminator": {"propertyName": "template", "mapping": mapping},
            },
        ]
    }


def _tag(path: str) -> str:
    parts = path.strip("/").split("/")
    return parts[1] if parts[0] == "ext" and parts[1:2] not in ([], ["live"], ["health"]) else "system"


def _undescribed(method: str, path: str) -> Operation:
    words = re.sub(r"\W+", " ", path.removeprefix("/ext")).split()
    name = method.lower() + "".join(word.capitalize() for word in words)
    return Operation(name, f"{method} {path}", {})
