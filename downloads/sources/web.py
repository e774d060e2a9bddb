"""Files from any host that the owner of this server allows, over https."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

from ...settings import Settings
from ..plan import Address, Found, Stop, Wanted
from ..trouble import DownloadError
from .answers import refusal
from .links import Link, admitted, forbidden, invalid, parse, public
from .looks import Look, look
from .web_api import Web

MOST_KEPT = 256
"""How many links with signatures are kept in memory."""


class WebFiles:
    """Implements :class:`~..plan.Source`.

    A link may have a key or a signature in its query. That is kept in memory only, as long as this server
    runs: what is stored and shown is the link without it.
    """

    name = "web"

    def __init__(self, settings: Settings, web: Web) -> None:
        self._settings = settings
        self._web = web
        self._whole: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    @property
    def hosts(self) -> tuple[str, ...]:
        """Patterns of the hosts that the owner allows."""
        return tuple(self._settings.download_hosts.split())

    def claims(self, url: str) -> bool:
        """Say whether a link's host is allowed."""
        try:
            return admitted(parse(url), self.hosts)
        except DownloadError:
            return False

    def resolve(self, wanted: Wanted, stop: Stop) -> Found:
        """Begin to fetch the file, look at the headers, and break off."""
        link = self._checked(wanted.url)
        shown = public(link.url)
        answer = look(self._web, self._address(link), stop, name=link.last)
        if not isinstance(answer, Look):
            raise refusal(link.host, answer.status, answer.headers)
        notes: tuple[str, ...] = ()
        with self._lock:
            self._whole.pop(shown, None)
            if shown != link.url:
                self._whole[shown] = link.url
                notes = ("The link has a key or signature, which is forgotten when the server ends.",)
            while len(self._whole) > MOST_KEPT:
                self._whole.popitem(last=False)
        return Found(
            source=self.name,
            link=shown,
            host=link.host,
            filename=answer.filename or link.last,
            size=answer.size,
            media_type=answer.media_type,
            notes=notes,
            facts={"signed": 1} if notes else {},
        )

    def address(self, found: Found, stop: Stop) -> Address:  # noqa: ARG002 - asks nobody
        """Give the link, with its signature if this process still has it."""
        with self._lock:
            url = self._whole.get(found.link)
        if url is None and found.facts.get("signed"):
            raise DownloadError(
                "DOWNLOAD_AUTH_REQUIRED",
                "The link had a key or signature, which was not kept.",
                hint="Ask for the download again, with a fresh link.",
            )
        return self._address(self._checked(url or found.link))

    def explain(
        self,
        found: Found,
        status: int,
        headers: Mapping[str, str],
        body_head: bytes = b"",  # noqa: ARG002
    ) -> DownloadError:
        """Say why the host refused. *headers* have lower-case names."""
        error = refusal(found.host, status, headers)
        if status in {401, 403} and found.facts.get("signed"):
            error.hint = "The link's signature may have expired: ask again, with a fresh link."
        return error

    def _checked(self, url: str) -> Link:
        link = parse(url)
        if not admitted(link, self.hosts):
            raise forbidden(link.host, self.hosts)
        if link.scheme != "https" and not self._settings.outbound_allow_private:
            raise invalid("The link is not https.", hint="Plain http is taken with outbound_allow_private.")
        return link

    def _address(self, link: Link) -> Address:
        return Address(link.url, hop_hosts=self.hosts, check_hop=self._check_hop)

    def _check_hop(self, origin: str, target: str) -> bool:
        """Let redirects lead where links may lead too, and on within a host."""
        try:
            to = parse(target)
            return to.host == parse(origin).host or admitted(to, self.hosts)
        except DownloadError:
            return False
