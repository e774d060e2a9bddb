"""Hostile zip archives (cases 80 to 92): nothing is unpacked, nothing is left behind, old files stay."""

import os
import stat
import struct
import threading
import zipfile
import zlib
from pathlib import Path

import pytest
from backplane.downloads.stopping import Stopper
from backplane.downloads.trouble import DownloadError, Stopped
from backplane.downloads.unzip import extract, publish_all
from model_bytes import HTML, gguf, pickled, safetensors, zipped

TASK = "dl-0123456789abcdef"
OLD = safetensors(1, fill=b"\1")


class Room:
    """A model folder with an old file in it, a folder beside it, and an archive."""

    def __init__(self, base):
        self.base = base
        self.folder = base / "loras"
        self.folder.mkdir()
        (self.folder / "old.safetensors").write_bytes(OLD)
        self.archive = self.folder / f".{TASK}.part"
        self.before = {}

    def holds(self):
        """Every file, link and folder below the base, and what is in it."""
        found = {}
        for path in self.base.rglob("*"):
            if path.is_symlink():
                found[path] = path.readlink()
            else:
                found[path] = path.read_bytes() if path.is_file() else None
        return found

    def extract(self, data, **options):
        if data is not None:
            self.archive.write_bytes(data)
        self.before = self.holds()
        return extract(
            self.archive,
            self.folder,
            TASK,
            **{"allow_pickle": False, "max_bytes": 10**8, "stop": Stopper(), **options},
        )

    def refused(self, data, **options):
        with pytest.raises(DownloadError) as caught:
            self.extract(data, **options)
        error = caught.value
        assert str(self.base) not in f"{error.message}{error.hint}{error.details}"
        assert error.message.isprintable()
        return error.code


def handles():
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


@pytest.fixture
def room(tmp_path):
    """Checks after each test that all is as it was before."""
    made, open_before, threads = Room(tmp_path), handles(), threading.active_count()
    yield made
    assert made.holds() == made.before
    assert handles() == open_before
    assert threading.active_count() == threads


def info(name, **fields):
    made = zipfile.ZipInfo("x")
    made.filename = made.orig_filename = name  # ZipInfo itself would mend it
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def patched(data, old, new, count=1):
    assert data.count(old) >= count
    assert len(old) == len(new)
    return data.replace(old, new) if count > 1 else data.replace(old, new, 1)


GOOD = safetensors()

NAMES = {
    "80 dot dot": "../evil.safetensors",
    "80 dot dot inside": "a/../../evil.safetensors",
    "80 dot": "./evil.safetensors",
    "81 absolute": "/tmp/evil.safetensors",
    "81 a drive": "C:/evil.safetensors",
    "81 a share": "//host/share/evil.safetensors",
    "82 backslashes": "..\\..\\evil.safetensors",
    "82 a backslash": "a\\evil.safetensors",
    "89 a stream": "a.safetensors:evil.safetensors",
    "89 a device": "CON.safetensors",
    "89 a device's folder": "aux/evil.safetensors",
    "89 a dot at the end": "a./evil.safetensors",
    "a NUL": "evil.exe\0.safetensors",
    "a hidden file": ".evil.safetensors",
    "the part of the archive": f".{TASK}.part",
    "writing turned round": "\u202esrotnesefas.exe",
    "no name": "a//b.safetensors",
    "a long name": "a" * 250 + ".safetensors",
    "a deep one": "/".join("a" * 12) + "/b.safetensors",
    "88 an archive in the archive": "inner.zip",
    "a program": "setup.exe",
    "a script": "nodes/__init__.py",
    "a web page": "index.html",
    "no suffix": "model",
}


@pytest.mark.parametrize("case", NAMES)
def test_names_that_are_refused(room, case):
    archive = zipped([("good.safetensors", GOOD), (info(NAMES[case]), GOOD)])
    assert room.refused(archive) == "DOWNLOAD_ARCHIVE_UNSAFE"


def test_80_a_folder_outside(room):
    archive = zipped([(info("../evil/"), b""), ("good.safetensors", GOOD)])
    assert room.refused(archive) == "DOWNLOAD_ARCHIVE_UNSAFE"


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFDIR]
)
def test_83_links_and_devices(room, kind):
    entry = info("a.safetensors", external_attr=(kind | 0o777) << 16, create_system=3)
    assert room.refused(zipped([(entry, b"/etc/passwd")])) == "DOWNLOAD_ARCHIVE_UNSAFE"


def test_83_a_link_of_windows(room):
    entry = info("a.safetensors", external_attr=0x400, create_system=0)
    assert room.refused(zipped([(entry, GOOD)])) == "DOWNLOAD_ARCHIVE_UNSAFE"


def test_83_a_link_that_is_there_already(room):
    (room.base / "outside").mkdir()
    (room.folder / "away").symlink_to(room.base / "outside")
    archive = zipped([("first/good.safetensors", GOOD), ("away/evil.safetensors", GOOD)])
    assert room.refused(archive) == "DOWNLOAD_ARCHIVE_UNSAFE"


def test_84_encrypted(room):
    data = zipped({"a.safetensors": GOOD}, method=zipfile.ZIP_STORED)
    data = patched(data, b"PK\x03\x04\x14\x00\x00\x00", b"PK\x03\x04\x14\x00\x01\x00")
    data = patched(data, b"\x14\x03\x14\x00\x00\x00", b"\x14\x03\x14\x00\x01\x00")
    assert room.refused(data) == "DOWNLOAD_ARCHIVE_UNSAFE"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packed_in_a_rare_way(room, method):
    assert room.refused(zipped({"a.safetensors": GOOD}, method=method)) == "DOWNLOAD_ARCHIVE_UNSAFE"


def test_85_a_bomb_by_its_ratio(room):
    bomb = safetensors(50, side=128, fill=b"\0")
    assert room.refused(zipped({"a.safetensors": bomb})) == "DOWNLOAD_ARCHIVE_TOO_LARGE"


def test_85_a_bomb_by_its_sum(room):
    files = {f"{number}.safetensors": safetensors(1, side=100) for number in range(20)}
    assert room.refused(zipped(files), max_bytes=500_000) == "DOWNLOAD_ARCHIVE_TOO_LARGE"


def test_85_a_bomb_whose_files_share_their_bytes(room):
    data = zipped({"a.safetensors": GOOD, "b.safetensors": GOOD}, method=zipfile.ZIP_STORED)
    at = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    data = bytearray(data)
    struct.pack_into("<L", data, at + 42, 0)  # the second entry begins where the first does
    data[at + 46 : at + 47] = b"a"
    assert room.refused(bytes(data)) in {"DOWNLOAD_ARCHIVE_TOO_LARGE", "DOWNLOAD_ARCHIVE_UNSAFE"}
    data[at + 46 : at + 47] = b"b"
    assert room.refused(bytes(data)) == "DOWNLOAD_ARCHIVE_TOO_LARGE"


def many(count):
    """An archive of *count* empty files, made by hand: zipfile takes seconds for it."""
    body = b"".join(
        struct.pack("<4sHHHHHLLLHH", b"PK\x03\x04", 20, 0, 0, 0, 33, 0, 0, 0, 8, 0) + b"%08d" % number
        for number in range(count)
    )
    directory = b"".join(
        struct.pack(
            "<4sHHHHHHLLLHHHHHLL", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 8, 0, 0, 0, 0, 0, 38 * number
        )
        + b"%08d" % number
        for number in range(count)
    )
    return body, directory


@pytest.mark.parametrize("told", ["honest", "zip64", "a lie"])
def test_86_a_hundred_thousand_entries(room, told):
    body, directory = many(100_000)
    count, length, offset = 100_000, len(directory), len(body)
    end64 = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, offset)
    end64 += struct.pack("<4sLQL", b"PK\x06\x07", 0, len(body) + length, 1)
    if told == "honest":
        end = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, length, offset, 0)
    elif told == "zip64":
        end = end64 + struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 1, 1, 99, 0, 0)
    else:
        end = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 1, 1, length, offset, 0)
    assert room.refused(body + directory + end) == "DOWNLOAD_ARCHIVE_TOO_LARGE"


def test_86_a_few_more_than_allowed_whose_count_is_a_lie(room):
    body, directory = many(1001)
    end = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), len(body), 0)
    assert room.refused(body + directory + end) == "DOWNLOAD_ARCHIVE_TOO_LARGE"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "pair",
    [
        ("a.safetensors", "a.safetensors"),
        ("a.safetensors", "A.SafeTensors"),
        ("x/a.safetensors", "X/a.safetensors"),
        ("straße.safetensors", "STRASSE.safetensors"),
        ("é.safetensors", "e\u0301.safetensors"),
        ("a.safetensors", "a.safetensors/b.safetensors"),
        ("A.safetensors/", "a.safetensors"),
    ],
)
def test_87_names_that_are_one_somewhere(room, pair):
    first, second = (("", GOOD)[not name.endswith("/")] for name in pair)
    assert room.refused(zipped([(pair[0], first), (pair[1], second)])) == "DOWNLOAD_ARCHIVE_UNSAFE"


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.safetensors", zipped({"b.safetensors": GOOD}), "DOWNLOAD_UNSAFE_FORMAT"),
        ("a.safetensors", pickled(), "DOWNLOAD_UNSAFE_FORMAT"),
        ("a.safetensors", GOOD[:-1], "DOWNLOAD_INVALID_FORMAT"),
        ("a.safetensors", GOOD + b"junk", "DOWNLOAD_INVALID_FORMAT"),
        ("a.safetensors", b"", "DOWNLOAD_INVALID_FORMAT"),
        ("a.safetensors", HTML, "DOWNLOAD_BAD_RESPONSE"),
        ("a.gguf", gguf()[:-1], "DOWNLOAD_INVALID_FORMAT"),
        ("a.ckpt", pickled(), "DOWNLOAD_UNSAFE_FORMAT"),
        ("a.txt", pickled(), "DOWNLOAD_UNSAFE_FORMAT"),
    ],
)
def test_88_files_that_are_not_what_their_names_say(room, name, data, code):
    archive = zipped([("good.safetensors", GOOD), (f"sub/{name}", data)])
    assert room.refused(archive) == code


def test_90_a_wrong_checksum(room):
    data = zipped({"first.safetensors": GOOD, "a.safetensors": safetensors(3)}, method=zipfile.ZIP_STORED)
    data = bytearray(data)
    data[data.index(b"PK\x01\x02") - 1] ^= 1  # the last byte of the second file
    assert room.refused(bytes(data)) == "DOWNLOAD_INVALID_ARCHIVE"


def test_90_a_stream_that_is_cut_or_broken(room):
    data = zipped({"a.safetensors": os.urandom(8).join([GOOD] * 2)})
    start = data.index(b"a.safetensors") + len("a.safetensors")
    broken = data[: start + 20] + b"\xff" * 20 + data[start + 40 :]
    assert room.refused(broken) in {"DOWNLOAD_INVALID_ARCHIVE", "DOWNLOAD_INVALID_FORMAT"}


@pytest.mark.parametrize(
    ("field", "offset", "value"),
    [
        ("name", 30, b"b"),
        ("method", 8, b"\0\0"),
        ("checksum", 14, bytes(4)),
        ("size", 22, struct.pack("<L", 1)),
    ],
)
def test_91_a_file_s_own_header_says_another_thing(room, field, offset, value):
    data = bytearray(zipped({"a.safetensors": GOOD}))
    data[offset : offset + len(value)] = value
    assert room.refused(bytes(data)) == "DOWNLOAD_INVALID_ARCHIVE"


@pytest.mark.parametrize("claimed", [10, 10**6])
def test_91_both_headers_lie_about_the_size(room, claimed):
    data = bytearray(zipped({"a.safetensors": GOOD}))
    for at in (22, data.index(b"PK\x01\x02") + 24):
        struct.pack_into("<L", data, at, claimed)
    assert room.refused(bytes(data)) in {"DOWNLOAD_INVALID_ARCHIVE", "DOWNLOAD_INVALID_FORMAT"}


def test_91_a_header_that_is_not_there(room):
    data = bytearray(zipped({"a.safetensors": GOOD}))
    data[:4] = b"XXXX"
    assert room.refused(bytes(data)) == "DOWNLOAD_INVALID_ARCHIVE"


def test_91_random_damage_ends_in_an_error_or_in_the_same_files(room):
    whole = zipped({"a.safetensors": GOOD, "b/c.txt": b"hello"})
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << (at % 8)
        try:
            staged = room.extract(bytes(data))
        except DownloadError:
            assert room.holds() == room.before
        else:
            assert {one.part.read_bytes() for one in staged} <= {GOOD, b"hello"}
            for one in staged:
                one.part.unlink()
                for made in one.made:
                    made.rmdir()


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06", b"no zip" * 99, zipped({}), zipped({"a/": b""})])
def test_no_archive_at_all(room, data):
    assert room.refused(data) == "DOWNLOAD_INVALID_ARCHIVE"


def test_a_cut_archive(room):
    assert room.refused(zipped({"a.safetensors": GOOD})[:-30]) == "DOWNLOAD_INVALID_ARCHIVE"


class StopAfter(Stopper):
    """Stops at the *number*th look."""

    def __init__(self, number):
        super().__init__()
        self.left = number

    def check(self):
        self.left -= 1
        if self.left < 0:
            self.stop()
        super().check()


def test_92_a_stop_at_any_moment_leaves_nothing(room):
    archive = zipped({"a.safetensors": GOOD, "sub/b.safetensors": GOOD, "sub/deep/c.gguf": gguf()})
    for number in range(99):
        try:
            staged = room.extract(archive, stop=StopAfter(number))
        except Stopped:
            assert room.holds() == room.before
            continue
        assert len(staged) == 3
        assert number >= 6
        break
    publish_all(staged, overwrite=False)
    assert room.holds() != room.before
    for path in (room.folder / "a.safetensors", room.folder / "sub/b.safetensors"):
        assert path.read_bytes() == GOOD
        path.unlink()
    (room.folder / "sub/deep/c.gguf").unlink()
    (room.folder / "sub/deep").rmdir()
    (room.folder / "sub").rmdir()


def test_92_a_stop_from_another_thread_ends_a_long_extraction(room):
    size = 60 * 2**20
    header = b'{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (size, size)
    piece = os.urandom(2**16)
    made = zipfile.ZipInfo("a.safetensors")
    with zipfile.ZipFile(room.archive, "w") as archive, archive.open(made, "w") as out:
        out.write(struct.pack("<Q", len(header)) + header)
        for _ in range(size // len(piece)):
            out.write(piece)
    stopper, seen = Stopper(), []
    thread = threading.Thread(target=stopper.stop)

    def report(pace):
        if not seen:
            thread.start()
        seen.append(pace)

    with pytest.raises(Stopped):
        room.extract(None, stop=stopper, report=report)
    thread.join()
    assert seen
    assert seen[-1].received < size
    room.archive.unlink()
    room.before.pop(room.archive)


def test_a_disk_that_fills_up_meanwhile(room, monkeypatch):
    archive = zipped({"a.safetensors": GOOD, "sub/b.safetensors": GOOD})
    real, calls = os.fdopen, []

    class Full:
        def __init__(self, out):
            self.out = out

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            self.out.close()

        def write(self, piece):
            raise OSError(28, "No space left on device")

    def fdopen(*args, **kwargs):
        calls.append(args)
        out = real(*args, **kwargs)
        return Full(out) if len(calls) == 2 else out

    monkeypatch.setattr(os, "fdopen", fdopen)
    assert room.refused(archive) == "DOWNLOAD_DISK_FULL"


def test_the_checksum_that_is_zero_is_a_checksum(room):
    assert zlib.crc32(b"") == 0
    assert room.refused(zipped({"a.txt": b""})) == "DOWNLOAD_INVALID_FORMAT"
