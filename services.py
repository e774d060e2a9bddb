"""The composition root: which parts there are and what each is given. No globals."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from .access import AllowList, Outbound, Rules
from .catalog import Catalog, PairCounts
from .errors import JSON
from .host.protocol import Host
from .needs import CivitaiSearch, HuggingFaceSearch, Needs
from .orders import Orders
from .settings import Settings, SettingsError
from .tasks import Limits, Policy, Retention, Task, Tasks
from .tasks.annotated import InputFiles
from .tasks.export import Export
from .tasks.intake import Inputs
from .tasks.keeping import Keeping
from .tasks.logs import Redactor
from .tasks.notices import Notices
from .tasks.service import Store
from .tasks.signing import SecretError, parse_secrets
from .tasks.trash import Trash
from .tasks.webhooks import Courier

if TYPE_CHECKING:
    from .downloader import Downloader
    from .models import Library
    from .sessions import Sessions
    from .templates import Templates

VERSION = "0.1.0"
"""Backplane's own version; pyproject.toml is pinned to it by a test."""


Made = TypeVar("Made")


class Late(Generic[Made]):
    """A part whose code is loaded when it is first asked for, not while ComfyUI imports the package."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: Made | None = None

    def get(self) -> Made:
        """Give it. From any thread; the first call takes a while."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the routes call."""

    settings: Settings
    host: Host
    catalog: Catalog
    tasks: Tasks
    keeping: Keeping
    export: Export
    outbound: Outbound
    library: Late[Library]
    downloader: Late[Downloader]
    needs: Needs
    sessions: Late[Sessions]
    templates: Late[Templates]
    orders: Orders

    def start(self) -> None:
        """Begin to watch the host. On the event loop, once, before the first request."""
        self.tasks.start()
        self.keeping.start()
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, self.library.get).add_done_callback(lambda made: made.result().start())
        loop.run_in_executor(None, self.sessions.get).add_done_callback(lambda made: made.result().start())
        loop.run_in_executor(None, self.tasks.inputs.sweep)

    async def stop(self) -> None:
        """Write down what is only in memory. ComfyUI never calls this; the sandbox does."""
        sessions = await asyncio.to_thread(self.sessions.get)
        await sessions.stop()
        await self.keeping.stop()
        await self.tasks.stop()
        # Asked for again, so that one that is just being made is started first.
        library = await asyncio.to_thread(self.library.get)
        await library.stop()
        await self.outbound.close()
        await self.catalog.close()


def build(settings: Settings, host: Host) -> Services:
    """Put the parts together; nothing runs before :meth:`Services.start`."""
    pairs = PairCounts(
        host.state_dir() / "node_pairs.json" if settings.learn_pairs else None,
    )
    catalog = Catalog(host, pairs)
    outbound = Outbound(Rules.of(settings), user_agent=f"Backplane/{VERSION}")
    secrets = _secrets(settings)

    def tell(name: str, data: JSON) -> None:
        tasks.hub.publish(name, data)  # which is made below, for downloads are among its tasks

    def tell_ended(task: Task) -> None:
        orders.ended(task)

    allowed = AllowList(settings.allowed_nodes)
    library = Late(lambda: _library(settings, host, tell, lambda: tasks.busy))
    downloader = Late(lambda: _downloader(settings, host, library.get()))
    tasks = Tasks(
        host,
        catalog,
        lambda node: _open_store(host.state_dir() / "tasks.sqlite3", node),
        notices=Notices(settings.webhook_url),
        courier=lambda outbox: Courier(outbox, outbound, secrets),
        check_url=outbound.check,
        allow=allowed.refuse,
        told=tell_ended,
        inputs=Inputs(_InputFolder(host), outbound, max_bytes=settings.max_input_bytes),
        redact=Redactor(
            [
                secret
                for secret in (
                    *(settings.webhook_secret, settings.hf_token),
                    *(settings.civitai_token, settings.github_token),
                )
                if secret
            ]
        ),
        others=lambda: [downloader.get()],
        limits=Limits(max_queued=settings.max_queued, max_attempts=settings.max_attempts),
        policy=Policy(
            rerun_interrupted=settings.rerun_interrupted,
            retention=Retention(
                age_s=settings.keep_days * 86_400 or None,
                count=settings.keep_tasks or None,
                bytes=settings.keep_bytes or None,
            ),
        ),
    )
    needs = Needs(
        catalog, _ModelNames(library, host), search=(HuggingFaceSearch(outbound), CivitaiSearch(outbound))
    )
    sessions = Late(lambda: _sessions(settings, host, catalog, tasks, templates))
    templates = Late(lambda: _templates(settings, host, catalog, allowed))
    orders = Orders(tasks, sessions, templates, locked=settings.locked)
    return Services(
        settings=settings,
        host=host,
        catalog=catalog,
        tasks=tasks,
        keeping=Keeping(tasks, host, Trash(host.state_dir() / "trash", days=settings.trash_days)),
        export=Export(tasks, catalog),
        outbound=outbound,
        library=library,
        downloader=downloader,
        needs=needs,
        sessions=sessions,
        templates=templates,
        orders=orders,
    )


def _library(
    settings: Settings, host: Host, tell: Callable[[str, JSON], None], busy: Callable[[], bool]
) -> Library:
    from .models import Library  # noqa: PLC0415 - 15 ms, in a thread

    return Library(host, tell, host.state_dir(), busy=busy, hash_models=settings.hash_models)


def _downloader(settings: Settings, host: Host, library: Library) -> Downloader:
    from .access import StreamLimits, Streams  # noqa: PLC0415 - 50 ms, in a thread
    from .downloader import Downloader, Policy  # noqa: PLC0415
    from .downloads.job import Busy, Tools  # noqa: PLC0415
    from .downloads.journal import Limits  # noqa: PLC0415
    from .downloads.sources import claimed, sources  # noqa: PLC0415
    from .downloads.sources.streams_web import StreamsWeb  # noqa: PLC0415
    from .downloads.space import Space  # noqa: PLC0415

    streams = Streams(Rules.of(settings), user_agent=f"Backplane/{VERSION}")
    among = sources(settings, StreamsWeb(streams))
    tools = Tools(
        folders=host,
        sources=lambda url: claimed(url, among),
        streams=streams,
        space=Space(settings.download_keep_free_bytes),
        busy=Busy(),
        limits=Limits(
            stream=StreamLimits(stall_s=settings.download_stall_s),
            connections=settings.download_connections,
        ),
        max_bytes=settings.download_max_bytes,
        allow_pickle=settings.allow_pickle,
    )
    policy = Policy(
        concurrency=settings.download_concurrency,
        per_hour=settings.downloads_per_hour,
        max_attempts=settings.max_attempts,
    )
    return Downloader(tools, library, policy)


def _templates(settings: Settings, host: Host, catalog: Catalog, allowed: AllowList) -> Templates:
    from .templates import Templates  # noqa: PLC0415 - in a thread

    shipped = Path(__file__).parent / "data" / "templates"
    given = [Path(folder) for folder in settings.templates_dirs.split(os.pathsep) if folder.strip()]
    return Templates(
        host.state_dir() / "templates", [*given, shipped], catalog, allowed=allowed, locked=settings.locked
    )


def _sessions(
    settings: Settings, host: Host, catalog: Catalog, tasks: Tasks, templates: Late[Templates]
) -> Sessions:
    from .sessions import Bounds, Lookups, Sessions  # noqa: PLC0415 - in a thread
    from .templates.filling import refuse_uploads  # noqa: PLC0415

    async def from_template(name: str, inputs: JSON) -> tuple[dict[str, JSON], JSON]:
        made = await asyncio.to_thread(templates.get)
        filled = await made.fill(name, inputs)
        refuse_uploads(filled.template, filled)
        about = {"name": filled.template.name, "version": filled.template.version}
        return filled.graph, about

    return Sessions(
        host.state_dir() / "sessions.sqlite3",
        catalog,
        Lookups(tasks),
        bounds=Bounds(
            age_s=settings.session_days * 86_400 or None,
            sessions=settings.max_sessions or None,
            versions=settings.session_versions or None,
            session_bytes=settings.session_bytes or None,
            store_bytes=settings.max_sessions_bytes or None,
        ),
        tell=tasks.hub.publish,
        from_template=from_template,
        files=InputFiles(host),
    )


@dataclass(frozen=True, slots=True)
class _InputFolder:
    """The host's input folder, as ``tasks/intake.py`` wants it."""

    host: Host

    def folder(self) -> Path:
        return self.host.input_dir()


@dataclass(frozen=True, slots=True)
class _ModelNames:
    """The names of models, as ``needs/`` wants them."""

    library: Late[Library]
    host: Host

    async def names(self) -> Mapping[str, Sequence[str]]:
        return await self.library.get().names()

    def aliases(self) -> Mapping[str, str]:
        return self.host.model_folder_aliases()


def _open_store(path: Path, node: str) -> Store:
    # Loading SQLite's library takes up to 0.3 s: not while ComfyUI imports the package.
    from .tasks.store import open_engine  # noqa: PLC0415

    return open_engine(path, node=node)


def _secrets(settings: Settings) -> tuple[bytes, ...]:
    try:
        return parse_secrets(settings.webhook_secret)
    except SecretError as error:
        raise SettingsError(f"webhook_secret: {error}") from None
