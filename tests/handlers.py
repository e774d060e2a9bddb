"""What the handlers of the routes read of a request, found in their source."""

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass, field, fields
from typing import Any

from backplane import routes
from backplane.services import Services
from backplane.settings import Settings
from pydantic import BaseModel

ROOM = routes.__name__
HEADERS = {"Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID"}


def table():
    """Give (method, path) → handler; the table only names them, so nothing behind them is needed."""
    nothing: Any = dict.fromkeys((part.name for part in fields(Services)), None)
    rows = routes.table(Services(**nothing | {"settings": Settings()}))
    return {(row.method, re.sub(r"\{(\w+):[^{}]+\}", r"{\1}", row.path)): row.handler for row in rows}


@dataclass
class Reads:
    """What a handler reads, itself or through others of the routes."""

    checks_query: bool = False
    query: set = field(default_factory=set)
    patterns: bool = False
    """Whether it takes query parameters by a pattern."""
    ranges: dict = field(default_factory=dict)
    """query_int's name → (default, least, most)."""
    flags: set = field(default_factory=set)
    models: set = field(default_factory=set)
    headers: set = field(default_factory=set)


def reads(handler):
    """Follow a handler into all functions and methods of the routes that it calls."""
    found, seen, left = Reads(), set(), [handler]
    while left:
        function = left.pop()
        code = inspect.unwrap(getattr(function, "__func__", function))
        if code in seen:
            continue
        seen.add(code)
        owner = getattr(function, "__self__", None)
        tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value in HEADERS:
                found.headers.add(node.value)
            if isinstance(node, ast.Call):
                note(found, node, code.__globals__)
                called = resolved(node.func, owner, code.__globals__)
                if called is not None:
                    left.append(called)
    return found


def resolved(called, owner, names):
    """Give the function of the routes that is called, if it is one."""
    match called:
        case ast.Name(name):
            target = names.get(name)
        case ast.Attribute(ast.Name("self"), name):
            target = getattr(owner, name, None)
        case ast.Attribute(ast.Attribute(ast.Name("self"), part), name):
            target = getattr(getattr(owner, part, None), name, None)
        case _:
            return None
    own = inspect.isroutine(target) and (getattr(target, "__module__", "") or "").startswith(ROOM)
    return target if own else None


def note(found, call, names):
    """Note what one call reads."""

    def value(node):
        return eval(compile(ast.Expression(node), "handler", "eval"), dict(names))

    found.models |= {
        names[argument.id]
        for argument in call.args
        if isinstance(argument, ast.Name)
        and inspect.isclass(names.get(argument.id))
        and issubclass(names[argument.id], BaseModel)
    }
    match call:
        case ast.Call(ast.Name("known_query"), [_, *given]):
            found.checks_query = True
            found.patterns |= any(isinstance(each, ast.Starred) for each in given)
            found.query |= {each.value for each in given if isinstance(each, ast.Constant)}
        case ast.Call(ast.Name("query_int"), [_, ast.Constant(name), default], keywords):
            bounds = {keyword.arg: value(keyword.value) for keyword in keywords}
            found.ranges[name] = (value(default), bounds["least"], bounds["most"])
        case ast.Call(ast.Name("flag"), [_, ast.Constant(name)]):
            found.flags.add(name)
