"""All settings, as one frozen value.

Read from ``backplane.toml`` (in Backplane's state folder, or the file that BACKPLANE_CONFIG names), then
from ``BACKPLANE_*`` environment variables, which win. An empty variable counts as absent, and so does one
that names no setting: Kubernetes sets some of that form by itself. docs/settings.md is pinned to this file
by a test.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .errors import close_matches

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class SettingsError(Exception):
    """A setting cannot be used; the message names the setting, its source and what it takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Backplane's settings and their defaults; ``least`` is the smallest value that is taken."""

    hooks: Literal["auto", "off"] = "auto"
    """``auto``: watch runs through ComfyUI's progress hooks. ``off``: only poll."""
    poll_interval_s: float = field(default=0.2, metadata={"least": 0.01})
    """Seconds between two looks at ComfyUI where a hook is missing or ``hooks`` is ``off``."""
    max_body_bytes: int = field(default=32 * 1024 * 1024, metadata={"least": 1024})
    """Largest JSON body a route reads, in bytes."""
    max_input_bytes: int = field(default=64 * 1024 * 1024, metadata={"least": 1024})
    """Largest file that a task may bring as an input, in bytes."""
    max_queued: int = field(default=10_000, metadata={"least": 1})
    """How many tasks may wait; one more is answered with 429."""
    max_attempts: int = field(default=3, metadata={"least": 1})
    """How often a task is tried that does not say it, if its failure is worth another attempt."""
    rerun_interrupted: bool = True
    """Run a task again whose server ended meanwhile (within its attempts); else it fails."""
    keep_days: float = field(default=30.0, metadata={"least": 0.0})
    """Days that finished tasks are kept; 0: no limit."""
    keep_tasks: int = field(default=200_000, metadata={"least": 0})
    """How many finished tasks are kept, the oldest go first; 0: no limit."""
    keep_bytes: int = field(default=2 * 1024**3, metadata={"least": 0})
    """Largest size of the task store in bytes, the oldest finished tasks go first; 0: no limit."""
    trash_days: float = field(default=7.0, metadata={"least": 0.0})
    """Days that deleted outputs stay in the trash; 0: no limit."""
    session_days: float = field(default=30.0, metadata={"least": 0.0})
    """Days that a session is kept after it was last used; 0: no limit."""
    max_sessions: int = field(default=1000, metadata={"least": 0})
    """How many sessions are kept; one more is refused; 0: no limit."""
    session_versions: int = field(default=500, metadata={"least": 0})
    """How many versions of a session are kept, the oldest go first; 0: no limit."""
    session_bytes: int = field(default=64 * 1024**2, metadata={"least": 0})
    """Room that one session may take, in bytes compressed, its oldest versions go first; 0: no limit."""
    max_sessions_bytes: int = field(default=2 * 1024**3, metadata={"least": 0})
    """Largest size of the session store in bytes; beyond it, edits are refused; 0: no limit."""
    templates_dirs: str = ""
    """Folders with templates that are read and never written, separated as in PATH."""
    locked: bool = False
    """Run nothing but templates, with nothing but their inputs changed, and let no template be changed."""
    allowed_nodes: str = ""
    """Node classes that may appear in what is run, with spaces between, * and ? for any; empty: all."""
    learn_pairs: bool = True
    """Count which nodes this server's own runs connect, to rank suggestions."""
    webhook_url: str = field(default="", repr=False)
    """Where the end of every task is told; empty for nowhere."""
    webhook_secret: str = field(default="", repr=False)
    """What webhooks are signed with: whsec_ and base64. Several, with spaces between, while keys change."""
    outbound_allow_private: bool = False
    """Let webhooks and file addresses lead to private networks and to plain http."""
    download_hosts: str = ""
    """Hosts beside Hugging Face, Civitai and GitHub that models may come from; spaces between, * for any."""
    download_max_bytes: int = field(default=128 * 1024**3, metadata={"least": 1024})
    """Largest file that is downloaded, in bytes."""
    download_keep_free_bytes: int = field(default=1024**3, metadata={"least": 0})
    """How much of a disk downloads leave free, in bytes."""
    download_concurrency: int = field(default=2, metadata={"least": 1})
    """How many downloads run at once; at most two of them from one host."""
    download_connections: int = field(default=4, metadata={"least": 1})
    """Up to how many connections one large file is fetched with where a single one is slow."""
    download_stall_s: float = field(default=60.0, metadata={"least": 0.1})
    """Seconds without a byte after which a connection is given up and begun anew."""
    downloads_per_hour: int = field(default=120, metadata={"least": 0})
    """How many downloads a client may ask for in an hour; 0: no limit."""
    allow_pickle: bool = False
    """Download formats that can run code when loaded (.ckpt, .pt, .pth, .bin, .pkl) too."""
    hash_models: bool = True
    """Work out the SHA-256 of model files in the background while nothing runs."""
    hf_token: str = field(default="", repr=False)
    """Token for Hugging Face; empty: HF_TOKEN, or the one that hf auth login keeps."""
    civitai_token: str = field(default="", repr=False)
    """API key for Civitai; empty: CIVITAI_API_TOKEN."""
    github_token: str = field(default="", repr=False)
    """Token for GitHub, for releases of private repositories; empty: GITHUB_TOKEN."""
    object_stores: str = ""
    """Where s3://, gs:// and az:// links may lead: bucket addresses such as s3://models, spaces between."""


def variable_of(setting: str) -> str:
    """Give the environment variable of a setting."""
    return "BACKPLANE_" + setting.upper()


def load(state_dir: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises :class:`SettingsError`. No file means defaults, unless one was named."""
    environ = os.environ if environ is None else environ
    kinds = get_type_hints(Settings)
    known = {setting.name: setting for setting in fields(Settings)}
    values: dict[str, Any] = {}
    source, document = _read(state_dir, environ.get("BACKPLANE_CONFIG"))
    for name, value in document.items():
        if name not in known:
            near = close_matches(name, known, limit=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{source}: there is no setting {name!r}{meant}")
        values[name] = _checked(known[name], kinds[name], value, source)
    for name, setting in known.items():
        variable = variable_of(name)
        text = environ.get(variable, "").strip()
        if text:
            value = _from_text(kinds[name], text, variable)
            values[name] = _checked(setting, kinds[name], value, variable)
    return Settings(**values)


def _read(state_dir: Path, named: str | None) -> tuple[str, dict[str, Any]]:
    """Give the file's name, as messages show it, and what is in it."""
    path = Path(named) if named else state_dir / "backplane.toml"
    source = named or path.name
    try:
        return source, tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows' Notepad adds the -sig
    except FileNotFoundError:
        if not named:
            return source, {}
        raise SettingsError(f"{source}, which BACKPLANE_CONFIG names, does not exist") from None
    except OSError as error:
        raise SettingsError(f"{source} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{source} is not TOML: {error}") from error


def _from_text(kind: Any, text: str, source: str) -> Any:
    """Read a variable's text as a value of *kind*."""
    if kind is bool:
        if text.lower() in {"1", "true", "yes", "on"}:
            return True
        if text.lower() in {"0", "false", "no", "off"}:
            return False
    elif kind in {int, float}:
        try:
            return kind(text)
        except ValueError:
            pass
    else:
        return text
    raise SettingsError(f"{source} takes {_words(kind)}, not {text!r}")


def _checked(setting: Field[Any], kind: Any, value: Any, source: str) -> Any:
    """Give *value* if *setting* takes it; whole numbers do for numbers."""
    if get_origin(kind) is Literal:
        if value in get_args(kind):
            return value
        raise SettingsError(f"{source}: {setting.name} takes {_words(kind)}, not {value!r}")
    if kind is float and type(value) is int:
        value = _as_float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        shown = repr(value) if setting.repr else "that"  # what is kept out of the repr may be a secret
        raise SettingsError(f"{source}: {setting.name} takes {_words(kind)}, not {shown}")
    least = setting.metadata.get("least")
    if least is not None and value < least:
        raise SettingsError(f"{source}: {setting.name} must be at least {least}, not {value!r}")
    return value


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(repr, get_args(kind)))
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "text")
