"""The classes here are written as packs write them; their code is read, never run."""

# ruff: noqa: PTH208

import os
from pathlib import Path

import pytest
from backplane.host.definitions import NOTHING, file_use

FOLDERS = {"checkpoints", "loras", "vae", "vae_approx", "diffusers"}


class folder_paths:  # noqa: N801 - the module that packs import
    @staticmethod
    def get_filename_list(folder):
        raise AssertionError("the code is only looked at")

    get_folder_paths = get_input_directory = get_filename_list


class io:  # noqa: N801 - as comfy_api's V3 nodes see it
    class Combo:
        Input = staticmethod(lambda *args, **kwargs: None)

    class Schema:
        pass


def list_loras():
    return ["None", *folder_paths.get_filename_list("loras")]


class Plain:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"steps": ("INT", {"default": 20}), "mode": (["a", "b"],)}}


class Loader:
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "ckpt_name": (folder_paths.get_filename_list("checkpoints"), {"tooltip": "x"}),
                "strength": ("FLOAT", {"default": 1.0}),
            },
            "optional": {"lora_name": (["None", *folder_paths.get_filename_list("loras")],)},
        }


class ByHelper:
    @staticmethod
    def vae_list(_s):
        return folder_paths.get_filename_list("vae") + folder_paths.get_filename_list("vae_approx")

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"vae_name": (cls.vae_list(cls),)}}


class ByFunction:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"lora": (list_loras(),)}}


class ByVariable:
    @classmethod
    def INPUT_TYPES(cls):
        names = folder_paths.get_filename_list("loras")
        return {"required": {"first": (names,), "second": (names,), "other": ("INT",)}}


class Uploads:
    @classmethod
    def INPUT_TYPES(cls):
        folder = folder_paths.get_input_directory()
        files = [name for name in os.listdir(folder) if Path(folder, name).is_file()]
        return {"required": {"image": (sorted(files), {"image_upload": True})}}


class Elsewhere:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"file": (os.listdir("/somewhere"),)}}


class ByName:
    FOLDER = "loras"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"file": (folder_paths.get_filename_list(cls.FOLDER),)}}


class ModernBase:
    @classmethod
    def INPUT_TYPES(cls):
        return cls.define_schema()

    @classmethod
    def define_schema(cls):
        raise NotImplementedError


class Modern(ModernBase):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            inputs=[
                io.Combo.Input("ckpt", options=folder_paths.get_filename_list("checkpoints")),
                io.Combo.Input("mode", options=["a", "b"]),
            ]
        )


def test_a_definition_that_lists_nothing_depends_on_nothing():
    assert file_use(Plain, FOLDERS) == NOTHING


@pytest.mark.parametrize(
    ("node_class", "lists", "params"),
    [
        (Loader, {"checkpoints", "loras"}, {"ckpt_name": "checkpoints", "lora_name": "loras"}),
        (ByHelper, {"vae", "vae_approx"}, {"vae_name": "vae"}),
        (ByFunction, {"loras"}, {}),
        (ByVariable, {"loras"}, {"first": "loras", "second": "loras"}),
        (Uploads, {"input"}, {}),
        (Modern, {"checkpoints"}, {"ckpt": "checkpoints"}),
    ],
)
def test_the_lists_and_folders_are_read_off_the_code(node_class, lists, params):
    use = file_use(node_class, FOLDERS)

    assert use.lists == lists
    assert dict(use.param_folders) == params


@pytest.mark.parametrize("node_class", [Elsewhere, ByName])
def test_a_list_that_cannot_be_told_is_unknown(node_class):
    assert file_use(node_class, FOLDERS).lists is None


def test_a_class_without_code_to_read_depends_on_nothing():
    assert file_use(type("Bare", (), {}), FOLDERS) == NOTHING


def test_odd_classes_are_unknown_never_an_error():
    class Odd:
        def __class_getitem__(cls, item):
            raise RuntimeError

    Odd.INPUT_TYPES = property(lambda self: 1 / 0)
    assert file_use(Odd, FOLDERS).lists in (None, frozenset())
