"""What the routes and tasks call: templates that are kept, filled in, proposed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ..access import AllowList
from ..breath import Breath
from ..errors import JSON, ApiError, Forbidden, InvalidRequest, NotFound, close_matches
from ..graph import looks_like_ui_format
from ..nodespec import NodeSpec
from ..tasks.conversions import converted, ids_json
from ..tasks.drawing import random_seed as drawn_anew
from ..tasks.ports import NodeClasses
from ..validation import as_graph
from ..wire import dumps, rfc3339
from .app_mode import AppMode, app_mode, has_app_mode
from .document import ABOUT, OF_FILE, file_bytes, invalid, read_document
from .filling import fill
from .fragments import named_in, replaced
from .listing import page_of
from .proposing import Proposal, propose
from .reading import CONTENT
from .rules import misdeclared
from .schemas import schema
from .shelf import Row, Shelf, about
from .values import Filled, Ref, Template

# In the class below, list is a method.
Rows = list[JSON]
Schemas = list[tuple[str, JSON]]


class Templates:
    """The templates in *folder*, and those in the *read_only* folders, which come after it.

    *allowed* are the node classes that may appear in what is kept here; *locked*: nothing here can be
    changed.
    """

    def __init__(
        self,
        folder: Path,
        read_only: Sequence[Path],
        classes: NodeClasses,
        *,
        allowed: AllowList,
        locked: bool = False,
    ) -> None:
        self._shelf = Shelf(folder, read_only)
        self._classes = classes
        self._allowed = allowed
        self._locked = locked
        self._turn = asyncio.Lock()

    # Looking

    async def list(
        self, *, q: str = "", kind: str | None = None, tag: str | None = None, limit: int, cursor: str | None
    ) -> JSON:
        """Give a page of the newest versions, by name: ``{"items", "next_cursor"}``.

        A file that cannot be read is an item too, with its ``fault``.
        """
        return await asyncio.to_thread(page_of, self._shelf, q, kind, tag, limit, cursor)

    async def get(self, ref: Ref | str) -> Template:
        """Give a version, the newest if *ref* says none.

        Raises ApiError TEMPLATE_NOT_FOUND, and TEMPLATE_INVALID for a file that is none.
        """
        return await asyncio.to_thread(self._get, ref)

    async def versions(self, name: str) -> Rows:
        """Give what is known of each version, the newest first. Raises NotFound TEMPLATE_NOT_FOUND."""
        rows = await asyncio.to_thread(self._rows, self._ref(name))
        return [row.to_json() for row in rows]

    async def schema(self, ref: Ref | str) -> JSON:
        """Give the JSON Schema of a template's inputs, as this server is now. Raises as :meth:`get`."""
        template = await self.get(ref)
        specs = await self._classes.specs(fresh=True)
        return await asyncio.to_thread(schema, template, specs)

    async def schemas(self) -> Schemas:
        """Give ``name@version`` and the schema of the newest version of each template that can be read."""
        specs = await self._classes.specs(fresh=False)

        def made() -> Schemas:
            found: Schemas = []
            breath = Breath()
            for row, _ in self._shelf.newest():
                if row.about is not None and row.about["kind"] == "template":
                    with contextlib.suppress(ApiError):  # one that was changed meanwhile
                        found.append((str(Ref(row.name, row.version)), schema(self._shelf.open(row), specs)))
                        breath.take()
            return found

        return await asyncio.to_thread(made)

    # Using

    async def fill(
        self,
        ref: Ref | str,
        inputs: Mapping[str, Any],
        *,
        random_seed: Callable[[], int] = drawn_anew,
    ) -> Filled:
        """Fill a template's inputs in.

        Raises as :meth:`get`, ApiError TEMPLATE_INPUT_INVALID, NODE_CLASS_NOT_ALLOWED; TEMPLATE_INVALID for a
        fragment, which is no workflow.
        """
        template = await self.get(ref)
        if template.kind != "template":
            raise ApiError(
                "TEMPLATE_INVALID",
                f"{template.ref} is a fragment: a part of a workflow, which cannot run alone.",
                hint="Put it into a workflow with add_fragment.",
                details={"fields": {"kind": "fragment"}},
            )
        self._allowed.refuse(template.workflow)
        specs = await self._classes.specs(fresh=False)
        if all(node["class_type"] in specs for node in template.workflow.values()):
            try:
                return fill(template, specs, inputs, random_seed)
            except ApiError as error:
                if error.code != "TEMPLATE_INPUT_INVALID":
                    raise
        specs = await self._classes.specs(fresh=True)  # a model or a pack may have come since
        return fill(template, specs, inputs, random_seed)

    async def resolve_fragments(self, ops: Any, *, random_seed: Callable[[], int] = drawn_anew) -> Any:
        """Give *ops* with the names of fragments in ``add_fragment`` replaced by their documents.

        What is no list of operations comes back as it is: the patch engine says what is wrong with it.
        Raises as :meth:`fill`, with ``details.op`` and ``details.path`` as the engine has them.
        """
        named = named_in(ops)
        if not named:
            return ops
        found: dict[str, Template] = {}
        for each in named:
            if each.text in found:
                continue
            try:
                found[each.text] = await self.get(each.text)
            except ApiError as error:
                error.details = {**each.where, **error.details}
                raise
        specs = await self._classes.specs(fresh=True)
        return await asyncio.to_thread(replaced, ops, found, specs, random_seed)

    # Proposing

    async def propose(self, workflow: Any) -> JSON:
        """Propose inputs and outputs for a workflow in either format. Raises as converting does."""
        if isinstance(workflow, dict) and looks_like_ui_format(cast("JSON", workflow)):
            found = await converted(workflow, self._classes)
            specs = await self._classes.specs(fresh=False)
            proposal = await asyncio.to_thread(_proposed, found.graph, specs, cast("JSON", workflow))
            return {"workflow": found.graph, "node_ids": ids_json(found), **proposal.to_json()}
        graph = as_graph(workflow)
        specs = await self._classes.specs(fresh=True)
        proposal = await asyncio.to_thread(_proposed, graph, specs, None)
        return {"workflow": graph, "node_ids": {}, **proposal.to_json()}

    # Keeping

    async def put(
        self,
        ref: Ref | str,
        document: JSON,
        *,
        if_match: str | None = None,
        only_new: bool = False,
    ) -> tuple[Template, bool]:
        """Keep a new version; False if it is what the newest version is already.

        *document* is as docs/templates.md says, with ``"propose": true`` for inputs and outputs that are
        not given. *if_match* is the header: ETags of which the newest version must have one. *only_new*:
        only if there is no template of that name.

        Raises ApiError TEMPLATE_INVALID, TEMPLATE_READ_ONLY, TEMPLATE_VERSION_CONFLICT, TEMPLATE_CHANGED,
        LOCKED, NODE_CLASS_NOT_ALLOWED, TEMPLATE_IO_ERROR, and what converting raises.
        """
        self._refuse_locked()
        ref = ref if isinstance(ref, Ref) else Ref.parse(ref)
        prepared = await self._prepared(document, ref)
        specs = await self._classes.specs(fresh=True)

        def keep() -> tuple[Template, bool]:
            template = read_document(prepared, ref.name, ref.version or 1)
            faults = misdeclared(template, specs)
            if faults:
                raise invalid(faults)
            self._allowed.refuse(template.workflow)
            return self._keep(template, ref.version, if_match, only_new=only_new)

        async with self._turn:
            return await asyncio.to_thread(keep)

    async def delete(self, ref: Ref | str, *, if_match: str | None = None) -> None:
        """Take a version away, or all if *ref* says none; their numbers are not given again.

        Raises NotFound TEMPLATE_NOT_FOUND, ApiError TEMPLATE_READ_ONLY, TEMPLATE_CHANGED, LOCKED,
        TEMPLATE_IO_ERROR.
        """
        self._refuse_locked()
        known = self._ref(ref)

        def remove() -> None:
            rows = self._rows(known)
            if known.version is not None:
                rows = [self._row(known, rows)]
            if rows[0].read_only:
                raise _read_only(known.name)
            self._check_match(rows[:1], if_match)
            at = rfc3339(time.time())
            for row in reversed(rows):
                self._shelf.delete(row, at)

        async with self._turn:
            await asyncio.to_thread(remove)

    # In threads

    def _ref(self, ref: Ref | str) -> Ref:
        if isinstance(ref, Ref):
            return ref
        try:
            return Ref.parse(ref)
        except InvalidRequest:
            raise self._unknown(ref) from None

    def _rows(self, ref: Ref) -> list[Row]:
        rows = [row for row in self._shelf.rows(ref.name) if not row.deleted]
        if not rows:
            raise self._unknown(str(ref))
        return rows

    def _row(self, ref: Ref, rows: Sequence[Row]) -> Row:
        if ref.version is None:
            return rows[0]
        for row in rows:
            if row.version == ref.version:
                return row
        have = [row.version for row in rows]
        raise NotFound(
            "TEMPLATE_NOT_FOUND",
            f"Template {ref.name!r} has no version {ref.version}.",
            hint=f"It has: {', '.join(map(str, reversed(have[:20])))}.",
            details={"name": ref.name, "versions": have},
        )

    def _get(self, ref: Ref | str) -> Template:
        known = self._ref(ref)
        return self._shelf.open(self._row(known, self._rows(known)))

    def _unknown(self, name: str) -> NotFound:
        matches = close_matches(name.partition("@")[0], self._shelf.names())
        return NotFound(
            "TEMPLATE_NOT_FOUND",
            f"There is no template {name[:100]!r}.",
            hint=f"Did you mean {matches[0]!r}?" if matches else "GET /ext/templates lists them.",
            details={"name": name[:100], "close_matches": matches},
        )

    def _refuse_locked(self) -> None:
        if self._locked:
            raise Forbidden(
                "LOCKED",
                "This server is locked: its templates cannot be changed.",
                hint="The setting locked says so.",
            )

    async def _prepared(self, document: JSON, ref: Ref) -> JSON:
        """Give what was sent as a document: in API format, with what was to be proposed."""
        known = {*CONTENT, *ABOUT, *OF_FILE, "propose"}
        unknown = sorted(document.keys() - known)
        if unknown:
            raise InvalidRequest(
                "INVALID_REQUEST",
                f"Unknown fields: {', '.join(unknown)}.",
                hint=f"Known fields: {', '.join((*CONTENT, *ABOUT, 'propose'))}.",
                details={"fields": dict.fromkeys(unknown, "unknown")},
            )
        wanted = document.get("propose")
        if wanted not in (None, True, False):
            raise InvalidRequest(
                "INVALID_REQUEST",
                "propose must be true or false.",
                details={"fields": {"propose": "must be true or false"}},
            )
        if document.get("name", ref.name) != ref.name:
            raise invalid({"name": f"must be {ref.name!r}, as the address says"})
        found = {key: document[key] for key in (*CONTENT, *ABOUT) if key in document}
        workflow = found.get("workflow")
        is_ui = isinstance(workflow, dict) and looks_like_ui_format(cast("JSON", workflow))
        if wanted and not (found.get("inputs") and found.get("outputs")):
            proposal = await self.propose(workflow)
            found["workflow"] = proposal["workflow"]
            for key in ("inputs", "outputs"):
                found[key] = found.get(key) or proposal[key]
        elif is_ui:
            found["workflow"] = (await converted(workflow, self._classes)).graph
        if is_ui and found.get("ui") is None:
            found["ui"] = workflow
        return found

    def _keep(
        self, template: Template, wanted: int | None, if_match: str | None, *, only_new: bool
    ) -> tuple[Template, bool]:
        following = self._shelf.following(template.name)  # before the look at what there is
        rows = [row for row in self._shelf.rows(template.name) if not row.deleted]
        if rows and rows[0].read_only:
            raise _read_only(template.name)
        if only_new and rows:
            raise _changed(f"There is a template {template.name!r} already.", rows[0])
        self._check_match(rows, if_match)
        newest = self._opened(rows)
        if newest is not None and wanted in (None, newest.version) and _same(newest, template):
            return newest, False
        conditional = if_match is not None or only_new
        raw = file_bytes(template, rfc3339(time.time()))
        try:
            version = self._shelf.put(
                template.name, raw, following if conditional and wanted is None else wanted
            )
        except ApiError as error:
            if error.code == "TEMPLATE_VERSION_CONFLICT" and conditional and wanted is None:
                raise _changed(f"Template {template.name!r} was changed just now.", None) from None
            raise
        return self._get(Ref(template.name, version)), True

    def _opened(self, rows: Sequence[Row]) -> Template | None:
        try:
            return self._shelf.open(rows[0]) if rows else None
        except ApiError:
            return None

    def _check_match(self, rows: Sequence[Row], if_match: str | None) -> None:
        if if_match is None:
            return
        newest = self._opened(rows)
        named = {each.strip().removesuffix('-gzip"').rstrip('"') + '"' for each in if_match.split(",")}
        if newest is None or (if_match.strip() != "*" and etag_of(newest) not in named):
            raise _changed("The template is not as If-Match says.", rows[0] if rows else None)


def view(template: Template) -> JSON:
    """Give a whole template as replies carry it."""
    return {
        "format": 1,
        "name": template.name,
        "version": template.version,
        "read_only": template.read_only,
        **about(template),
        **template.document,
    }


def json_bytes(document: Any) -> bytes:
    """Give *document* as JSON in UTF-8; half of a character, which UTF-8 cannot hold, as an escape."""
    try:
        return dumps(document).encode()
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":")).encode()


def etag_of(template: Template) -> str:
    """Give the strong ETag of :func:`view`'s JSON, quotes included."""
    return '"' + hashlib.blake2b(json_bytes(view(template)), digest_size=16).hexdigest() + '"'


def _same(one: Template, other: Template) -> bool:
    return one.digest == other.digest and _canonical(one.document) == _canonical(other.document)


def _canonical(document: JSON) -> str:
    return json.dumps(document, sort_keys=True)


def _proposed(graph: Mapping[str, JSON], specs: Mapping[str, NodeSpec], ui: JSON | None) -> Proposal:
    app: AppMode | None = None
    if ui is not None and has_app_mode(ui):
        app = app_mode(ui, specs)
    return propose(graph, specs, app)


def _read_only(name: str) -> Forbidden:
    return Forbidden(
        "TEMPLATE_READ_ONLY",
        f"Template {name!r} is in a folder that is only read.",
        hint="Keep a copy under another name.",
        details={"name": name},
    )


def _changed(message: str, row: Row | None) -> ApiError:
    details: JSON = {} if row is None else {"name": row.name, "version": row.version}
    return ApiError("TEMPLATE_CHANGED", message, hint="GET it again, and repeat.", details=details)
