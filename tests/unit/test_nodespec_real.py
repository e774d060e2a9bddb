"""Every node of a real ComfyUI 0.33 is read, and nothing in it is lost."""

import gzip
import json
from pathlib import Path

from backplane.nodespec import Input, encoded, every_port, first_name, live_ports, parse, to_json

FIXTURE = Path(__file__).resolve().parents[1] / "data" / "object_info-0.33.0.json.gz"
INFOS = json.loads(gzip.decompress(FIXTURE.read_bytes()))

SECTIONS = ("required", "optional")
RENAMED = {
    "dynamicPrompts": "dynamic_prompts",
    "rawLink": "raw_link",
    "image_upload": "upload",
    "audio_upload": "upload",
    "video_upload": "upload",
    "file_upload": "upload",
}
SPOKEN_BY_SHAPE = {"socketless", "forceInput", "widgetType", "template", "slotType", "inputs"}
"""Options that decide what kind of port it is."""


def declared_ports(sections, prefix=""):
    """Each input ComfyUI could accept, dynamic ones unfolded: (full name, type, options, required)."""
    for section in SECTIONS:
        for key, declared in sections.get(section, {}).items():
            name, kind = prefix + key, declared[0]
            options = declared[1] if len(declared) > 1 else {}
            required = section == "required"
            if kind == "COMFY_AUTOGROW_V3":
                template = options["template"]
                names = template.get("names") or [f"{template['prefix']}{n}" for n in range(template["max"])]
                [(inner_section, inner)] = [(s, f) for s, f in template["input"].items() if f]
                [inner_declared] = inner.values()
                for number, leaf in enumerate(names):
                    needed = inner_section == "required" and number < template["min"]
                    yield f"{name}.{leaf}", inner_declared[0], inner_declared[1], needed
                continue
            yield name, kind, options, required
            if kind == "COMFY_DYNAMICCOMBO_V3":
                for option in options["options"]:
                    yield from declared_ports(option["inputs"], f"{name}.")


def unfolded(ports):
    """The same of a parsed node: {(name, ...)} with growing inputs as their names."""
    for port in every_port(ports):
        if isinstance(port, Input) and port.grows is not None:
            for number, name in enumerate(port.grows.names()):
                yield name, port, port.required and number < port.grows.least
        else:
            yield port.name, port, port.required


def count(items):
    found = {}
    for item in items:
        found[item] = found.get(item, 0) + 1
    return found


def for_every_node(check):
    faults = {}
    for name in INFOS:
        try:
            check(name)
        except AssertionError as error:
            faults[name] = str(error)
    assert faults == {}


def test_the_fixture_is_the_whole_catalogue():
    assert len(INFOS) == 887


def test_no_input_of_a_real_node_is_lost():
    for_every_node(check_no_input_of_a_real_node_is_lost)


def check_no_input_of_a_real_node_is_lost(name):
    spec = parse(INFOS[name], name=name)
    declared = count((port, required) for port, _, _, required in declared_ports(INFOS[name]["input"]))
    assert count((port, required) for port, _, required in unfolded(spec.ports)) == declared


def test_no_option_of_a_real_node_is_lost():
    for_every_node(check_no_option_of_a_real_node_is_lost)


def check_no_option_of_a_real_node_is_lost(name):
    spec = parse(INFOS[name], name=name)
    said = {}
    for port in to_ports(to_json(spec)):
        said.setdefault(port["name"], []).append(port)
    for port, kind, options, _ in declared_ports(INFOS[name]["input"]):
        candidates = [found for found in said[port] if matches(found, kind, options)]
        assert candidates, (port, kind, options, said[port])


def to_ports(document):
    for port in [*document["inputs"], *document["params"]]:
        if "grows" in port:
            grows = port["grows"]
            names = grows.get("names") or [f"{grows['prefix']}{n}" for n in range(grows["max"])]
            for number, name in enumerate(names):
                yield {**port, "name": name, "required": port["required"] and number < grows["min"]}
        else:
            yield port
        for variant in port.get("variants", {}).values():
            yield from to_ports(variant)


def matches(port, kind, options):
    """Does this port say all that the definition says?"""
    return has_type(port, kind, options) and all(
        # compared as text: 1 and True, 1 and 1.0 are not the same default
        json.dumps(port.get(name, "absent")) == json.dumps(value)
        for name, value in expected(kind, options)
    )


def has_type(port, kind, options):
    if isinstance(kind, list):
        return (port["type"], port["options"]) == ("COMBO", kind)
    if kind == "COMFY_MATCHTYPE_V3":
        template = options["template"]
        return (port["type"], port["match"]) == (template["allowed_types"], template["template_id"])
    if kind == "COMFY_DYNAMICCOMBO_V3":
        keys = [option["key"] for option in options["options"]]
        return port["options"] == keys == list(port["variants"])
    return kind in {port["type"], port.get("link_type")}


def expected(kind, options):
    for key, value in options.items():
        if key in SPOKEN_BY_SHAPE or (key == "options" and kind == "COMFY_DYNAMICCOMBO_V3"):
            continue
        if key != "default" and (value is False or value == ""):
            continue
        name = RENAMED.get(key, key)
        yield name, key.removesuffix("_upload") if name == "upload" else value


def test_outputs_flags_and_names_of_a_real_node_are_kept():
    for_every_node(check_outputs_flags_and_names_of_a_real_node_are_kept)


def check_outputs_flags_and_names_of_a_real_node_are_kept(name):
    info, spec = INFOS[name], parse(INFOS[name], name=name)
    assert [output.name for output in spec.outputs] == info["output_name"]
    assert [output.list for output in spec.outputs] == [bool(each) for each in info["output_is_list"]]
    for output, kind in zip(spec.outputs, info["output"], strict=True):
        assert output.type == kind or (kind == "COMFY_MATCHTYPE_V3" and output.match)
    document = json.loads(encoded(to_json(spec)))
    assert document["name"] == name
    assert document["display_name"] == (info["display_name"] or name)
    assert document["category"] == info["category"]
    assert document.get("search_aliases", []) == (info["search_aliases"] or [])
    for flag in ("output_node", "deprecated", "experimental", "api_node"):
        assert document["flags"][flag] is bool(info.get(flag))
    assert set(document) - {"search_aliases"} == {
        *("name", "display_name", "category", "description", "pack"),
        *("inputs", "outputs", "params", "flags"),
    }


def test_each_port_of_a_real_node_comes_alive_with_the_right_keys():
    for_every_node(check_each_port_of_a_real_node_comes_alive_with_the_right_keys)


def check_each_port_of_a_real_node_comes_alive_with_the_right_keys(name):
    """Setting the dynamic combos along the way reaches every nested port."""
    spec = parse(INFOS[name], name=name)

    def reach(ports, values):
        live = live_ports(spec, values)
        names = {port.name for port in (*live.inputs, *live.params)}
        for port in (*ports.inputs, *ports.params):
            assert first_name(port) in names or (isinstance(port, Input) and not port.grows.names())
            for key, variant in (port.variants or {}).items():
                reach(variant, {**values, port.name: key})

    reach(spec.ports, {})


def test_packs_are_named_after_where_they_come_from():
    packs = {parse(info, name=name).pack for name, info in INFOS.items()}
    assert packs == {"core", "extras", "api", "websocket_image_save"}


def test_json_stays_small():
    size = len(gzip.compress(b",".join(encoded(to_json(parse(info))) for info in INFOS.values())))
    assert size < 120_000
