"""The composition root: which parts there are and what each is given. No globals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .access import Outbound, Rules
from .catalog import Catalog, PairCounts
from .host.protocol import Host
from .settings import Settings, SettingsError
from .tasks import Limits, Policy, Retention, Tasks
from .tasks.intake import Inputs
from .tasks.logs import Redactor
from .tasks.notices import Notices
from .tasks.service import Store
from .tasks.signing import SecretError, parse_secrets
from .tasks.webhooks import Courier

VERSION = "0.1.0"
"""Backplane's own version; pyproject.toml is pinned to it by a test."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the routes call."""

    settings: Settings
    host: Host
    catalog: Catalog
    tasks: Tasks
    outbound: Outbound

    def start(self) -> None:
        """Begin to watch the host. On the event loop, once, before the first request."""
        self.tasks.start()

    async def stop(self) -> None:
        """Write down what is only in memory. ComfyUI never calls this; the sandbox does."""
        await self.tasks.stop()
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
    tasks = Tasks(
        host,
        catalog,
        lambda node: _open_store(host.state_dir() / "tasks.sqlite3", node),
        notices=Notices(settings.webhook_url),
        courier=lambda outbox: Courier(outbox, outbound, secrets),
        check_url=outbound.check,
        inputs=Inputs(_InputFolder(host), outbound, max_bytes=settings.max_input_bytes),
        redact=Redactor([settings.webhook_secret] if settings.webhook_secret else []),
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
    return Services(settings=settings, host=host, catalog=catalog, tasks=tasks, outbound=outbound)


@dataclass(frozen=True, slots=True)
class _InputFolder:
    """The host's input folder, as ``tasks/intake.py`` wants it."""

    host: Host

    def folder(self) -> Path:
        return self.host.input_dir()


def _open_store(path: Path, node: str) -> Store:
    # Loading SQLite's library takes up to 0.3 s: not while ComfyUI imports the package.
    from .tasks.store import open_engine  # noqa: PLC0415

    return open_engine(path, node=node)


def _secrets(settings: Settings) -> tuple[bytes, ...]:
    try:
        return parse_secrets(settings.webhook_secret)
    except SecretError as error:
        raise SettingsError(f"webhook_secret: {error}") from None
