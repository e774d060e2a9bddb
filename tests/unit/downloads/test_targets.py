"""Where a download goes, and where it never does."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from backplane.downloads.plan import Found, Target, Wanted
from backplane.downloads.targets import DEPTH_MAX, check_inside, early, inside, place, takes
from backplane.downloads.trouble import DownloadError
from backplane.host.protocol import ModelFolder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

URL = "https://huggingface.co/a/b/resolve/main/x.safetensors"
PT = frozenset({".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pt2"})
ALIASES = {"unet": "diffusion_models"}


class Library:
    """Model folders below a temporary one."""

    def __init__(self, base):
        self.base = base
        self.folders = {}
        for name in ("checkpoints", "loras", "vae"):
            self.add(name, [name])
        self.add("diffusion_models", ["unet", "diffusion_models"])
        self.add("diffusers", ["diffusers"], frozenset({"folder"}))
        self.add("unet_gguf", ["unet", "diffusion_models"], frozenset({".gguf"}))
        self.add("insightface", ["insightface"], frozenset({".onnx"}))
        self.add("configs", ["configs"], frozenset({".yaml"}))
        self.folders["lost"] = ModelFolder("lost", (), PT)

    def add(self, name, roots, suffixes=PT):
        roots = tuple(self.base / root for root in roots)
        for root in roots:
            root.mkdir(exist_ok=True)
        self.folders[name] = ModelFolder(name, roots, suffixes)

    def place(self, found=None, *, allow_pickle=False, **wanted):
        return place(self.folders, ALIASES, Wanted(URL, **wanted), found, allow_pickle=allow_pickle)

    def early(self, *, allow_pickle=False, **wanted):
        return early(self.folders, ALIASES, Wanted(URL, **wanted), allow_pickle=allow_pickle)


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path)


def found(filename="x.safetensors", folder=None):
    return Found("web", URL, "huggingface.co", filename=filename, folder=folder)


def refused(call, *args, **kwargs):
    with pytest.raises(DownloadError) as caught:
        call(*args, **kwargs)
    return caught.value


def test_a_usual_name_and_the_source_s_file(library):
    target = library.place(found(), type="lora")
    assert target == Target("loras", library.base / "loras", "x.safetensors")
    assert target.path == library.base / "loras" / "x.safetensors"


def test_what_is_asked_for_goes_before_what_the_source_says(library):
    target = library.place(found(folder="vae"), type="lora", filename="y.sft", target_dir="sdxl/styles/")
    assert (target.folder, target.name) == ("loras", "sdxl/styles/y.sft")
    assert library.place(found(folder="vae")).folder == "vae"
    assert library.place(found(folder="VAE")).folder == "vae"


def test_a_type_that_nobody_knows(library):
    error = refused(library.place, found(), type="lorra")
    assert error.code == "DOWNLOAD_INVALID_TYPE"
    assert "lora" in error.hint
    assert error.details["types"] == sorted(
        {"checkpoints", "loras", "vae", "diffusion_models", "diffusers", "unet_gguf", "insightface"}
    )
    error = refused(library.place, found())
    assert error.code == "DOWNLOAD_INVALID_TYPE"
    assert error.details["types"]
    assert refused(library.place, found(folder="worlds")).code == "DOWNLOAD_INVALID_TYPE"


@pytest.mark.parametrize("folder", ["configs", "custom_nodes", "web", "lost", "../loras", "/etc", ""])
def test_folders_without_models_take_nothing(library, folder):
    assert refused(library.place, found("a.yaml"), type=folder).code == "DOWNLOAD_INVALID_TYPE"


def test_a_name_without_a_suffix_takes_the_source_s(library):
    assert library.place(found(), type="lora", filename="detail").name == "detail.safetensors"
    assert library.place(found(), type="lora", filename="detail 1.5").name == "detail 1.5.safetensors"
    assert library.place(found(), type="lora", filename="detail.v2").name == "detail.v2.safetensors"
    error = refused(library.place, found("blob"), type="lora", filename="detail")
    assert (error.code, error.hint) == ("DOWNLOAD_INVALID_FILENAME", "E.g. detail.safetensors.")


def test_the_source_s_name_is_mended_the_client_s_is_not(library):
    assert library.place(found("../a:b.safetensors"), type="lora").name == "a_b.safetensors"
    error = refused(library.place, found(), type="lora", filename="a:b.safetensors")
    assert error.code == "DOWNLOAD_INVALID_FILENAME"
    assert error.details["suggestion"] == "a_b.safetensors"
    for nothing in (None, "", "..", "\u202e"):
        assert refused(library.place, found(nothing), type="lora").code == "DOWNLOAD_INVALID_FILENAME"


@pytest.mark.parametrize(
    ("filename", "options", "code"),
    [
        ("a.ckpt", {}, "DOWNLOAD_UNSAFE_FORMAT"),
        ("a.ckpt", {"allow_pickle": True}, None),
        ("a.exe", {"allow_pickle": True}, "DOWNLOAD_UNSAFE_FORMAT"),
        ("a.html", {}, "DOWNLOAD_UNSAFE_FORMAT"),
        ("a.py", {}, "DOWNLOAD_UNSAFE_FORMAT"),
        ("a.zip", {}, "DOWNLOAD_UNSAFE_FORMAT"),
        ("a.zip", {"unzip": True}, None),
        ("a.safetensors", {"unzip": True}, "DOWNLOAD_INVALID_FILENAME"),
        ("a.onnx", {}, "DOWNLOAD_UNSAFE_FORMAT"),
        ("a.onnx", {"type": "insightface"}, None),
        ("a.onnx", {"type": "diffusers"}, None),
        ("a.safetensors", {"type": "insightface"}, "DOWNLOAD_UNSAFE_FORMAT"),
        ("a.gguf", {}, "DOWNLOAD_UNSAFE_FORMAT"),
        ("a.gguf", {"type": "diffusion_model"}, None),
        ("a.gguf", {"type": "unet_gguf"}, None),
        ("a.gguf", {"type": "vae"}, None),
        ("config.json", {}, None),
        ("A.SAFETENSORS", {}, None),
    ],
)
def test_formats_and_folders(library, filename, options, code):
    ways = [
        lambda: library.place(None, filename=filename, **{"type": "lora", **options}),
        lambda: library.place(found(filename), **{"type": "lora", **options}),
        lambda: library.early(filename=filename, **{"type": "lora", **options}),
    ]
    for way in ways:
        if code is None:
            assert way().name == filename
        else:
            assert refused(way).code == code


def test_a_pickle_does_not_become_safe_by_another_name(library):
    for allow_pickle in (False, True):
        error = refused(
            library.place, found("x.ckpt"), type="lora", filename="x.safetensors", allow_pickle=allow_pickle
        )
        assert error.code == "DOWNLOAD_UNSAFE_FORMAT"


def test_an_archive_without_a_name_of_one(library):
    assert library.place(found("download"), type="lora", unzip=True).name == "download.zip"
    assert library.place(found("download"), type="lora", filename="pack", unzip=True).name == "pack.zip"
    assert library.place(found("pack.zip"), type="lora", filename="mine", unzip=True).name == "mine.zip"
    assert refused(library.place, found("pack.zip"), type="lora").code == "DOWNLOAD_UNSAFE_FORMAT"


BAD_DIRS = [
    *(
        "..",
        "../x",
        "a/../b",
        "/abs",
        "//host/share",
        "C:/x",
        "C:\\x",
        "a\\b",
        "a//b",
        "./a",
        ".",
        "a/.",
        "~/..",
    ),
    *("con", "a/NUL", ".hidden", "a.", "a /b", "a\0b", "\u202ea", "a" * 201, "/".join("a" * (DEPTH_MAX + 1))),
]


@pytest.mark.parametrize("target_dir", BAD_DIRS)
def test_a_target_dir_that_is_none_is_refused_with_and_without_the_source(library, target_dir):
    for call in (library.place, library.early):
        args = (found(),) if call == library.place else ()
        error = refused(call, *args, type="lora", target_dir=target_dir)
        assert error.code == "DOWNLOAD_INVALID_TARGET"
        assert str(library.base) not in f"{error.message}{error.hint}{error.details}"
        assert error.message.isprintable()


anything = st.text(st.one_of(st.sampled_from("./\\:~ aC\0"), st.characters()), max_size=20)


@given(anything, anything | st.sampled_from(["a.safetensors", "CON.safetensors"]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_asked_for_the_target_stays_inside(library, target_dir, filename):
    wanted = Wanted(URL, type="lora", filename=filename, target_dir=target_dir)
    for source in (None, found(filename)):
        asked = wanted if source is None else replace(wanted, filename=None)
        try:
            target = place(library.folders, ALIASES, asked, source, allow_pickle=True)
        except DownloadError as error:
            refusal = error.code.removeprefix("DOWNLOAD_")
        else:
            refusal = None
            real = os.path.realpath(target.path)
            assert real.startswith(os.path.realpath(library.base / "loras") + os.sep)
            assert target.name == Path(real).relative_to(os.path.realpath(target.root)).as_posix()
        assert refusal in {None, "INVALID_TARGET", "INVALID_FILENAME", "UNSAFE_FORMAT"}


def test_a_link_out_of_the_model_folders_is_refused(library, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (library.base / "loras" / "away").symlink_to(outside)
    (library.base / "loras" / "vae").symlink_to(library.base / "vae")
    for call, args in ((library.place, (found(),)), (library.early, ())):
        error = refused(call, *args, type="lora", target_dir="away/new")
        assert error.code == "DOWNLOAD_INVALID_TARGET"
    target = library.place(found(), type="lora", target_dir="vae")  # from one model folder to another
    (library.base / "loras" / "vae").unlink()
    (library.base / "loras" / "vae").symlink_to(outside)
    assert refused(check_inside, target, library.folders).code == "DOWNLOAD_INVALID_TARGET"
    assert list(outside.iterdir()) == []


def test_a_root_that_is_a_link_itself_is_the_owner_s_wish(library, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("big disk")
    root = library.base / "checkpoints"
    root.rmdir()
    root.symlink_to(elsewhere)
    assert library.place(found(), type="checkpoint", target_dir="sd").path == root / "sd" / "x.safetensors"


def test_names_that_folders_and_files_have_already(library):
    loras = library.base / "loras"
    (loras / "x.safetensors").mkdir()
    (loras / "file").write_bytes(b"")
    assert refused(library.place, found(), type="lora").code == "DOWNLOAD_INVALID_FILENAME"
    assert refused(library.place, found(), type="lora", target_dir="file").code == "DOWNLOAD_INVALID_TARGET"
    assert refused(library.early, type="lora", target_dir="file/x").code == "DOWNLOAD_INVALID_TARGET"


def test_of_several_roots_today_s_name_is_taken(library):
    assert library.place(found(), type="unet").root == library.base / "diffusion_models"


def test_a_file_is_replaced_where_it_is(library):
    (library.base / "unet" / "sub").mkdir()
    (library.base / "unet" / "sub" / "x.safetensors").write_bytes(b"old")
    assert library.place(found(), type="unet", target_dir="sub").root == library.base / "unet"
    assert library.place(found(), type="unet").root == library.base / "diffusion_models"


def test_the_first_root_that_can_be_written_is_taken(library, monkeypatch):
    first, second = library.base / "readonly", library.base / "default"
    library.add("loras", ["readonly", "default"])
    writable = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != first and writable(path, mode))
    assert library.place(found(), type="lora").root == second
    second.rmdir()  # it will be made: its parent can be written to
    assert library.place(found(), type="lora").root == second
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert library.place(found(), type="lora").root == first


def test_what_can_be_told_without_the_source(library):
    assert library.early() is None
    assert library.early(type="lora", target_dir="a") is None
    assert library.early(type="lora", filename="a") is None
    assert library.early(filename="a.safetensors") is None
    assert library.early(type="lora", filename="a.sft", target_dir="b").name == "b/a.sft"
    assert refused(library.early, type="wheels").code == "DOWNLOAD_INVALID_TYPE"
    assert refused(library.early, filename="a/b.sft").code == "DOWNLOAD_INVALID_FILENAME"
    assert refused(library.early, filename="a.ckpt").code == "DOWNLOAD_UNSAFE_FORMAT"
    assert refused(library.early, target_dir="..").code == "DOWNLOAD_INVALID_TARGET"


def test_what_a_folder_takes(library):
    loras = library.folders["loras"]
    assert takes(library.folders, loras, ".safetensors")
    assert takes(library.folders, loras, ".txt")
    assert not takes(library.folders, loras, ".gguf")
    assert not takes(library.folders, loras, ".exe")


def test_inside(tmp_path):
    (tmp_path / "loras2").mkdir()
    assert inside(tmp_path / "loras", [tmp_path / "loras"])
    assert inside(tmp_path / "loras" / "a" / "b", [tmp_path / "x", tmp_path / "loras"])
    assert not inside(tmp_path / "loras2", [tmp_path / "loras"])
    assert not inside(tmp_path, [tmp_path / "loras"])
    assert not inside(tmp_path, [])
