"""Unpacking archives that are right, and putting all of their files in place or none."""

import contextlib
import errno
import hashlib
import os
from pathlib import Path

import pytest
from backplane.downloads import unzip
from backplane.downloads.stopping import Stopper
from backplane.downloads.trouble import DownloadError
from backplane.downloads.unzip import discard, extract, publish_all, sweep
from model_bytes import gguf, pickled, safetensors, zipped

TASK = "dl-7"
A, B, OLD = safetensors(1), safetensors(2), safetensors(3, fill=b"\2")
FILES = {"a.safetensors": A, "sub/b.safetensors": B, "sub/readme.txt": b"hello"}


class Room:
    def __init__(self, folder):
        self.folder = folder
        self.archive = folder / f".{TASK}.part"

    def extract(self, files, **options):
        self.archive.write_bytes(files if isinstance(files, bytes) else zipped(files))
        return extract(
            self.archive,
            self.folder,
            TASK,
            **{"allow_pickle": False, "max_bytes": 10**7, "stop": Stopper(), **options},
        )

    def names(self):
        """All names but the archive's own."""
        found = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*")}
        return found - {self.archive.name}

    def holds(self):
        return {
            name: (self.folder / name).read_bytes() for name in self.names() if (self.folder / name).is_file()
        }


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path)


def test_all_files_get_their_names(room):
    told, reserved = [], []
    staged = room.extract(FILES, report=told.append, reserve=reserved.append)
    assert {path.suffix for path in room.folder.rglob("*") if path.is_file()} == {".part"}
    assert [(one.target.relative_to(room.folder).as_posix(), one.size, one.sha256) for one in staged] == [
        (name, len(data), hashlib.sha256(data).hexdigest()) for name, data in FILES.items()
    ]
    assert reserved == [sum(map(len, FILES.values()))]
    assert told[0].phase == "extracting"
    assert told[0].size == reserved[0]
    publish_all(staged, overwrite=False)
    assert room.holds() == FILES
    assert room.names() == {*FILES, "sub"}


def test_what_desktops_leave_in_archives_is_passed_over(room):
    litter = {
        "__MACOSX/._a.safetensors": b"\0\5\x16\7",
        ".DS_Store": b"x",
        "sub/Thumbs.db": b"x",
        "empty/": b"",
    }
    publish_all(room.extract({**litter, "a.safetensors": A}), overwrite=False)
    assert room.names() == {"a.safetensors"}


def test_names_in_the_encodings_of_this_world(room):
    archive = zipped({"模型/é.safetensors": A})
    publish_all(room.extract(archive), overwrite=False)
    assert room.holds() == {"模型/é.safetensors": A}


def test_accents_that_are_taken_apart_are_composed(room):
    publish_all(room.extract({"e\u0301.safetensors": A}), overwrite=False)
    assert room.holds() == {"é.safetensors": A}


def test_utf_8_that_is_not_marked_as_such(room):
    data = bytearray(zipped({"é.safetensors": A}))
    for at in (6, data.index(b"PK\x01\x02") + 8):
        data[at + 1] &= ~0x08
    publish_all(room.extract(bytes(data)), overwrite=False)
    assert room.holds() == {"é.safetensors": A}


def test_pickles_and_formats_of_another_folder(room):
    with pytest.raises(DownloadError) as caught:
        room.extract({"a.pt": pickled()})
    assert caught.value.code == "DOWNLOAD_UNSAFE_FORMAT"
    staged = room.extract({"a.pt": pickled()}, allow_pickle=True)
    discard(staged)
    with pytest.raises(DownloadError) as caught:
        room.extract({"a.gguf": gguf()}, takes=lambda suffix: suffix != ".gguf")
    assert caught.value.code == "DOWNLOAD_ARCHIVE_UNSAFE"
    assert room.names() == set()


def test_no_room_no_file(room):
    def reserve(size):
        raise DownloadError("DOWNLOAD_DISK_FULL", "full")

    with pytest.raises(DownloadError, match="full"):
        room.extract(FILES, reserve=reserve)
    assert room.names() == set()


def test_what_is_given_up_leaves_nothing(room):
    (room.folder / "sub").mkdir()
    discard(room.extract({"x/y/a.safetensors": A, **FILES}))
    assert room.names() == {"sub"}


def test_an_archive_that_cannot_be_opened(room):
    with pytest.raises(DownloadError) as caught:
        extract(room.folder / "gone", room.folder, TASK, allow_pickle=False, max_bytes=1, stop=Stopper())
    assert caught.value.code == "DOWNLOAD_IO_ERROR"


def test_a_folder_that_has_a_file_s_name(room):
    (room.folder / "a.safetensors").mkdir()
    with pytest.raises(DownloadError) as caught:
        room.extract(FILES)
    assert caught.value.code == "DOWNLOAD_ARCHIVE_UNSAFE"
    assert room.names() == {"a.safetensors"}


def test_one_file_that_is_there_keeps_all_away(room):
    (room.folder / "sub").mkdir()
    (room.folder / "sub/b.safetensors").write_bytes(OLD)
    with pytest.raises(DownloadError) as caught:
        publish_all(room.extract(FILES), overwrite=False)
    assert caught.value.code == "DOWNLOAD_FILE_EXISTS"
    assert caught.value.details == {"names": ["b.safetensors"]}
    assert room.holds() == {"sub/b.safetensors": OLD}


def test_a_file_that_appears_meanwhile_keeps_all_away(room, monkeypatch):
    staged = room.extract(FILES)
    check = unzip._check_free

    def then_appears(staged):
        check(staged)
        (room.folder / "sub/b.safetensors").write_bytes(OLD)

    monkeypatch.setattr(unzip, "_check_free", then_appears)
    with pytest.raises(DownloadError) as caught:
        publish_all(staged, overwrite=False)
    assert caught.value.code == "DOWNLOAD_FILE_EXISTS"
    assert room.holds() == {"sub/b.safetensors": OLD}


def test_old_files_are_replaced_where_that_is_asked(room):
    (room.folder / "a.safetensors").write_bytes(OLD)
    publish_all(room.extract(FILES), overwrite=True)
    assert room.holds() == FILES
    assert room.names() == {*FILES, "sub"}


def test_a_file_that_is_there_with_the_same_bytes_is_no_obstacle(room):
    (room.folder / "a.safetensors").write_bytes(A)
    before = (room.folder / "a.safetensors").stat().st_ino
    for overwrite in (False, True):
        publish_all(room.extract(FILES), overwrite=overwrite)
        assert room.names() == {*FILES, "sub"}
        assert room.holds() == FILES
    assert (room.folder / "a.safetensors").stat().st_ino == before


@pytest.mark.parametrize("fails_at", [1, 2, 3])
@pytest.mark.parametrize("links", [True, False])
def test_on_failure_every_old_file_is_back(room, monkeypatch, fails_at, links):
    (room.folder / "sub").mkdir()
    old = {"a.safetensors": OLD, "sub/b.safetensors": OLD[::-1]}
    for name, data in old.items():
        (room.folder / name).write_bytes(data)
    staged = room.extract(FILES)
    real, calls = unzip.publish, []

    def publish(part, target, **options):
        calls.append(target)
        if len(calls) == fails_at:
            raise DownloadError("DOWNLOAD_IO_ERROR", "broken")
        real(part, target, **options)

    monkeypatch.setattr(unzip, "publish", publish)
    if not links:

        def no_links(old, new):
            raise OSError(errno.EOPNOTSUPP, "no links here")

        monkeypatch.setattr(unzip, "hard_link", no_links)
    with pytest.raises(DownloadError, match="broken"):
        publish_all(staged, overwrite=True)
    assert room.holds() == old
    assert room.names() == {*old, "sub"}


def test_without_hard_links_old_files_are_replaced_too(room, monkeypatch):
    def no_links(old, new):
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(unzip, "hard_link", no_links)
    (room.folder / "a.safetensors").write_bytes(OLD)
    publish_all(room.extract(FILES), overwrite=True)
    assert room.holds() == FILES


def test_a_link_is_replaced_not_what_it_leads_to(room, tmp_path_factory):
    precious = tmp_path_factory.mktemp("other") / "precious"
    precious.write_bytes(OLD)
    (room.folder / "a.safetensors").symlink_to(precious)
    publish_all(room.extract(FILES), overwrite=True)
    assert precious.read_bytes() == OLD
    assert not (room.folder / "a.safetensors").is_symlink()
    assert room.holds() == FILES


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("step", range(9))
def test_killed_while_the_files_get_their_names(room, monkeypatch, step, links):
    """Nothing after the *step*th change of a name is done; then the task runs again."""
    (room.folder / "sub").mkdir()
    (room.folder / "a.safetensors").write_bytes(OLD)
    (room.folder / "sub/b.safetensors").write_bytes(OLD)
    staged = room.extract(FILES)
    count = 0

    def dying(call):
        def step_or_die(*args, **kwargs):
            nonlocal count
            count += 1
            if count > step:
                raise Killed
            return call(*args, **kwargs)

        return step_or_die

    def no_links(old, new):
        raise OSError(errno.EOPNOTSUPP, "no links here")

    with monkeypatch.context() as patched:
        for name in ("replace", "rename", "unlink", "rmdir"):
            patched.setattr(Path, name, dying(getattr(Path, name)))
        patched.setattr(unzip, "hard_link", dying(unzip.hard_link) if links else no_links)
        with contextlib.suppress(Killed):
            publish_all(staged, overwrite=True)
    sweep(room.folder, TASK)
    for name, data in room.holds().items():
        assert data in {OLD, FILES[name]}
    assert {"a.safetensors", "sub/b.safetensors"} <= room.names() <= {*FILES, "sub"}
    publish_all(room.extract(FILES), overwrite=True)
    assert room.holds() == FILES
    assert room.names() == {*FILES, "sub"}


def test_what_a_killed_extraction_left_is_swept(room):
    room.extract(FILES)
    room.archive.write_bytes(b"the archive itself")
    sweep(room.folder, TASK)
    assert room.names() == {"sub"}
    assert room.archive.exists()
    room.extract(FILES)
    staged = room.extract(FILES)  # again, as after a kill
    publish_all(staged, overwrite=False)
    assert room.holds() == FILES


def test_another_task_s_parts_are_left_alone(room):
    (room.folder / ".dl-77.0.part").write_bytes(b"x")
    (room.folder / ".dl-77.part").write_bytes(b"x")
    discard(room.extract(FILES))
    sweep(room.folder, TASK)
    assert room.names() == {".dl-77.0.part", ".dl-77.part"}


def test_files_are_made_with_the_usual_rights(room):
    before = os.umask(0o027)
    try:
        publish_all(room.extract(FILES), overwrite=False)
    finally:
        os.umask(before)
    assert (room.folder / "a.safetensors").stat().st_mode & 0o777 == 0o640
