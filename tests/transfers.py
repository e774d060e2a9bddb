"""Transfers from hostile servers on the loopback, and what has to hold after each."""

import contextlib
import json
from dataclasses import replace

import pytest
from backplane.downloads.plan import Address
from backplane.downloads.stopping import Stopper
from backplane.downloads.transfer import Job, Journal, Limits, transfer
from backplane.downloads.trouble import DownloadError
from hostile_http import QUICK, SHORT, nothing_left, reaching, sha256

LIMITS = Limits(stream=QUICK, progress_bytes=1 << 20, segment_bytes=64 * 1024)
IMPATIENT = replace(LIMITS, stream=SHORT)


class Stop(Stopper):
    """A Stop on whose clock no wait takes any time; *waits* are the seconds that were asked for."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def wait(self, seconds):
        self.waits.append(seconds)
        return self.asked


class Fetches:
    """Fetches into one folder, time and again; remembers what the transfers said and wrote down."""

    def __init__(self, folder, *servers, tls=None, resolve=None, **rules):
        self.part = folder / ".task.part"
        self.streams = reaching(*servers, tls=tls, resolve=resolve, **rules)
        self.server = servers[0] if servers else None
        self.stop = Stop()
        self.paces = []
        self.journals = []
        self.asked = 0

    @property
    def waits(self):
        """The waits of retries."""
        return self.stop.waits

    @property
    def journal(self):
        """What was written down last, through JSON, as another process would read it."""
        return Journal.from_json(json.loads(json.dumps(self.journals[-1].to_json())))

    def job(self, *, address=None, body=None, **options):
        """Make a job; with *body* its hash is declared, by a source."""
        if body is not None:
            options = {"sha256": sha256(body), "declared_by": "huggingface", **options}
        made = address or Address(self.server.url())

        def ask():
            self.asked += 1
            return made() if callable(made) else made

        options = {"max_bytes": 1 << 30, "limits": LIMITS, "dice": lambda: 0.5, **options}
        return Job(address=ask, part=self.part, **options)

    def fetch(self, **options):
        """Fetch; give what was received. Nothing but the part may be left."""
        with nothing_left():
            received = transfer(
                self.job(**options), self.streams, self.stop, self.paces.append, self.journals.append
            )
        assert self.part.stat().st_size == received.size
        assert sha256(self.part.read_bytes()) == received.sha256
        self._check()
        return received

    def fails(self, code, **options):
        """Fetch, which has to fail; give the error. Nothing but the part may be left."""
        with nothing_left(), pytest.raises(DownloadError) as caught:
            transfer(self.job(**options), self.streams, self.stop, self.paces.append, self.journals.append)
        assert caught.value.code == code, caught.value
        self._check()
        return caught.value

    def _check(self):
        assert {path.name for path in self.part.parent.iterdir()} <= {self.part.name}
        # the retry limit counts on it that a failed transfer left its journal and its part
        for journal in self.journals:
            assert all(start < end for start, end in journal.spans)

    def leave(self, body, *spans, **known):
        """Leave a part of *body* with these spans on the disk, and the journal of it, as if killed."""
        self.part.write_bytes(bytes(len(body)))
        with self.part.open("r+b") as file:
            for start, end in spans:
                file.seek(start)
                file.write(body[start:end])
        return Journal(spans, **{"size": len(body), **known})


class Inspecting:
    """An inspector that keeps what it is fed, and says what a test wants."""

    def __init__(self, total=None, refuses=None, settles_at=None):
        self.fed = bytearray()
        self.size = None
        self.total = total
        self._refuses = refuses
        self._settles_at = settles_at

    @property
    def settled(self):
        return self._settles_at is not None and len(self.fed) >= self._settles_at

    def feed(self, piece):
        self.fed += piece
        if self._refuses is not None:
            raise self._refuses

    def finish(self, size):
        self.size = size


@contextlib.contextmanager
def served(tmp_path, speak, **options):
    """One server, and fetches from it."""
    from hostile_http import Server

    folder = tmp_path / "models"
    folder.mkdir(exist_ok=True)
    with Server(speak, tls=options.get("tls_server")) as server:
        options.pop("tls_server", None)
        yield server, Fetches(folder, server, **options)
