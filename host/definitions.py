"""Reads off a node class's code which file lists its definition depends on.

A node class builds its definition anew whenever it is asked (``INPUT_TYPES`` or ``define_schema``), and
those that list files read the disk each time. Knowing which lists a class reads lets the catalogue keep
every other definition as it is. The code is only looked at, never run, and never patched.

Nothing here imports ComfyUI; it works on the class objects it is given.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

LISTING = frozenset({"listdir", "scandir", "walk", "iterdir", "glob", "rglob", "recursive_search"})
"""Names by which Python code lists a folder."""

INPUT_FOLDER = frozenset({"get_input_directory", "get_input_subfolders"})
"""Names by which a node reaches the folder of uploaded files."""

FOLLOWED_DEPTH = 3
"""How far helper functions are followed; ComfyUI's own need one step (``VAELoader.vae_list``)."""


@dataclass(frozen=True, slots=True)
class FileUse:
    """What a class's definition reads."""

    lists: frozenset[str] | None
    """Model folders and ``"input"``; None: it lists something, but what cannot be told."""
    param_folders: Mapping[str, str] = field(default_factory=dict[str, str])
    """Parameter → model folder, where the code says so."""


NOTHING = FileUse(frozenset())


def file_use(node_class: type, folders: Collection[str]) -> FileUse:
    """Tell what *node_class* reads; *folders* are the names of the model folders. Never raises."""
    try:
        entry = _entry(node_class)
        if entry is None:
            return NOTHING
        lists: set[str] = set()
        known = True
        for function in _followed(entry, node_class):
            found = _lists_of(function.__code__, folders)
            if found is None:
                known = False
            else:
                lists |= found
        if not lists and known:
            return NOTHING
        return FileUse(frozenset(lists) if known else None, _param_folders(entry, node_class, folders))
    except Exception:  # odd classes are common, and not knowing is always safe
        return FileUse(None)


def _entry(node_class: type) -> FunctionType | None:
    for name in ("define_schema", "INPUT_TYPES"):
        function = inspect.getattr_static(node_class, name, None)
        function = getattr(function, "__func__", function)
        if isinstance(function, FunctionType) and not _is_abstract_schema(node_class, name):
            return function
    return None


def _is_abstract_schema(node_class: type, name: str) -> bool:
    # V1 classes have no define_schema; V3 ones inherit an INPUT_TYPES that only calls define_schema.
    return name == "define_schema" and not any(name in vars(base) for base in node_class.__mro__[:-1])


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in cast("tuple[Any, ...]", value):
            yield from _strings(item)


def _lists_of(code: CodeType, folders: Collection[str]) -> set[str] | None:
    names: set[str] = set()
    strings: set[str] = set()
    for part in _codes(code):
        names.update(part.co_names)
        for constant in part.co_consts:
            strings.update(_strings(constant))
    lists: set[str] = set()
    if "get_filename_list" in names or "get_folder_paths" in names:
        named = strings & set(folders)
        if not named:
            return None
        lists |= named
    if names & LISTING or "get_input_subfolders" in names:
        if names & INPUT_FOLDER:
            lists.add("input")
        elif "get_folder_paths" not in names:
            return None
    return lists


def _followed(entry: FunctionType, node_class: type) -> Iterator[FunctionType]:
    """Give *entry* and the plain Python functions it names, a few steps deep."""
    seen: set[CodeType] = set()
    level = [entry]
    for _ in range(FOLLOWED_DEPTH):
        following: list[FunctionType] = []
        for function in level:
            if function.__code__ in seen:
                continue
            seen.add(function.__code__)
            yield function
            following.extend(_named_functions(function, node_class))
        level = following


def _named_functions(function: FunctionType, node_class: type) -> Iterator[FunctionType]:
    names: set[str] = set()
    for code in _codes(function.__code__):
        names.update(code.co_names)
    modules: list[ModuleType] = []
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, FunctionType):
            yield value
        # folder_paths is what is looked for by name; the standard library lists nothing of a node's.
        elif isinstance(value, ModuleType) and name not in {"folder_paths", "os", "comfy"}:
            modules.append(value)
        member = inspect.getattr_static(node_class, name, None)
        member = getattr(member, "__func__", member)
        if isinstance(member, FunctionType) and name not in {"INPUT_TYPES", "define_schema"}:
            yield member
    for module in modules:
        for name in names:
            value = vars(module).get(name)
            if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                yield value


def _tree(function: FunctionType) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Finds the model folder an expression reads; *variables* are names assigned from a folder."""

    node_class: type
    folders: Collection[str]
    variables: dict[str, str] = field(default_factory=dict[str, str])

    def folder_in(self, expression: ast.AST) -> str | None:
        for part in ast.walk(expression):
            folder = None
            if isinstance(part, ast.Call):
                folder = _called_folder(part, self.folders) or _helper_folder(
                    part, self.node_class, self.folders
                )
            elif isinstance(part, ast.Name):
                folder = self.variables.get(part.id)
            if folder is not None:
                return folder
        return None

    def learn(self, assignment: ast.Assign) -> None:
        target = assignment.targets[0]
        if isinstance(target, ast.Name) and not _is_container(assignment.value):
            folder = self.folder_in(assignment.value)
            if folder is not None:
                self.variables[target.id] = folder


def _param_folders(entry: FunctionType, node_class: type, folders: Collection[str]) -> dict[str, str]:
    tree = _tree(entry)
    if tree is None:
        return {}
    reader = _Reader(node_class, folders)
    for part in ast.walk(tree):
        if isinstance(part, ast.Assign):
            reader.learn(part)
    found: dict[str, str] = {}
    for part in ast.walk(tree):
        for name, expression in _parameters(part):
            folder = reader.folder_in(expression)
            if folder is not None:
                found[name] = folder
    return found


def _is_container(expression: ast.AST) -> bool:
    """A dict of several parameters, or a whole schema, stands for no single folder."""
    return isinstance(expression, ast.Dict) or (
        isinstance(expression, ast.Call)
        and isinstance(expression.func, ast.Attribute | ast.Name)
        and "Schema" in ast.unparse(expression.func)
    )


def _parameters(part: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Give the parameters that a piece of the definition declares: V1 dict entries, V3 ``X.Input(…)``."""
    if isinstance(part, ast.Dict):
        for key, value in zip(part.keys, part.values, strict=True):
            # {"required": {...}} is a dict of parameters, not one
            if (
                isinstance(key, ast.Constant)
                and isinstance(key.value, str)
                and not isinstance(value, ast.Dict)
            ):
                yield key.value, value
    elif isinstance(part, ast.Call) and ast.unparse(part.func).endswith(".Input"):
        name = part.args[0] if part.args else None
        options = [keyword.value for keyword in part.keywords if keyword.arg == "options"] or part.args[1:2]
        if isinstance(name, ast.Constant) and isinstance(name.value, str) and options:
            yield name.value, options[0]


def _called_folder(call: ast.Call, folders: Collection[str]) -> str | None:
    function = call.func
    called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
    if called not in {"get_filename_list", "get_folder_paths"} or not call.args:
        return None
    argument = call.args[0]
    if isinstance(argument, ast.Constant) and argument.value in folders:
        return cast("str", argument.value)
    return None


def _helper_folder(call: ast.Call, node_class: type, folders: Collection[str]) -> str | None:
    """``s.vae_list(s)``: the first folder that the class's own helper names is the one it is about."""
    if not isinstance(call.func, ast.Attribute):
        return None
    member: Any = inspect.getattr_static(node_class, call.func.attr, None)
    member = getattr(member, "__func__", member)
    tree = _tree(member) if isinstance(member, FunctionType) else None
    if tree is None:
        return None
    for part in ast.walk(tree):
        if isinstance(part, ast.Call):
            folder = _called_folder(part, folders)
            if folder is not None:
                return folder
    return None
