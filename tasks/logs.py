"""What each task logged: a handler for the root logger, and redaction of secrets.

Only what goes through ``logging`` is seen. ``print`` has no channel per prompt in ComfyUI (its own log buffer
mixes all of stdout), so what a node prints is not here; neither is what a thread that a node started logs,
unless *current* of :class:`LogTap` knows better.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ..errors import JSON

LINES = 500
CHARS = 512
"""Of one task the last LINES lines of CHARS characters each are kept: about 256 KB, and no more."""

TASKS = 100
"""Of how many tasks at a time."""

_MOST_TEXT = 32 * 1024
_MOST_LINES = 100
"""What is looked at of one record, in characters and lines: a node may log megabytes at once."""

_CUT = " … (cut)"
_PLAIN = (str, int, float, bool, type(None))

_Current = Callable[[], "tuple[str, str | None] | None"]


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. *number* counts a task's lines from 1; *at* is Unix time in seconds."""

    number: int
    at: float
    level: str
    node_id: str | None
    text: str

    def to_json(self) -> JSON:
        """Give the line with its time in Unix seconds."""
        return {
            "number": self.number,
            "at": self.at,
            "level": self.level,
            "node_id": self.node_id,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines of one task. Ask for those after *last* next time."""

    lines: tuple[LogLine, ...]
    dropped: int
    """How many lines after the one asked for are no longer there."""
    last: int


class _Ring:
    """The last lines of one task. Written by any thread without a lock: each step is one atomic call."""

    __slots__ = ("_kept", "_numbers")

    def __init__(self, lines: int) -> None:
        self._numbers = itertools.count(1)
        self._kept: deque[LogLine] = deque(maxlen=lines)

    def put(self, at: float, level: str, node_id: str | None, text: str) -> None:
        self._kept.append(LogLine(next(self._numbers), at, level, node_id, text))

    def after(self, number: int) -> list[LogLine]:
        while True:
            try:
                return [line for line in tuple(self._kept) if line.number > number]
            except RuntimeError:  # a line came meanwhile
                continue


class LogTap(logging.Handler):
    """A handler for the root logger that keeps what is logged while a prompt runs.

    *current* gives (prompt_id, node_id) of the code that runs in this thread, or None; it must be quick and
    log nothing. Logging costs O(1) here, waits for no lock and never raises; secrets are taken out when the
    lines are read.
    """

    def __init__(
        self,
        current: _Current,
        *,
        lines: int = LINES,
        chars: int = CHARS,
        tasks: int = TASKS,
        redact: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__(logging.NOTSET)
        self._current = current
        self._lines = lines
        self._chars = chars
        self._most_tasks = tasks
        self._redact = Redactor() if redact is None else redact
        self._tasks: dict[str, _Ring] = {}

    def handle(self, record: logging.LogRecord) -> bool:
        """Pass the record on without the handler's lock: nothing here needs it."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record if it belongs to a prompt."""
        try:
            where = self._current()
            if where is None:
                return
            prompt_id, node_id = where
            ring = self._tasks.get(prompt_id)
            if ring is None:
                ring = self._tasks.setdefault(prompt_id, _Ring(self._lines))
                while len(self._tasks) > self._most_tasks:
                    self._tasks.pop(next(iter(self._tasks)), None)
            for text in _lines_of(_text_of(record), self._chars):
                ring.put(record.created, record.levelname, node_id, text)
        except Exception:  # noqa: S110 - logging it would come back here
            pass

    def lines(self, prompt_id: str, after: int = 0) -> LogPage:
        """Give a task's lines after number *after*, secrets redacted; empty for a task not known.

        A full page takes some milliseconds: not for the event loop unless *after* is recent.
        """
        ring = self._tasks.get(prompt_id)
        kept = [] if ring is None else ring.after(after)
        if not kept:
            return LogPage((), 0, after)
        shown = tuple(
            LogLine(line.number, line.at, line.level, line.node_id, self._redact(line.text)) for line in kept
        )
        return LogPage(shown, kept[0].number - after - 1, kept[-1].number)

    def forget(self, prompt_id: str) -> None:
        """Drop a task's lines."""
        self._tasks.pop(prompt_id, None)


def _text_of(record: logging.LogRecord) -> str:
    """Give the message and, shortly, the exception; no more of it than can be looked at."""
    text = record.msg if isinstance(record.msg, str) else str(record.msg)
    arguments = record.args
    if arguments:
        if isinstance(arguments, tuple):
            arguments = tuple(map(_short, arguments))
        text = text[:_MOST_TEXT] % arguments
    text = text[:_MOST_TEXT]
    if record.exc_text:  # another handler has formatted it already
        return f"{text}\n{record.exc_text[-_MOST_TEXT:]}"
    if record.exc_info and record.exc_info[1] is not None:
        # not the traceback: that reads source files
        fault = record.exc_info[1]
        return f"{text}\n{type(fault).__name__}: {str(fault)[:_MOST_TEXT]}"
    return text


def _short(value: object) -> object:
    return value[:_MOST_TEXT] if isinstance(value, str) else value


def _lines_of(text: str, chars: int) -> Iterator[str]:
    lines = text.rstrip().split("\n", _MOST_LINES)
    for number, line in enumerate(lines):
        if number == _MOST_LINES:
            yield _CUT.strip()
            return
        # A progress bar writes over itself: what was written last is what a terminal would show.
        yield _cut(line.rstrip("\r").rpartition("\r")[2], chars)


def _cut(line: str, chars: int) -> str:
    if len(line) <= chars:
        return line
    kept = line[: chars - len(_CUT)]
    # Back to a gap, so that no secret is cut in the middle and then not recognised.
    gap = max(kept.rfind(" ", -200), kept.rfind("&", -200), kept.rfind(",", -200))
    return (kept[:gap] if gap > 0 else kept) + _CUT


HIDDEN = "[redacted]"

_ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f]"
)
_HINT = re.compile(
    r"auth|bearer|token|secret|passw|key|cookie|credential|[?&]|://[^\s/]*@|hf_|sk-|gh[pousr]_|github_pat_|xox|AKIA"
    r"|comfyui-|eyJ|/home/|/Users/|/root/|\\Users\\",
    re.IGNORECASE,
)
"""Whatever the patterns below could find has one of these: most lines have none, and cost one look."""

_NAME = (
    r"(?:api[_-]?key|api_key_comfy_org|(?:access|secret|private)[_-]?key|secret|password|passwd"
    r"|passphrase|auth[_-]?token|auth_token_comfy_org|credentials?"
    r"|token(?=['\"]?\s*[:=]\s*['\"]?(?!\d{1,8}\b)))"  # a number of tokens is no secret
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Authorization: Bearer xyz, also as a dict prints it
    (
        re.compile(
            r"(authorization['\"]?\s*[:=]\s*['\"]?)(?:(?:bearer|basic|token|digest)\s+)?[^\s'\",;}]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\b(bearer\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\b(cookie['\"]?\s*[:=]\s*).+", re.IGNORECASE), rf"\1{HIDDEN}"),
    # user:password@ in a URL
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@'\"]+@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    # ?token=…&key=…, signed URLs
    (
        re.compile(
            r"([?&](?:[\w.-]{0,40}(?:token|key|secret|signature|password|passwd|auth|credential)[\w.-]{0,40}"
            r"|sig|code)=)[^\s&#'\"<>]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    # name = value, "name": "value"
    (
        re.compile(
            rf"({_NAME}['\"]?\s*[:=]\s*['\"]?)(?!{re.escape(HIDDEN)})[^\s'\",;&}}\])]+", re.IGNORECASE
        ),
        rf"\1{HIDDEN}",
    ),
    # tokens that are known by their form, wherever they stand
    (
        re.compile(
            r"\b(?:hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{8,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}"
            r"|xox[abprs]-[A-Za-z0-9-]{8,}|AKIA[A-Z0-9]{16}|comfyui-[0-9a-f]{32,}"
            r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?)"
        ),
        HIDDEN,
    ),
    # whose home it is
    (re.compile(r"(?:/home/|/Users/)[^/\s'\":]+|(?<![\w/])/root(?=/)|[A-Za-z]:\\Users\\[^\\\s'\"]+"), "~"),
)


class Redactor:
    """Takes secrets, home folders and terminal colours out of a line.

    *known* are secrets of this server's own settings: they are hidden wherever they stand.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = tuple(secret for secret in known if len(secret) >= 4)

    def __call__(self, line: str) -> str:
        """Give the line as it may be shown."""
        line = _ANSI.sub("", line)
        for secret in self._known:
            line = line.replace(secret, HIDDEN)
        if _HINT.search(line) is None:
            return line
        for pattern, instead in _PATTERNS:
            line = pattern.sub(instead, line)
        return line
