"""Tokens for the places that files come from.

Read anew at each request, so that a token that was renewed is used at the next attempt. They go into the
Authorization header only, over https only, and to their own hosts only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from ...settings import Settings
from ..trouble import DownloadError
from .links import Link, admitted

Service = Literal["huggingface", "civitai", "github"]

VARIABLES: dict[Service, tuple[str, ...]] = {
    "huggingface": ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
    "civitai": ("CIVITAI_API_TOKEN",),
    "github": ("GITHUB_TOKEN",),
}
"""Environment variables that are looked at where the setting is empty."""
SETTINGS: dict[Service, str] = {
    "huggingface": "hf_token",
    "civitai": "civitai_token",
    "github": "github_token",
}
YES = frozenset({"1", "on", "yes", "true"})
"""What counts as true in Hugging Face's variables."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")


def package_token() -> str | None:
    """Give the token as huggingface_hub finds it (it also renews what a browser login left); None without.

    Source: huggingface_hub's documented ``get_token``.
    """
    try:
        from huggingface_hub import get_token  # noqa: PLC0415 - heavy, and may be absent

        return get_token()
    except Exception:  # absent, too old, or it failed: the token file is read instead
        return None


class Tokens:
    """The tokens of this server's owner. *hub_token* is what asks huggingface_hub, if anything does."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str] | None = None,
        hub_token: Callable[[], str | None] | None = package_token,
    ) -> None:
        self._settings = settings
        self._environ: Mapping[str, str] = os.environ if environ is None else environ
        self._hub_token = hub_token

    def of(self, service: Service) -> str | None:
        """Give a token as it is now. Raises DownloadError DOWNLOAD_AUTH_REQUIRED if it can be none."""
        found = getattr(self._settings, SETTINGS[service]).strip() or next(
            (value for name in VARIABLES[service] if (value := self._environ.get(name, "").strip())), ""
        )
        if not found and service == "huggingface":
            found = self._kept_by_login()
        if not found:
            return None
        if _TOKEN.fullmatch(found) is None:
            raise DownloadError(
                "DOWNLOAD_AUTH_REQUIRED",
                f"The token for {service} has characters that no token has.",
                hint=f"See the setting {names(service)}.",
            )
        return found

    def header(self, service: Service, to: Link, hosts: Iterable[str]) -> dict[str, str]:
        """Give the Authorization header for a request, none unless it goes to one of *hosts*, exactly.

        Over plain http only where private networks are allowed and download_hosts names the host.
        """
        if to.host not in set(hosts):
            return {}
        if to.scheme != "https" and not (
            self._settings.outbound_allow_private and admitted(to, self._settings.download_hosts.split())
        ):
            return {}
        token = self.of(service)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def redacted(self, text: str) -> str:
        """Give *text* without any token of now."""
        for service in VARIABLES:
            try:
                token = self.of(service)
            except DownloadError:
                continue
            if token:
                text = text.replace(token, "•••")
        return text

    def _kept_by_login(self) -> str:
        """Give the token that ``hf auth login`` keeps, unless its variable says not to use it unasked."""
        if self._environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").strip().lower() in YES:
            return ""
        found = self._hub_token() if self._hub_token is not None else None
        return found.strip() if found else self._token_file()

    def _token_file(self) -> str:
        """Read it as huggingface_hub's documentation of HF_TOKEN_PATH and HF_HOME says where it lies."""
        named = self._environ.get("HF_TOKEN_PATH")
        home = self._environ.get("HF_HOME")
        cache = self._environ.get("XDG_CACHE_HOME") or "~/.cache"
        path = Path(named) if named else Path(home or Path(cache) / "huggingface") / "token"
        try:
            with path.expanduser().open(encoding="utf-8") as file:
                return file.read(8192).strip()
        except (OSError, RuntimeError, ValueError):
            return ""


def names(service: Service) -> str:
    """Say where a token is set, for messages: ``hf_token (or HF_TOKEN)``."""
    return f"{SETTINGS[service]} (or the variable {VARIABLES[service][0]})"
