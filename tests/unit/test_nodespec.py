"""Reading node definitions: what is a socket, what a param, and what packs get wrong."""

import enum
import json
import math
from pathlib import PurePosixPath

import pytest
from backplane.nodespec import (
    EXACT,
    UNION,
    WILDCARD,
    BadNodeInfo,
    NodeSpec,
    accepts,
    encoded,
    live_ports,
    parse,
    to_json,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def read(required=None, optional=None, **others):
    sections = {"required": required or {}, "optional": optional or {}}
    folders = others.pop("folders", {})
    return parse({"name": "Node", "input": sections, "output": [], **others}, folders=folders)


def one(declared, **others):
    """The JSON of the only port, with the list it stands in."""
    document = to_json(read({"port": declared}, **others))
    [(place, port)] = [(place, port) for place in ("inputs", "params") for port in document[place]]
    return place, port


class Anything(str):
    __slots__ = ()

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = str.__hash__


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Scalar:
    """As numpy's scalars behave."""

    shape = ()

    def __init__(self, value):
        self.value = value

    def tolist(self):
        return self.value


class Array(Scalar):
    shape = (3,)


def loop():
    endless = []
    endless.append(endless)
    return endless


def test_types_without_a_widget_are_inputs():
    assert one(("MODEL", {})) == ("inputs", {"name": "port", "type": "MODEL", "required": True})
    assert one(("MY_OWN_TYPE", {"lazy": True, "tooltip": "t"}))[1] == {
        "name": "port",
        "type": "MY_OWN_TYPE",
        "required": True,
        "lazy": True,
        "tooltip": "t",
    }


def test_widgets_are_params_that_may_be_linked():
    place, port = one(("INT", {"default": 0, "min": 0, "max": 9, "step": 1, "control_after_generate": True}))
    assert place == "params"
    assert port == {
        "name": "port",
        "type": "INT",
        "required": True,
        "linkable": True,
        "control_after_generate": True,
        "default": 0,
        "min": 0,
        "max": 9,
        "step": 1,
    }


def test_force_input_makes_a_socket_and_keeps_the_default():
    assert one(("BOOLEAN", {"forceInput": True, "default": False})) == (
        "inputs",
        {"name": "port", "type": "BOOLEAN", "required": True, "default": False},
    )


def test_a_widget_without_a_socket_cannot_be_linked():
    assert "linkable" not in one(("INT", {"socketless": True}))[1]


def test_a_union_with_a_widget_is_a_param_that_takes_all_its_types():
    place, port = one(("FLOAT,INT", {"widgetType": "FLOAT", "default": 25.0}))
    assert (place, port["type"], port["link_type"]) == ("params", "FLOAT", "FLOAT,INT")


def test_a_union_without_a_widget_is_an_input():
    assert one(("FLOAT,INT", {}))[0] == "inputs"


def test_a_special_widget_keeps_the_type_of_its_value():
    place, port = one(("STRING", {"widgetType": "PAINTER"}))
    assert (place, port["type"], port["widget"]) == ("params", "STRING", "PAINTER")


def test_combos_of_both_generations_look_the_same():
    old = one((["a", "b"], {"default": "b"}))
    new = one(("COMBO", {"options": ["a", "b"], "default": "b", "multiselect": False}))
    assert old == new
    assert old[1]["options"] == ["a", "b"]


def test_a_combo_that_the_client_fetches_has_no_options():
    port = one(("COMBO", {"remote": {"route": "/internal/files/output"}}))[1]
    assert "options" not in port
    assert port["remote"] == {"route": "/internal/files/output"}


def test_the_model_folder_is_named():
    spec = read({"ckpt_name": (["a.safetensors"], {})}, folders={"ckpt_name": "checkpoints"})
    assert to_json(spec)["params"][0]["folder"] == "checkpoints"


def test_list_nodes_say_so_on_every_input():
    assert read({"images": ("IMAGE", {})}, is_input_list=True).inputs[0].list


def test_inputs_come_in_the_order_the_node_states():
    order = {"required": ["b", "gone", "a"]}
    spec = read({"a": ("X", {}), "b": ("X", {}), "late": ("X", {})}, input_order=order)
    assert [port.name for port in spec.inputs] == ["b", "a", "late"]


def dynamic(kind="COMFY_DYNAMICCOMBO_V3"):
    inner = {
        "required": {"sub": (kind, {"options": [{"key": "x", "inputs": {"optional": {"y": ("INT", {})}}}]})}
    }
    return (kind, {"options": [{"key": "off", "inputs": {}}, {"key": "on", "inputs": inner}]})


@pytest.mark.parametrize("kind", ["COMFY_DYNAMICCOMBO_V3", "COMFY_COMBODYNAMIC_V3"])
def test_a_dynamic_combo_has_its_variants_with_complete_names(kind):
    place, port = one(dynamic(kind))
    assert (place, port["type"], port["options"]) == ("params", "COMBO", ["off", "on"])
    assert "linkable" not in port
    assert port["variants"]["off"] == {"inputs": [], "params": []}
    [nested] = port["variants"]["on"]["params"]
    assert nested["name"] == "port.sub"
    assert nested["variants"]["x"]["params"][0] == {
        "name": "port.sub.y",
        "type": "INT",
        "required": False,
        "linkable": True,
    }


def test_live_ports_follow_the_chosen_keys():
    spec = read({"port": dynamic()})

    def names(**values):
        ports = live_ports(spec, {key.replace("_", "."): value for key, value in values.items()})
        return [port.name for port in (*ports.inputs, *ports.params)]

    assert names() == ["port"]
    assert names(port="off") == ["port"]
    assert names(port="nowhere") == ["port"]
    assert names(port="on") == ["port", "port.sub"]
    assert names(port="on", port_sub="x") == ["port", "port.sub", "port.sub.y"]


def test_a_growing_input_says_which_names_it_has():
    template = {"input": {"required": {"image": ("IMAGE", {})}}, "prefix": "image", "min": 2, "max": 4}
    spec = read(optional={"images": ("COMFY_AUTOGROW_V3", {"template": template, "tooltip": "t"})})
    assert to_json(spec)["inputs"] == [
        {
            "name": "images",
            "type": "IMAGE",
            "required": True,
            "grows": {"prefix": "images.image", "min": 2, "max": 4},
            "tooltip": "t",
        }
    ]
    live = live_ports(spec, {}).inputs
    assert [(port.name, port.required) for port in live] == [
        ("images.image0", True),
        ("images.image1", True),
        ("images.image2", False),
        ("images.image3", False),
    ]


def test_a_growing_input_may_list_its_names():
    template = {"input": {"optional": {"v": ("FLOAT", {"forceInput": True})}}, "names": ["a", "b"], "min": 1}
    [port] = to_json(read({"values": ("COMFY_AUTOGROW_V3", {"template": template})}))["inputs"]
    assert port["grows"] == {"names": ["values.a", "values.b"], "min": 1, "max": 2}
    assert port["required"] is False


def test_a_dynamic_slot_brings_further_ports_once_it_is_linked():
    options = {"slotType": "IMAGE", "inputs": {"required": {"scale": ("FLOAT", {})}}}
    spec = read(optional={"ref": ("COMFY_DYNAMICSLOT_V3", options)})
    [port] = to_json(spec)["inputs"]
    assert (port["type"], port["required"]) == ("IMAGE", False)
    assert port["variants"]["linked"]["params"][0]["name"] == "ref.scale"
    assert live_ports(spec, {}).params == ()
    assert [param.name for param in live_ports(spec, {"ref": ["1", 0]}).params] == ["ref.scale"]


def test_matching_ports_name_their_template_and_what_it_allows():
    template = {"template_id": "t", "allowed_types": "IMAGE,MASK"}
    spec = read(
        {"a": ("COMFY_MATCHTYPE_V3", {"template": template})},
        output=["COMFY_MATCHTYPE_V3", "INT"],
        output_matchtypes=["t", None],
    )
    assert (spec.inputs[0].type, spec.inputs[0].match) == ("IMAGE,MASK", "t")
    assert [(output.type, output.match) for output in spec.outputs] == [("IMAGE,MASK", "t"), ("INT", None)]


@pytest.mark.parametrize(
    ("output", "types"),
    [(None, []), ("IMAGE", ["IMAGE"]), ([["a", "b"], "INT"], ["COMBO", "INT"]), ((), []), ([int], ["int"])],
)
def test_odd_return_types_are_read_as_they_were_meant(output, types):
    assert [found.type for found in read(output=output).outputs] == types


def test_short_or_odd_names_of_outputs_fall_back_to_the_type():
    spec = read(output=["IMAGE", "MASK", "INT"], output_name=("picture", None), output_is_list=[True])
    assert [(found.name, found.list) for found in spec.outputs] == [
        ("picture", True),
        ("MASK", False),
        ("INT", False),
    ]


@pytest.mark.parametrize(
    ("declared", "kind"),
    [("IMAGE", "IMAGE"), (("IMAGE",), "IMAGE"), ((Anything("*"), {}), "*"), ((), "*"), ((None,), "*")],
)
def test_declarations_cut_short_are_still_inputs(declared, kind):
    place, port = one(declared)
    assert (place, port["type"]) == ("inputs", kind)
    assert type(port["type"]) is str


@pytest.mark.parametrize(
    ("listed", "options"),
    [
        ({"b", "a"}, ["a", "b"]),
        ({"b": 1, "a": 2}.keys(), ["a", "b"]),
        (("x", 1, 2.5, True, None), ["x", 1, 2.5, True, None]),
        ([Colour.RED, Colour.BLUE], ["red", 2]),
        ([PurePosixPath("a/b"), print, object(), math.nan, b"raw"], ["a/b"]),
        ([Scalar(3), Array([1, 2])], [3, [1, 2]]),
        (Array(["p", "q"]), ["p", "q"]),
        ([], []),
    ],
)
def test_options_that_json_cannot_say_are_mended_or_dropped(listed, options):
    place, port = one((listed, {}))
    assert (place, port["type"]) == ("params", "COMBO")
    assert port["options"] == options


def test_values_that_json_cannot_say_are_left_out():
    odd = {
        "default": math.nan,
        "min": -math.inf,
        "max": Scalar(5),
        "step": "1",
        "tooltip": ["not", "text"],
        "display": print,
        "gradient_stops": loop(),
    }
    assert one(("FLOAT", odd))[1] == {
        "name": "port",
        "type": "FLOAT",
        "required": True,
        "linkable": True,
        "max": 5,
        "gradient_stops": [],
    }


def test_a_number_too_long_for_json_is_left_out():
    assert "max" not in one(("INT", {"max": 10**5000}))[1]


def test_a_file_name_that_is_not_utf_8_survives():
    body = encoded(to_json(read({"f": (["bad\udcff.png"], {})})))
    assert json.loads(body)["params"][0]["options"] == ["bad\udcff.png"]


@pytest.mark.parametrize("info", [None, [], "x", {}, {"name": 3}, {"name": "N", "input": [1]}])
def test_what_cannot_be_read_at_all_is_one_error(info):
    with pytest.raises(BadNodeInfo):
        parse(info)


@pytest.mark.parametrize(
    ("told", "judged"),
    [({"a", "*"}, {"a", "*"}), (["a", 3], {"a"}), (None, set()), ("a", set()), ((), set())],
)
def test_what_a_class_checks_itself_is_kept_but_not_shown(told, judged):
    spec = read(own_checks=told)
    assert spec.own_checks == judged
    assert to_json(spec) == to_json(read())


def test_an_option_that_raises_when_touched_is_that_error_too():
    class Mine(dict):
        def get(self, *_):
            raise OSError("disk gone")

    with pytest.raises(BadNodeInfo, match="OSError: disk gone"):
        read({"a": ("INT", Mine())})


@pytest.mark.parametrize(
    ("takes", "gives", "rank"),
    [
        ("IMAGE", "IMAGE", EXACT),
        ("A,B", "B, A", EXACT),
        ("IMAGE", "MASK", None),
        ("IMAGE,MASK", "IMAGE", UNION),
        ("B", "A,B", UNION),
        ("*", "IMAGE", WILDCARD),
        ("IMAGE", "*", WILDCARD),
        ("*", "*", WILDCARD),
        ("A,*", "B", WILDCARD),
        ("COMFY_MATCHTYPE_V3", "B", WILDCARD),
        ("INT", "FLOAT", None),
        ("COMBO", "STRING", None),
    ],
)
def test_which_output_fits_which_input(takes, gives, rank):
    assert accepts(takes, gives) == rank


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.binary(max_size=3)
    | st.sampled_from(
        [
            *(
                print,
                object(),
                Colour.RED,
                PurePosixPath("a"),
                Scalar(1),
                Array([1]),
                Anything("*"),
                int,
                loop(),
            ),
            *("INT", "COMBO", "COMFY_AUTOGROW_V3", "COMFY_DYNAMICCOMBO_V3", "COMFY_DYNAMICSLOT_V3"),
            "COMFY_MATCHTYPE_V3",
        ]
    )
)
option_names = st.sampled_from(
    ["default", "options", "template", "inputs", "min", "max", "prefix", "names", "key", "slotType", "input"]
)
keys = option_names | st.sampled_from(["required", "optional", "allowed_types"]) | st.text(max_size=3)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner, max_size=4)
        | st.frozensets(st.text(max_size=2), max_size=3)
    ),
    max_leaves=20,
)
declarations = values | st.tuples(leaves, st.dictionaries(keys, values, max_size=5))
sections = st.dictionaries(
    st.sampled_from(["required", "optional"]), st.dictionaries(st.text(max_size=4), declarations, max_size=4)
)
other_keys = (
    *("input_order", "output", "output_name", "output_is_list", "output_tooltips", "output_matchtypes"),
    *("category", "description", "display_name", "python_module", "deprecated", "is_input_list"),
    "search_aliases",
)
infos = values | st.fixed_dictionaries(
    {"name": st.text(min_size=1, max_size=4)},
    optional={"input": values | sections, **dict.fromkeys(other_keys, values)},
)


@settings(max_examples=400, deadline=None)
@given(infos)
def test_whatever_a_pack_says_is_a_node_in_json_or_the_one_error(info):
    try:
        spec = parse(info)
    except BadNodeInfo:
        return
    assert isinstance(spec, NodeSpec)

    def refuse(constant):
        raise AssertionError(constant)

    document = json.loads(encoded(to_json(spec)), parse_constant=refuse)
    assert document["name"] == spec.name
    live_ports(spec, {port.name: "x" for port in (*spec.inputs, *spec.params)})
