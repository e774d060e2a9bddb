"""The classes here are written as packs write them; their checks are looked at, never run."""

import functools
import json

import pytest
from backplane.host.own_checks import v1_own_checks, v3_own_checks


def check(function):
    """Make a V1 class of it."""
    return type("Node", (), {"VALIDATE_INPUTS": function})


def never(*_args, **_kwargs):
    raise AssertionError("a check is only looked at")


class Plain:
    pass


class Named:
    @classmethod
    def VALIDATE_INPUTS(cls, image, seed=0):
        raise AssertionError


class Every:
    @classmethod
    def VALIDATE_INPUTS(cls, input_types, **kwargs):
        raise AssertionError


class OnlyByKeyword:
    @classmethod
    def VALIDATE_INPUTS(cls, *, image):
        raise AssertionError


class Inherits(Named):
    pass


class Async:
    @classmethod
    async def VALIDATE_INPUTS(cls, image):
        raise AssertionError


class Odd(type):
    def __getattr__(cls, name):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("node_class", "judged"),
    [
        (Plain, set()),
        (Named, {"image", "seed"}),
        (Inherits, {"image", "seed"}),
        (Every, {"input_types", "*"}),
        (OnlyByKeyword, set()),  # ComfyUI reads argspec.args
        (Async, {"image"}),
        (check(staticmethod(json.loads)), {"s", "*"}),
        (check(functools.wraps(Named.VALIDATE_INPUTS)(never)), {"*"}),  # ComfyUI sees the wrapper
        (check(classmethod(functools.partial(never))), {"*"}),
        (check(None), set()),
        (check(3), {"*"}),  # ComfyUI's validation of it fails: nothing for us to say
        (Odd("Node", (), {}), {"*"}),
    ],
)
def test_the_parameters_of_a_v1_check_are_the_inputs_it_judges(node_class, judged):
    assert v1_own_checks(node_class) == judged


class Base:
    @classmethod
    def GET_BASE_CLASS(cls):
        return Base

    @classmethod
    def validate_inputs(cls, **kwargs):
        raise AssertionError

    VALIDATE_INPUTS = never


class V3Plain(Base):
    pass


class V3Named(Base):
    @classmethod
    def validate_inputs(cls, switch, on_true=None):
        raise AssertionError


class V3Inherits(V3Named):
    pass


class V3Kwargs(Base):
    @classmethod
    def validate_inputs(cls, model_file, **kwargs):
        raise AssertionError


class V3OldName(Base):
    @classmethod
    def VALIDATE_INPUTS(cls, image):
        raise AssertionError


class V3Placeholder(Base):
    validate_inputs = vars(Base)["validate_inputs"]


class NoV3:
    pass


@pytest.mark.parametrize(
    ("node_class", "judged"),
    [
        (V3Plain, set()),
        (V3Named, {"switch", "on_true"}),
        (V3Inherits, {"switch", "on_true"}),
        (V3Kwargs, {"model_file", "*"}),
        (V3OldName, set()),
        (V3Placeholder, set()),
        (NoV3, {"*"}),
    ],
)
def test_of_a_v3_class_only_an_overridden_check_counts(node_class, judged):
    assert v3_own_checks(node_class) == judged
