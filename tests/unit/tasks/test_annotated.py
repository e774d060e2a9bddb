"""The names of input files."""

import pytest
from backplane.tasks.annotated import InputFiles, annotated


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.png", ("a.png", "input")),
        ("sub/a.png", ("sub/a.png", "input")),
        ("a.png [output]", ("a.png", "output")),
        ("a b.png [temp]", ("a b.png", "temp")),
        ("a.png [input]", ("a.png", "input")),
        ("[output]", ("", "output")),
        ("a [other]", ("a [other]", "input")),
    ],
)
def test_a_name_may_end_with_its_folder(name, found):
    assert annotated(name) == found


class Folders:
    def __init__(self, root):
        self.root = root

    def output_file(self, filename, subfolder, kind):
        path = self.root / kind / subfolder / filename
        return path if path.is_file() else None


def test_a_file_is_looked_for_in_the_folder_that_is_named(tmp_path):
    tmp_path.joinpath("output").mkdir()
    tmp_path.joinpath("output", "a.png").touch()
    files = InputFiles(Folders(tmp_path))
    assert files.input_file("a.png [output]")
    assert not files.input_file("a.png")
