"""What the tests of sources share: the guarded client, and stand-ins of the services on the loopback."""

from dataclasses import asdict

import pytest
from backplane.access import Rules, Streams
from backplane.downloads.plan import Wanted
from backplane.downloads.sources.streams_web import StreamsWeb
from backplane.downloads.sources.tokens import Tokens
from backplane.downloads.stopping import Stopper
from backplane.downloads.trouble import DownloadError
from backplane.settings import Settings
from fake_civitai import FakeCivitai
from fake_github import FakeGitHub
from fake_hub import FakeHub


class Desk:
    """A source with what it needs. *refused* and *found* also look for secrets in all that it says."""

    def __init__(self, make, *, environ=None, secrets=(), **settings):
        usual = {"download_hosts": "127.0.0.1", "outbound_allow_private": True}
        self.settings = Settings(**(usual | settings))
        self.environ = dict(environ or {})
        self.streams = Streams(Rules.of(self.settings))
        self.web = StreamsWeb(self.streams)
        self.stop = Stopper()
        self.secrets = [*secrets, *(getattr(self.settings, name) for name in _TOKENS)]
        self.secrets = [each for each in self.secrets if each]
        self.source = make(self)

    @property
    def tokens(self):
        return Tokens(self.settings, self.environ, hub_token=None)

    def found(self, url, **wanted):
        found = self.source.resolve(Wanted(url, **wanted), self.stop)
        self._clean(repr(found), repr(asdict(found)))
        return found

    def refused(self, url):
        with pytest.raises(DownloadError) as caught:
            self.source.resolve(Wanted(url), self.stop)
        self._clean(repr(caught.value.body()))
        return caught.value

    def address(self, found):
        address = self.source.address(found, self.stop)
        self._clean(repr(address))
        return address

    def fetch(self, found, **headers):
        """Fetch as a transfer does; give the answer's status and body."""
        address = self.address(found)
        entry = self.streams.rules
        if address.private:
            entry = Rules(allow_http=True, allow_private=True)
        with self.streams.open(
            "GET",
            address.url,
            headers={**address.headers, **headers},
            entry=entry,
            hops=address.hop_hosts,
            check_hop=address.check_hop,
        ) as stream:
            self.answer = stream.status, {name.lower(): value for name, value in stream.headers}
            return stream.status, stream.read(10_000_000)

    def explained(self, found, body=b""):
        status, headers = self.answer
        error = self.source.explain(found, status, headers, body)
        self._clean(repr(error.body()))
        return error

    def _clean(self, *texts):
        for text in texts:
            for secret in self.secrets:
                assert secret not in text


_TOKENS = ("hf_token", "civitai_token", "github_token")


@pytest.fixture
def hub():
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def civitai():
    with FakeCivitai() as civitai:
        yield civitai


@pytest.fixture
def github():
    with FakeGitHub() as github:
        yield github


@pytest.fixture
def desk():
    """Make a :class:`Desk`."""
    return Desk
