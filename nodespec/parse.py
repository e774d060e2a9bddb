"""One entry of ``/object_info``, V1 or V3, read as a :class:`NodeSpec`.

Sources of the format: ComfyUI server.py ``node_info`` (V1), comfy_api/latest/_io.py ``GET_NODE_INFO_V1`` and
the dynamic inputs there (V3). Which inputs are widgets is decided by ComfyUI's page; :data:`WIDGETS` are
the types it knows. A pack may teach the page more, which no server can see: those count as sockets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, cast

from .clean import DROPPED, cleaned, number, options_of, text, truth
from .types import ANY, COMBO, MATCH, type_of
from .values import LINKED, NO_HINTS, Flags, Grows, Input, NodeSpec, Output, Param, Ports

AUTOGROW = "COMFY_AUTOGROW_V3"
DYNAMIC_SLOT = "COMFY_DYNAMICSLOT_V3"
DYNAMIC_COMBOS = frozenset({"COMFY_DYNAMICCOMBO_V3", "COMFY_COMBODYNAMIC_V3"})
"""The second is its name in ComfyUI 0.3.64."""

WIDGETS = frozenset(
    {"INT", "FLOAT", "STRING", "BOOLEAN", COMBO}
    | {"MARKDOWN", "TEXTAREA", "COLOR", "COLORS", "CURVE", "RANGE", "BOUNDING_BOX", "BOUNDING_BOXES"}
    | {"IMAGEUPLOAD", "IMAGECOMPARE", "CHART", "GALLERIA", "PAINTER", "COMPOSITOR", "VIDEO_EDIT"}
    # brought by extensions that ship with the page
    | {"LOAD_3D", "LOAD_3D_ANIMATION", "WEBCAM", "AUDIO_RECORD", "AUDIO_UI", "AUDIOUPLOAD"}
)

OWN_CHECKS = "own_checks"
"""The key under which a host adds :attr:`NodeSpec.own_checks` to an entry; no key of ComfyUI's."""

_UPLOADS = {
    "image_upload": "image",
    "animated_image_upload": "image",
    "audio_upload": "audio",
    "video_upload": "video",
    "file_upload": "file",
}
_HINTS = {
    "round": "round",
    "display": "display",
    "gradient_stops": "gradient_stops",
    "label_on": "label_on",
    "label_off": "label_off",
    "placeholder": "placeholder",
    "dynamicPrompts": "dynamic_prompts",
    "multiselect": "multiselect",
    "multi_select": "multiselect",
    "remote": "remote",
    "image_folder": "image_folder",
    "component": "component",
    "hidden": "hidden",
    "rawLink": "raw_link",
}
_SOCKET_HINTS = {
    **_HINTS,
    **{key: key for key in ("default", "min", "max", "step", "multiline", "advanced", "options")},
}
_MOST_GROWN = 100
"""ComfyUI's own limit for a growing input."""


class BadNodeInfo(Exception):
    """A node definition that cannot be read; the message says why."""


def parse(info: Any, *, folders: Mapping[str, str] = NO_HINTS, name: str | None = None) -> NodeSpec:
    """Read one entry of ``/object_info``.

    *folders* names the model folder behind a file COMBO, by param name. *name* is the class_type where it is
    known; V3 nodes may call themselves otherwise. A value that JSON cannot say is left out.
    Raises :class:`BadNodeInfo`, and nothing else.
    """
    try:
        return _parsed(info, folders, name)
    except BadNodeInfo:
        raise
    except Exception as error:  # the values are objects of the packs, and may do anything when touched
        raise BadNodeInfo(said(error)) from error


def said(error: BaseException) -> str:
    """Give an error of a pack's code as one line; its own text may fail as well."""
    try:
        words = " ".join(str(error).split())
    except Exception:
        words = ""
    kind = type(error).__name__
    return f"{kind}: {words[:500]}" if words else kind


def _parsed(info: Any, folders: Mapping[str, str], name: str | None) -> NodeSpec:
    if not isinstance(info, Mapping):
        raise BadNodeInfo(f"the definition is no object, but {type(info).__name__}")
    entry: Mapping[str, Any] = info  # pyright: ignore[reportUnknownVariableType]
    name = name or text(entry.get("name"))
    if name is None:
        raise BadNodeInfo("the definition has no name")
    sections = entry.get("input")
    if sections is not None and not isinstance(sections, Mapping):
        raise BadNodeInfo(f"its inputs are no object, but {type(sections).__name__}")
    reader = _Reader(folders, takes_lists=truth(entry.get("is_input_list")))
    ports = reader.ports(sections or {}, order=entry.get("input_order"))
    aliases = options_of(entry.get("search_aliases")) or ()
    judged = options_of(entry.get(OWN_CHECKS)) or ()
    return NodeSpec(
        name=name,
        display_name=text(entry.get("display_name")) or name,
        category=text(entry.get("category")) or "",
        description=text(entry.get("description")) or "",
        pack=pack_of(text(entry.get("python_module")) or ""),
        ports=ports,
        outputs=_outputs(entry, reader.allowed),
        flags=Flags(
            **{
                flag: truth(entry.get(flag))
                for flag in ("output_node", "deprecated", "experimental", "api_node", "dev_only")
            }
        ),
        search_aliases=tuple(alias for alias in aliases if isinstance(alias, str)),
        own_checks=frozenset(name for name in judged if isinstance(name, str)),
    )


def pack_of(module: str) -> str:
    """Give the pack of a ``python_module``.

    ``core`` is ComfyUI's nodes.py, ``extras`` its comfy_extras, ``api`` its partner nodes; a custom pack goes
    by the name of its folder.
    """
    root, _, rest = module.partition(".")
    if root == "custom_nodes" and rest:
        return rest
    return {"comfy_extras": "extras", "comfy_api_nodes": "api"}.get(root, "core")


class _Reader:
    """Reads the inputs of one node; *allowed* then has the types of each match template."""

    def __init__(self, folders: Mapping[str, str], *, takes_lists: bool) -> None:
        self.folders = folders
        self.takes_lists = takes_lists
        self.allowed: dict[str, str] = {}

    def ports(self, sections: Any, *, order: Any = None, prefix: str = "") -> Ports:
        """Read the ``{"required": {...}, "optional": {...}}`` of a node or of one variant."""
        inputs: dict[str, Input] = {}
        params: dict[str, Param] = {}
        for section in ("required", "optional"):
            fields = _member(sections, section)
            if not isinstance(fields, Mapping):
                continue
            for key, declared in _ordered(fields, _member(order, section)):  # pyright: ignore[reportUnknownArgumentType]
                leaf = text(key)
                full = f"{prefix}{leaf}"
                if leaf is None or full in inputs or full in params:
                    continue
                port = self.port(full, declared, required=section == "required")
                if isinstance(port, Param):
                    params[full] = port
                else:
                    inputs[full] = port
        return Ports(tuple(inputs.values()), tuple(params.values()))

    def port(self, name: str, declared: Any, *, required: bool) -> Input | Param:
        """Read one input as it is declared: ``(type, options)``, or less than that."""
        kind, listed, options = _declared(declared)
        if kind == AUTOGROW:
            return self.growing(name, options, required=required)
        if kind in DYNAMIC_COMBOS:
            return self.choosing(name, options, required=required)
        if kind == DYNAMIC_SLOT:
            slot, _ = type_of(options.get("slotType", ANY))
            variants = {LINKED: self.ports(options.get("inputs"), prefix=f"{name}.")}
            return self.socket(name, slot, options, required=False, variants=variants)
        if kind == MATCH:
            return self.socket(name, kind, options, required=required)
        widget = text(options.get("widgetType"))
        if truth(options.get("forceInput")) or (widget or kind) not in WIDGETS:
            return self.socket(name, kind, options, required=required)
        return self.widget(name, kind, widget, listed, options, required=required)

    def socket(
        self,
        name: str,
        kind: str,
        options: Mapping[str, Any],
        *,
        required: bool,
        grows: Grows | None = None,
        variants: Mapping[str, Ports] | None = None,
    ) -> Input:
        """Make an input; a match type is replaced by what it allows."""
        match = None
        if kind == MATCH:
            template = options.get("template")
            match = text(_member(template, "template_id")) or ""
            kind, _ = type_of(_member(template, "allowed_types"))
            self.allowed.setdefault(match, kind)
        return Input(
            name=name,
            type=kind,
            required=required,
            lazy=truth(options.get("lazy")),
            list=self.takes_lists,
            tooltip=text(options.get("tooltip")),
            display_name=text(options.get("display_name")),
            match=match,
            grows=grows,
            variants=variants,
            hints=_hints(options, _SOCKET_HINTS),
        )

    def growing(self, name: str, options: Mapping[str, Any], *, required: bool) -> Input:
        """Make an input of an autogrow: its type is that of the inputs it grows."""
        template = options.get("template")
        sections = _member(template, "input")
        for section in ("required", "optional"):
            fields = _member(sections, section)
            if isinstance(fields, Mapping) and fields:
                declared: Any = next(iter(fields.values()))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
                break
        else:
            return self.socket(name, AUTOGROW, options, required=required)
        kind, _, element = _declared(declared)
        names = options_of(_member(template, "names"))
        listed = tuple(f"{name}.{leaf}" for leaf in names or () if isinstance(leaf, str))
        most = len(listed) if names is not None else int(number(_member(template, "max")) or _MOST_GROWN)
        most = max(0, min(most, _MOST_GROWN))
        least = max(0, min(int(number(_member(template, "min")) or 0), most))
        prefix = None if names is not None else f"{name}.{text(_member(template, 'prefix')) or ''}"
        merged = {**element, **{key: value for key, value in options.items() if key != "template"}}
        # ComfyUI ignores whether the growing input itself is optional; what it grows decides
        return self.socket(
            name,
            kind,
            merged,
            required=section == "required" and least > 0,
            grows=Grows(least, most, prefix, listed[:most]),
        )

    def choosing(self, name: str, options: Mapping[str, Any], *, required: bool) -> Param:
        """Make a param of a dynamic combo."""
        keys: list[Any] = []
        variants: dict[str, Ports] = {}
        listed = options.get("options")
        for option in listed if isinstance(listed, list | tuple) else ():  # pyright: ignore[reportUnknownVariableType]
            key = cleaned(_member(option, "key"))
            if key is None or key is DROPPED:
                continue
            keys.append(key)
            variants[str(key)] = self.ports(_member(option, "inputs"), prefix=f"{name}.")
        plain = {key: value for key, value in options.items() if key != "options"}
        # a link in its place would leave the node without any variant
        return self.widget(name, COMBO, None, tuple(keys), plain, required=required, variants=variants)

    def widget(
        self,
        name: str,
        kind: str,
        widget: str | None,
        listed: tuple[Any, ...] | None,
        options: Mapping[str, Any],
        *,
        required: bool,
        variants: Mapping[str, Ports] | None = None,
    ) -> Param:
        """Make a param. *listed* are the options of a V1 COMBO."""
        shown = widget if widget is not None and "," in kind else kind
        hints = _hints(options, _HINTS)
        if widget not in {None, shown}:
            hints = {**hints, "widget": widget}
        linkable = variants is None and not truth(options.get("socketless"))
        default = cleaned(options.get("default"))
        control = cleaned(options.get("control_after_generate"))
        uploads = (medium for key, medium in _UPLOADS.items() if truth(options.get(key)))
        return Param(
            name=name,
            type=shown,
            required=required,
            link_type=kind if linkable else None,
            lazy=truth(options.get("lazy")),
            default=None if default is DROPPED else default,
            min=number(options.get("min")),
            max=number(options.get("max")),
            step=number(options.get("step")),
            options=options_of(options.get("options")) if listed is None else listed,
            variants=variants,
            multiline=truth(options.get("multiline")),
            control_after_generate=control if isinstance(control, bool | str) else False,
            upload=next(uploads, None),
            folder=self.folders.get(name) or self.folders.get(name.rpartition(".")[2]),
            advanced=truth(options.get("advanced")),
            tooltip=text(options.get("tooltip")),
            display_name=text(options.get("display_name")),
            listed=listed is not None and variants is None,
            hints=hints,
        )


def _outputs(entry: Mapping[str, Any], allowed: Mapping[str, str]) -> tuple[Output, ...]:
    outputs: list[Output] = []
    names, lists = _items(entry.get("output_name")), _items(entry.get("output_is_list"))
    tooltips, matches = _items(entry.get("output_tooltips")), _items(entry.get("output_matchtypes"))
    for slot, declared in enumerate(_items(entry.get("output"))):
        kind, options = type_of(declared)
        match = text(_at(matches, slot))
        if kind == MATCH or match is not None:
            kind = allowed.get(match or "", ANY)
        outputs.append(
            Output(
                name=text(_at(names, slot)) or kind,
                type=kind,
                list=truth(_at(lists, slot)),
                tooltip=text(_at(tooltips, slot)),
                match=match,
                options=options,
            )
        )
    return tuple(outputs)


def _declared(declared: Any) -> tuple[str, tuple[Any, ...] | None, Mapping[str, Any]]:
    """Take ``(type, options)`` apart: type, values if the type is a list of them, options."""
    parts: tuple[Any, ...] = _items(declared)
    kind, listed = type_of(parts[0] if parts else None)
    given: Any = parts[1] if len(parts) > 1 else None
    return kind, listed, cast("Mapping[str, Any]", given) if isinstance(given, Mapping) else NO_HINTS


def _hints(options: Mapping[str, Any], known: Mapping[str, str]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for key, name in known.items():
        value = cleaned(options.get(key))
        if value is DROPPED or value is None:
            continue
        if name == "default" or (value is not False and value != ""):
            found[name] = value
    return MappingProxyType(found) if found else NO_HINTS


def _ordered(fields: Mapping[Any, Any], order: Any) -> Iterable[tuple[Any, Any]]:
    if not isinstance(order, list | tuple):
        return fields.items()
    first = [key for key in order if isinstance(key, str) and key in fields.keys()]  # noqa: SIM118  # pyright: ignore[reportUnknownVariableType]
    found: dict[Any, Any] = {key: fields[key] for key in first}
    return {**found, **{key: value for key, value in fields.items() if key not in found}}.items()


def _items(value: Any) -> tuple[Any, ...]:
    """Give a list as it is, and a lone value (a tuple that lost its comma) as a list of it."""
    if value is None:
        return ()
    return tuple(cast("Iterable[Any]", value)) if isinstance(value, list | tuple) else (value,)


def _at(values: tuple[Any, ...], place: int) -> Any:
    return values[place] if place < len(values) else None


def _member(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
