"""Why Hugging Face refused, told apart by its documented headers X-Error-Code and X-Error-Message."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import JSON
from ..trouble import DownloadError
from .answers import plain, refusal
from .hub_links import HubFile
from .tokens import names

WHO = "Hugging Face"


def explain(  # noqa: PLR0911 - one return per kind of refusal
    wanted: HubFile, page: str, status: int, headers: Mapping[str, str], *, token_sent: bool
) -> DownloadError:
    """Give the error for an answer that is no success. *page* is the repository's."""
    code = headers.get("x-error-code", "")
    said = plain(headers.get("x-error-message", ""))
    details: JSON = {"status": status, "repository": wanted.repo, "page": page}
    if token_sent and status in {401, 403} and _bad_token(said):
        return DownloadError(
            "DOWNLOAD_AUTH_REQUIRED",
            "Hugging Face does not know the token (any more).",
            hint=f"Set {names('huggingface')} to a token that is valid.",
            details=details,
        )
    if code == "GatedRepo":
        return _gated(wanted, page, said, details, token_sent=token_sent)
    if code == "RevisionNotFound":
        return DownloadError(
            "DOWNLOAD_NOT_FOUND", f"{wanted.repo} has no revision {wanted.revision[:80]}.", details=details
        )
    if code == "EntryNotFound":
        return DownloadError(
            "DOWNLOAD_NOT_FOUND",
            f"{wanted.repo} has no file {wanted.path[:200]} at {wanted.revision[:80]}.",
            details=details,
        )
    if said.lower().startswith("access to this resource is disabled"):
        return DownloadError(
            "DOWNLOAD_GONE", f"Hugging Face has disabled access to {wanted.repo}.", details=details
        )
    if code == "RepoNotFound" or status == 401:
        return DownloadError(
            "DOWNLOAD_NOT_FOUND",
            f"Hugging Face has no repository {wanted.repo}, or it is private.",
            hint="The account of the token that is set cannot see it; check the name, or use another account."
            if token_sent
            else f"If it is private, set {names('huggingface')} to a token of an account that can see it.",
            details=details,
        )
    found = refusal(WHO, status, headers, about=f"{wanted.repo}/{wanted.path}"[:200], said=said)
    found.details.update(details)
    if status == 403 and token_sent:
        found.hint = "The token may lack the permission to read this repository."
    return found


def _gated(wanted: HubFile, page: str, said: str, details: JSON, *, token_sent: bool) -> DownloadError:
    if not token_sent:
        return DownloadError(
            "DOWNLOAD_AUTH_REQUIRED",
            f"{wanted.repo} is gated: Hugging Face wants a token of an account that has access.",
            hint=f"Ask for access at {page}, then set {names('huggingface')}.",
            details={**details, "gated": True},
        )
    told = said.lower()
    if "fine-grained" in told:
        return DownloadError(
            "DOWNLOAD_AUTH_REQUIRED",
            f"The token may not read gated repositories such as {wanted.repo}.",
            hint="Allow it in the token's settings: access to public gated repositories.",
            details={**details, "gated": True},
        )
    if "awaiting" in told or "pending" in told:
        state, message = "pending", "the request for access waits for its authors"
        hint = f"They decide; see {page}."
    elif "rejected" in told:
        state, message = "rejected", "its authors rejected the request for access"
        hint = "Use a token of another account, or another model."
    else:
        state, message = "not_granted", "the account of the token has not accepted its licence"
        hint = f"Accept it at {page} with that account, or set {names('huggingface')} to another account's."
    return DownloadError(
        "DOWNLOAD_GATED",
        f"{wanted.repo} is gated, and {message}.",
        hint=hint,
        details={**details, "gated": True, "access": state},
    )


def _bad_token(said: str) -> bool:
    told = said.lower()
    return any(
        words in told
        for words in ("invalid credentials", "invalid username or password", "invalid user token", "expired")
    )
