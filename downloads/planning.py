"""What a download would do, before anything is done: for ``resolve``, and to refuse a request at once.

Touches the disk, and to resolve a link the network: for worker threads.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from ..errors import JSON, ApiError
from .job import Tools, exists, too_large
from .plan import Found, Target, Wanted
from .record import about
from .stopping import Stopper
from .targets import early, place


class Planner:
    """Looks ahead. *same_file* gives (folder, name) of a model with this SHA-256, as far as is known."""

    def __init__(self, tools: Tools, same_file: Callable[[str], tuple[str, str] | None]) -> None:
        self._tools = tools
        self._same_file = same_file

    def check(self, wanted: Wanted) -> Target | None:
        """Refuse what can be refused without the source; give the target if it is known already.

        Raises ApiError: of the link, the type, the names and formats, or DOWNLOAD_FILE_EXISTS.
        """
        tools = self._tools
        tools.sources(wanted.url)
        folders, aliases = tools.folders.model_folders(), tools.folders.model_folder_aliases()
        target = early(folders, aliases, wanted, allow_pickle=tools.allow_pickle)
        if target is None or wanted.overwrite or wanted.sha256 or wanted.unzip:
            return target
        # One that is just being written is a twin or a conflict, which the queue tells.
        if tools.busy.holder(target) is None and os.path.lexists(target.path):
            raise exists(target.name)
        return target

    def plan(self, wanted: Wanted) -> JSON:
        """Say what a link is and where it would go. Raises ApiError as the source does."""
        found = self._tools.sources(wanted.url).resolve(wanted, Stopper())
        sha256 = wanted.sha256 or found.sha256
        problems: list[JSON] = []
        target: Target | None = None
        state: str | None = None
        try:
            target = self._place(wanted, found)
            state = self._state(target, sha256)
            self._refuse(wanted, found, target, state)
        except ApiError as error:
            problems.append({"code": error.code, "message": error.message, "hint": error.hint})
        same = self._same_file(sha256) if sha256 else None
        return {
            "url": found.link,
            **about(found),
            "filename": found.filename,
            "size": found.size,
            "sha256": sha256,
            "folder": target.folder if target else found.folder,
            "name": target.name if target else None,
            "state": state,
            "same_file": {"folder": same[0], "name": same[1]} if same else None,
            "free_bytes": _free(target) if target else None,
            "problems": problems,
        }

    def _place(self, wanted: Wanted, found: Found) -> Target:
        folders = self._tools.folders
        return place(
            folders.model_folders(),
            folders.model_folder_aliases(),
            wanted,
            found,
            allow_pickle=self._tools.allow_pickle,
        )

    def _state(self, target: Target, sha256: str | None) -> str:
        if not os.path.lexists(target.path):
            return "absent"
        known = self._tools.known_hash(target.path)
        if known is None or sha256 is None:
            return "unknown"
        return "present" if known == sha256 else "different"

    def _refuse(self, wanted: Wanted, found: Found, target: Target, state: str) -> None:
        if wanted.sha256 and found.sha256 and wanted.sha256 != found.sha256:
            raise ApiError("DOWNLOAD_HASH_MISMATCH", "The source declares another SHA-256 than the request.")
        if state == "different" and not (wanted.overwrite or wanted.unzip):
            raise exists(target.name)
        if found.size is not None and state == "absent":
            if found.size > self._tools.max_bytes:
                raise too_large(found.size, self._tools.max_bytes)
            self._tools.space.reserve(target.path, found.size).release()


def _free(target: Target) -> int | None:
    try:
        return shutil.disk_usage(target.root).free
    except OSError:
        return None
