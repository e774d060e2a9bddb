import os

from backplane.host.stamps import folder_stamp


def age(path, seconds=3600):
    moment = path.stat().st_mtime - seconds
    os.utime(path, (moment, moment))


def test_an_old_folder_has_one_stamp_until_it_changes(tmp_path):
    (tmp_path / "sub").mkdir()
    age(tmp_path / "sub")
    age(tmp_path)
    before = folder_stamp(str(tmp_path))

    assert folder_stamp(str(tmp_path)) == before
    age(tmp_path / "sub", 60)
    assert folder_stamp(str(tmp_path)) != before


def test_a_folder_that_changed_just_now_counts_as_changed(tmp_path):
    """Its timestamp may be too coarse to show the next change."""
    (tmp_path / "a").write_text("")
    assert folder_stamp(str(tmp_path)) != folder_stamp(str(tmp_path))


def test_a_folder_that_is_not_there_has_none(tmp_path):
    assert folder_stamp(str(tmp_path / "absent")) is None
