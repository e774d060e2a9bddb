"""Which widgets the page gives a node, in the order in which a saved workflow holds their values.

Sources: ComfyUI's front end 1.49.6, its widget constructors, ``dynamicWidgets`` and its core extensions. A
widget is *saved* if it has a place in ``widgets_values``, and *sent* if its value goes into the prompt; a
few have only one of the two. What a pack's own JavaScript adds to its nodes cannot be known here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..nodespec import COMBO, Input, NodeSpec, Param, Ports
from ..nodespec.parse import WIDGETS
from .plain import UNSET, member

CONTROL = "control_after_generate"
SEEDS = frozenset({"seed", "noise_seed"})
"""Integers that get the control widget unasked, by their full name."""

_DEFAULTS: Mapping[str, Any] = {
    "INT": 0,
    "FLOAT": 0,
    "BOOLEAN": False,
    "COLOR": "#000000",
    "COLORS": (),
    "BOUNDING_BOXES": (),
    "GALLERIA": (),
    "IMAGECOMPARE": ("", ""),
    "BOUNDING_BOX": {"x": 0, "y": 0, "width": 512, "height": 512},
    "RANGE": {"min": 0, "max": 1},
    "CURVE": {"points": ((0, 0), (1, 1)), "interpolation": "monotone_cubic"},
    "CHART": {},
    "COMPOSITOR": {},
    "VIDEO_EDIT": {
        "trim": {"start_time": 0, "duration": 0},
        "crop": {"x": 0, "y": 0, "width": 0, "height": 0},
    },
}
_ONLY_PAGE = frozenset({"LOAD_3D", "LOAD_3D_ANIMATION", "WEBCAM", "AUDIO_RECORD"})
"""Widgets whose value the page makes when it sends the prompt: a picture of a scene, of a camera, a
recording."""

_PREVIEWED_3D = frozenset({"Preview3D", "SaveGLB"})
"""Classes to which the page adds a view of the model that is saved and sent."""
_OPTIONS_OF_ITS_OWN = "CustomCombo"
"""A class whose options are widgets that the page adds as they are filled in."""
_SAVES_FILES = frozenset(
    {
        *("SaveImage", "SaveImageAdvanced", "SaveSVGNode", "SaveVideo", "SaveAnimatedWEBP", "SaveWEBM"),
        *("SaveAudio", "SaveAudioMP3", "SaveAudioOpus", "SaveAudioAdvanced", "SaveGLB", "Save3DAdvanced"),
        *("SaveGaussianSplat", "SavePointCloud", "SaveAnimatedPNG", "CLIPSave", "VAESave", "ModelSave"),
        *("LoraSave", "SaveLatent"),
    }
)
"""Classes in whose filename_prefix the page fills in ``%date:…%`` and ``%node.widget%``."""
_MOST_OPTIONS = 200


Arrange = Callable[[Sequence["Widget"], Sequence[Any]], Sequence["Widget"]]
"""Takes widgets and the values that follow, gives the widgets in the order of these."""


@dataclass(slots=True)
class Widget:
    """A widget of one node, with the value it holds."""

    name: str
    kind: str
    """``INT``, ``STRING``, ``COMBO`` …, or ``control``, ``filter``, ``button`` for what has no input."""
    value: Any = UNSET
    saved: bool = True
    sent: bool = True
    param: Param | None = None
    dynamic: bool = False
    """Whether ``{a|b}`` in its text stands for one of both."""
    prefix: bool = False
    """Whether ``%…%`` in its text is filled in."""

    @property
    def page_only(self) -> bool:
        """Say whether only the page can make its value."""
        return self.sent and self.kind in _ONLY_PAGE


class Widgets:
    """The widgets of one node in the page's order, as they change with the values they are given."""

    def __init__(self, spec: NodeSpec) -> None:
        self.spec = spec
        self.listed: list[Widget] = []
        self.restored = False
        """Whether saved values were given back to it."""
        self._offering = spec.name == _OPTIONS_OF_ITS_OWN
        for widget in _widgets(spec.ports, root=True):
            if widget.kind == "LOAD_3D" and widget.name == "image" and self.find("model_file") is not None:
                self.listed.extend(_scene_buttons())
            if widget.name == "filename_prefix" and spec.name in _SAVES_FILES:
                widget.prefix = True
            self.listed.append(widget)
        if spec.name in _PREVIEWED_3D:
            self.listed.append(Widget("image", "PREVIEW_3D", ""))
        if self._offering:
            self.listed.append(Widget("index", "index", 0))
            self.listed.extend(_next_option(1))
        self.listed.extend(_upload_button(spec))

    def __iter__(self) -> Iterator[Widget]:
        return iter(self.listed)

    def find(self, name: str) -> Widget | None:
        """Give the first widget of that name."""
        return next((widget for widget in self.listed if widget.name == name), None)

    def put(self, widget: Widget, value: Any) -> None:
        """Set a widget, which may bring others and take others away."""
        widget.value = value
        if widget.param is not None and widget.param.variants is not None:
            self._choose(widget, widget.param.variants)
        elif widget.kind == "option" and value and widget is self.listed[-1]:
            self.listed.extend(_next_option(len(self.listed) - 1))

    def restore(self, values: Sequence[Any], arrange: Arrange | None = None) -> int:
        """Give saved values back to the widgets, in order. Returns how many values were used.

        *arrange* is given the widgets that a choice brings and the values that follow, and gives them in the
        order of these.
        """
        values = self._without_dummies(values)
        used = index = 0
        while index < len(self.listed) and used < len(values):
            widget = self.listed[index]
            index += 1
            if not widget.saved:
                continue
            self.put(widget, values[used])
            used += 1
            if arrange is not None and widget.param is not None and widget.param.variants is not None:
                group = f"{widget.name}."
                end = index
                while end < len(self.listed) and (
                    self.listed[end].param is None or self.listed[end].name.startswith(group)
                ):
                    end += 1
                self.listed[index:end] = arrange(self.listed[index:end], values[used:])
        self.restored = True
        return used

    def restore_named(self, values: Mapping[str, Any]) -> None:
        """Give values back that were saved by name; a choice before what it brings."""
        index = 0
        while index < len(self.listed):
            widget = self.listed[index]
            index += 1
            if widget.saved and widget.name in values:
                self.put(widget, values[widget.name])
        self.restored = True

    def settle(self) -> None:
        """Do what the page does once all is loaded: an empty choice becomes the first option."""
        for widget in self.listed:
            options = None if widget.param is None else widget.param.options
            if widget.kind == COMBO and widget.value is None and options:
                widget.value = options[0]
            if self.spec.name in {"KSampler", "KSamplerAdvanced"} and widget.name == "sampler_name":
                widget.value = _new_name(widget.value)
        if self._offering and len(self.listed) > 1:
            chosen = self.listed[0].value
            offered = [widget.value for widget in self.listed[2:]]
            self.listed[1].value = offered.index(chosen) if chosen in offered else -1

    def ports(self) -> Iterator[tuple[Input | Param, str]]:
        """Give every socket the page makes and its type: the links first, then the widgets with a socket."""
        yield from ((port, port.type) for port in self._inputs())
        for widget in self.listed:
            if widget.param is not None and (widget.param.variants is not None or widget.param.link_type):
                yield widget.param, widget.param.link_type or COMBO

    def _inputs(self) -> Iterator[Input]:
        yield from self.spec.ports.inputs
        for widget in self.listed:
            if widget.param is not None and widget.param.variants is not None:
                yield from chosen(widget.param, widget.value).inputs

    def _choose(self, widget: Widget, variants: Mapping[str, Ports]) -> None:
        at = next(index for index, each in enumerate(self.listed) if each is widget)
        group = f"{widget.name}."
        before = self.listed[: at + 1]
        after = [each for each in self.listed[at + 1 :] if not each.name.startswith(group)]
        before = [each for each in before if not each.name.startswith(group)]
        ports = variants.get(_key(widget.value)) if widget.value else None
        self.listed = [*before, *(() if ports is None else _widgets(ports, root=False)), *after]

    def _without_dummies(self, values: Sequence[Any]) -> Sequence[Any]:
        """Leave out what front ends before 1.16 saved for widgets that are sockets now (``forceInput``)."""
        forced = [port for port in self.spec.ports.inputs if port.grows is None and port.type in WIDGETS]
        places: list[Param | None] = []
        for widget in self.listed:
            if widget.param is not None:
                places.append(widget.param)
                if widget.param.control_after_generate and widget.kind != "control":
                    places.append(None)
        if not forced or len(values) != len(places) + len(forced) or len(forced) > 4:
            return values
        # the definition no longer tells where they stood among the widgets: the place is taken at which the
        # other values fit best, the last such
        best: Sequence[Any] = values
        most = -1
        for left_out in itertools.islice(itertools.combinations(range(len(values)), len(forced)), 5000):
            rest = [value for index, value in enumerate(values) if index not in left_out]
            fit = sum(fits(param, value) for param, value in zip(places, rest, strict=True))
            if fit >= most:
                best, most = rest, fit
        return best


_CONTROLS = ("fixed", "increment", "decrement", "randomize", "increment-wrap")
_TYPES: Mapping[str, tuple[type, ...]] = {"INT": (int, float), "FLOAT": (int, float), "STRING": (str,)}


def fits(param: Param | None, value: Any) -> bool:
    """Say whether a saved value can be that of a param; None stands for the control of a seed."""
    if param is None:
        return value in _CONTROLS
    if value is None:
        return True
    if param.type == COMBO:
        return not isinstance(value, dict) and (not param.options or value in param.options)
    if isinstance(value, bool) or param.type == "BOOLEAN":
        return isinstance(value, bool) and param.type not in _TYPES
    return isinstance(value, _TYPES.get(param.type, object))


def chosen(param: Param, value: Any) -> Ports:
    """Give the ports that a choice brings."""
    return (param.variants or {}).get(_key(value), Ports()) if value else Ports()


def _key(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) else ""


def _widgets(ports: Ports, *, root: bool) -> Iterator[Widget]:
    for param in ports.params:
        yield from _of_param(param, root=root)


def _of_param(param: Param, *, root: bool) -> Iterator[Widget]:
    kind = str(param.hints.get("widget") or param.type)
    widget = Widget(param.name, kind, _default(param, kind), param=param)
    # nested ones come too late for the extension that handles it
    widget.dynamic = root and kind == "STRING" and bool(param.hints.get("dynamic_prompts"))
    widget.saved = kind != "IMAGECOMPARE"
    yield widget
    if param.variants is not None:
        yield from _widgets(chosen(param, widget.value), root=False)
        return
    yield from _parts(widget, param)
    control = param.control_after_generate
    if kind == "INT" and (control or param.name in SEEDS):
        yield _control(control, "randomize")
    elif kind == "FLOAT" and control:
        yield _control("fixed", "fixed")
    elif kind == COMBO and control:
        yield _control(control, "randomize")
        if not param.hints.get("multiselect"):
            yield Widget("control_filter_list", "filter", "", sent=False)


def _parts(widget: Widget, param: Param) -> Iterator[Widget]:
    """Give the buttons and fields that belong to a widget."""
    remote = param.hints.get("remote")
    if widget.kind == COMBO and remote and not param.hints.get("multiselect"):
        yield Widget("Auto-refresh after generation", "toggle", value=False, sent=False)
        if member(remote, "refresh_button"):
            yield Widget("refresh", "button", "refresh")
    elif widget.kind == "BOUNDING_BOX":
        for part in ("x", "y", "width", "height"):
            yield Widget(part, "part", member(widget.value, part) or 0, sent=False)
    elif widget.kind == "AUDIO_RECORD":
        yield Widget(param.name, "button", "", sent=False)


def _control(declared: bool | str, usual: str) -> Widget:
    return Widget(CONTROL, "control", declared if isinstance(declared, str) else usual, sent=False)


def default_of(widget: Widget) -> Any:
    """Give what the widget holds before anybody sets it; UNSET for what has no input."""
    return UNSET if widget.param is None else _default(widget.param, widget.kind)


def _default(param: Param, kind: str) -> Any:
    first = param.options[0] if param.options else UNSET
    if param.variants is not None:
        return first
    if kind == COMBO:
        if param.hints.get("multiselect"):
            return []
        return param.default or (
            first if first is not UNSET or not param.hints.get("remote") else "Loading..."
        )
    return _thawed(_DEFAULTS.get(kind, "")) if param.default is None else param.default


def _thawed(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_thawed(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Mapping):
        return {key: _thawed(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value


def _scene_buttons() -> Iterator[Widget]:
    yield Widget("upload 3d model", "button", "upload3dmodel")
    yield Widget("upload extra resources", "button", "uploadExtraResources")
    yield Widget("clear", "button", "clear")


def _next_option(number: int) -> Iterator[Widget]:
    if number < _MOST_OPTIONS:
        yield Widget(f"option{number}", "option", "")


def _upload_button(spec: NodeSpec) -> Iterator[Widget]:
    uploads = {param.upload for param in spec.ports.params if param.required and param.type == COMBO}
    if uploads & {"image", "video"}:
        yield Widget("upload", "button", "image", sent=False)
    elif "audio" in uploads:
        yield Widget("upload", "button", "", sent=False)
    elif any(param.hints.get("widget", param.type) == "WEBCAM" for param in spec.ports.params):
        yield Widget("waiting for camera...", "button", "capture", sent=False)


def _new_name(value: Any) -> Any:
    return value[7:] if isinstance(value, str) and value.startswith("sample_") else value
