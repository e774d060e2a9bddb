"""All settings, as one frozen value.

Read from ``backplane.toml`` (in Backplane's state folder, or where BACKPLANE_CONFIG says), then from
``BACKPLANE_*`` environment variables, which win. docs/settings.md is pinned to this file by a test.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class SettingsError(Exception):
    """A setting cannot be used; the message names the setting, its source and what it takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Backplane's settings and their defaults."""

    hooks: Literal["auto", "off"] = "auto"
    """``auto``: watch runs through ComfyUI's progress hooks. ``off``: only poll."""
    poll_interval_s: float = 0.2
    """Seconds between two looks at ComfyUI where a hook is missing or ``hooks`` is ``off``."""
    max_body_bytes: int = 32 * 1024 * 1024
    """Largest JSON body a route reads, in bytes."""
    finished_tasks_kept: int = 10_000
    """How many finished tasks are kept; the oldest go first."""
    learn_pairs: bool = True
    """Count which nodes this server's own runs connect, to rank suggestions."""


_LEAST: dict[str, float] = {
    "poll_interval_s": 0.01,
    "max_body_bytes": 1024,
    "finished_tasks_kept": 0,
}


def load(state_dir: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises :class:`SettingsError`; a missing file means defaults."""
    environ = os.environ if environ is None else environ
    named = environ.get("BACKPLANE_CONFIG")
    path = Path(named) if named else state_dir / "backplane.toml"
    values: dict[str, Any] = {}
    known = get_type_hints(Settings)
    if named or path.is_file():
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"{path.name} cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path.name} is not TOML: {error}") from error
        for key, value in document.items():
            if key not in known:
                raise SettingsError(f"{path.name}: there is no setting {key!r}")
            values[key] = _checked(key, known[key], value, path.name)
    for field in fields(Settings):
        variable = "BACKPLANE_" + field.name.upper()
        if variable in environ:
            text = environ[variable]
            values[field.name] = _checked(
                field.name,
                known[field.name],
                _from_text(known[field.name], text, variable),
                variable,
            )
    return Settings(**values)


def _from_text(kind: Any, text: str, source: str) -> Any:
    if kind is bool:
        lowered = text.strip().lower()
        if lowered in {"1", "true", "yes", "on"}:
            return True
        if lowered in {"0", "false", "no", "off"}:
            return False
        raise SettingsError(f"{source} takes true or false, not {text!r}")
    try:
        if kind is int:
            return int(text)
        if kind is float:
            return float(text)
    except ValueError:
        raise SettingsError(f"{source} takes a number, not {text!r}") from None
    return text


def _checked(key: str, kind: Any, value: Any, source: str) -> Any:
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            choices = ", ".join(map(repr, get_args(kind)))
            raise SettingsError(f"{source}: {key} takes one of {choices}, not {value!r}")
        return value
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise SettingsError(f"{source}: {key} takes {kind.__name__}, not {type(value).__name__}")
    least = _LEAST.get(key)
    if least is not None and not value >= least:
        raise SettingsError(f"{source}: {key} must be at least {least:g}, not {value!r}")
    return value
