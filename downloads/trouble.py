"""What goes wrong with downloads."""

from __future__ import annotations

from ..errors import JSON, ApiError

RETRYABLE = frozenset(
    {
        *("DOWNLOAD_UPSTREAM_RATE_LIMITED", "DOWNLOAD_UPSTREAM_ERROR", "DOWNLOAD_NETWORK_ERROR"),
        *("DOWNLOAD_TIMEOUT", "DOWNLOAD_STALLED", "DOWNLOAD_INCOMPLETE", "DOWNLOAD_TARGET_IN_USE"),
    }
)
"""Codes of failures that may pass by themselves."""


class DownloadError(ApiError):
    """A download was refused or failed; *code* is one of the DOWNLOAD codes.

    *retry_after_s* is what the source asked for.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        details: JSON | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code, message, hint=hint, details=details)
        self.retry_after_s = retry_after_s

    @property
    def retryable(self) -> bool:
        """Whether trying again may help."""
        return self.code in RETRYABLE


class Stopped(Exception):
    """The download was asked to end: paused, cancelled, or the server stops. Not an error."""
