"""Room on the disk for all downloads together."""

import errno
import threading

import pytest
from backplane.downloads.space import Space, free_bytes, size_text
from backplane.downloads.trouble import DownloadError


class Disk:
    """A disk of *free* bytes."""

    def __init__(self, free):
        self.free = free

    def __call__(self, path):
        return self.free


def refused(call, *args):
    with pytest.raises(DownloadError) as caught:
        call(*args)
    assert caught.value.code == "DOWNLOAD_DISK_FULL"
    return caught.value


def test_what_is_kept_free_is_not_given_away(tmp_path):
    space = Space(100, free=Disk(1100))
    space.reserve(tmp_path, 1000).release()
    error = refused(space.reserve, tmp_path, 1001)
    assert error.details == {"free": 1100, "needed": 1001, "reserved": 0, "kept_free": 100, "missing": 1}
    assert str(tmp_path) not in f"{error.message}{error.hint}"
    assert space.reserved(tmp_path) == 0


def test_what_others_still_have_to_write_is_counted(tmp_path):
    disk = Disk(1000)
    space = Space(0, free=disk)
    first = space.reserve(tmp_path / "a" / "b.part", 600)
    assert refused(space.reserve, tmp_path, 500).details["reserved"] == 600
    first.wrote(600)
    disk.free = 400
    refused(space.reserve, tmp_path, 500)
    with space.reserve(tmp_path, 400):
        assert space.reserved(tmp_path) == 400
    first.release()
    first.release()
    assert space.reserved(tmp_path) == 0


def test_what_is_on_the_disk_already_needs_no_room(tmp_path):
    space = Space(0, free=Disk(100))
    assert space.reserve(tmp_path, 1000, already=950).outstanding == 50
    refused(space.reserve, tmp_path, 1000, 940)


def test_a_file_that_needs_nothing_more_is_finished_on_a_full_disk(tmp_path):
    assert Space(1000, free=Disk(0)).reserve(tmp_path, 500, already=500).outstanding == 0


def test_a_download_whose_size_shows_late_asks_for_more(tmp_path):
    space = Space(0, free=Disk(100))
    with space.reserve(tmp_path, 0) as room:
        room.grow(80)
        room.wrote(30)
        refused(room.grow, 131)
        assert room.outstanding == 50
        room.grow(130)
    assert space.reserved(tmp_path) == 0


def test_other_disks_are_another_matter(tmp_path, monkeypatch):
    space = Space(0, free=Disk(100))
    with space.reserve(tmp_path, 100) as room:
        room.device = -1
        space.reserve(tmp_path, 100).release()


def test_a_disk_that_cannot_be_asked_is_no_crash(tmp_path):
    def broken(path):
        raise OSError(errno.EIO, "Input/output error", str(path))

    space = Space(0, free=broken)
    with pytest.raises(DownloadError) as caught:
        space.reserve(tmp_path, 1)
    assert caught.value.code == "DOWNLOAD_IO_ERROR"
    assert str(tmp_path) not in caught.value.message
    assert space.reserved(tmp_path) == 0


def test_of_many_that_ask_at_once_as_many_get_room_as_fit(tmp_path):
    space, got, ready = Space(0, free=Disk(1000)), [], threading.Barrier(8)

    def ask():
        ready.wait()
        try:
            got.append(space.reserve(tmp_path, 300))
        except DownloadError:
            got.append(None)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([room for room in got if room]) == 3
    assert space.reserved(tmp_path) == 900


def test_the_disk_is_really_asked(tmp_path):
    assert free_bytes(tmp_path) > 0
    refused(Space(2**60).reserve, tmp_path, 1)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (6_940_000_000, "6.9 GB"), (1500, "1.5 kB")]
)
def test_sizes_as_people_read_them(size, text):
    assert size_text(size) == text
