"""What a download would do, before anything is done: for ``resolve``, and to refuse a request at once.

Touches the disk, and to resolve a link the network: for worker threads.
"""

from __future__ import annotations

import os
import shutil

from ..errors import JSON, ApiError
from .job import Tools, exists, other_hash, too_large
from .plan import Found, Target, Wanted
from .record import about
from .stopping import Stopper
from .targets import early, place


class Planner:
    """Looks ahead."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

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

    def find(self, wanted: Wanted) -> tuple[Found, Target | None, list[JSON]]:
        """Ask the source, and say where the file would go and what stands against it.

        Raises ApiError as the source does.
        """
        found = self._tools.sources(wanted.url).resolve(wanted, Stopper())
        target: Target | None = None
        problems: list[JSON] = []
        try:
            if wanted.sha256 and found.sha256 and wanted.sha256 != found.sha256:
                raise other_hash(wanted.sha256, found.sha256)
            target = self._place(wanted, found)
            if found.size is not None:
                if found.size > self._tools.max_bytes:
                    raise too_large(found.size, self._tools.max_bytes)
                if not os.path.lexists(target.path):
                    self._tools.space.reserve(target.path, found.size).release()
        except ApiError as error:
            problems.append(problem(error))
        return found, target, problems

    def _place(self, wanted: Wanted, found: Found) -> Target:
        folders = self._tools.folders
        return place(
            folders.model_folders(),
            folders.model_folder_aliases(),
            wanted,
            found,
            allow_pickle=self._tools.allow_pickle,
        )


def problem(error: ApiError) -> JSON:
    """Give what stands against a download as a plan lists it."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def plan(
    found: Found, target: Target | None, state: str | None, sha256: str | None, problems: list[JSON]
) -> JSON:
    """Give what ``resolve`` answers, but for ``same_file``. Touches the disk."""
    return {
        "url": found.link,
        **about(found),
        "filename": found.filename,
        "size": found.size,
        "sha256": sha256,
        "folder": target.folder if target else found.folder,
        "name": target.name if target else None,
        "state": state,
        "free_bytes": _free(target) if target else None,
        "problems": problems,
    }


def _free(target: Target) -> int | None:
    try:
        return shutil.disk_usage(target.root).free
    except OSError:
        return None
