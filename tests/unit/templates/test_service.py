"""Templates that are kept, found, filled in and taken away, by the calls that routes and tasks make."""

import asyncio
from dataclasses import replace

import pytest
from backplane.access import AllowList
from backplane.errors import ApiError
from backplane.templates import Ref, etag_of, view
from fakes import FakeClasses
from templating import at, classes, kept, patch_fragment, poster, text_to_image, write


async def refused(awaitable, code):
    with pytest.raises(ApiError) as raised:
        await awaitable
    assert raised.value.code == code, raised.value.body()
    return raised.value


@pytest.fixture
def templates(tmp_path):
    return kept(tmp_path, tmp_path / "given")


def changed(text):
    document = poster()
    document["workflow"]["2"]["inputs"]["text"] = text
    return document


async def test_what_is_put_is_got(templates):
    template, new = await templates.put("poster", poster())
    assert new
    assert (template.name, template.version, template.read_only, template.edited) == (
        "poster",
        1,
        False,
        False,
    )
    assert await templates.get("poster") == template
    assert await templates.get("poster@1") == template
    assert await templates.get(Ref("poster")) == template
    document = view(template)
    assert document["workflow"] == text_to_image()
    assert document["digest"] == template.digest
    assert document["created_at"].endswith("Z")


async def test_a_version_never_changes_and_another_document_is_another_version(templates):
    first, _ = await templates.put("poster", changed("one"))
    second, new = await templates.put("poster", changed("two"))
    assert (second.version, new) == (2, True)
    assert (await templates.get("poster@1")).digest == first.digest != second.digest
    again, new = await templates.put("poster", changed("two"))
    assert (again.version, new) == (2, False)
    back, new = await templates.put("poster", changed("one"))
    assert (back.version, back.digest, new) == (3, first.digest, True)


async def test_another_title_is_another_version_with_the_same_digest(templates):
    first, _ = await templates.put("poster", poster())
    second, new = await templates.put("poster", {**poster(), "title": "Other"})
    assert (second.version, new, second.digest == first.digest) == (2, True, True)


async def test_what_get_gave_can_be_put_again(templates):
    await templates.put("poster", poster())
    document = view(await templates.get("poster"))
    template, new = await templates.put("poster", document)
    assert (template.version, new) == (1, False)
    assert (await templates.put("copy", {**document, "name": "copy"}))[0].digest == template.digest
    error = await refused(templates.put("copy", document), "TEMPLATE_INVALID")
    assert "name" in error.details["fields"]


async def test_a_version_may_be_asked_for_if_it_is_the_next(templates):
    assert (await templates.put("poster@1", poster()))[0].version == 1
    assert (await templates.put("poster@1", poster()))[1] is False
    error = await refused(templates.put("poster@1", changed("x")), "TEMPLATE_VERSION_CONFLICT")
    assert error.details == {"next": 2}
    await refused(templates.put("poster@3", changed("x")), "TEMPLATE_VERSION_CONFLICT")
    assert (await templates.put("poster@2", changed("x")))[0].version == 2


async def test_if_match_keeps_others_work(templates):
    first, _ = await templates.put("poster", changed("one"))
    second, _ = await templates.put("poster", changed("two"), if_match=etag_of(first))
    error = await refused(
        templates.put("poster", changed("three"), if_match=etag_of(first)), "TEMPLATE_CHANGED"
    )
    assert error.details == {"name": "poster", "version": 2}
    packed = etag_of(second)[:-1] + '-gzip"'
    assert (await templates.put("poster", changed("three"), if_match=f'"x", {packed}'))[0].version == 3
    assert (await templates.put("poster", changed("four"), if_match="*"))[0].version == 4
    await refused(templates.put("none", poster(), if_match="*"), "TEMPLATE_CHANGED")
    await refused(templates.delete("poster", if_match=etag_of(first)), "TEMPLATE_CHANGED")


async def test_only_new_ones_if_that_is_asked_for(templates):
    await templates.put("poster", poster(), only_new=True)
    await refused(templates.put("poster", changed("x"), only_new=True), "TEMPLATE_CHANGED")
    await templates.delete("poster")
    assert (await templates.put("poster", changed("x"), only_new=True))[0].version == 2


async def test_of_two_who_put_at_once_on_the_same_version_one_is_told(templates):
    first, _ = await templates.put("poster", poster())
    results = await asyncio.gather(
        *(templates.put("poster", changed(f"{n}"), if_match=etag_of(first)) for n in range(5)),
        return_exceptions=True,
    )
    assert sorted(getattr(result, "code", "kept") for result in results) == ["TEMPLATE_CHANGED"] * 4 + [
        "kept"
    ]


async def test_names_that_are_none_are_not_found_and_cannot_be_put(templates):
    await templates.put("poster", poster())
    error = await refused(templates.get("Poster"), "TEMPLATE_NOT_FOUND")
    assert error.details["close_matches"] == ["poster"]
    assert (await refused(templates.get("postr@1"), "TEMPLATE_NOT_FOUND")).hint == "Did you mean 'poster'?"
    assert (await refused(templates.get("poster@4"), "TEMPLATE_NOT_FOUND")).details["versions"] == [1]
    for name in ("../poster", "a/b", "..", "poster@x", ""):
        await refused(templates.get(name), "TEMPLATE_NOT_FOUND")
        await refused(templates.put(name, poster()), "INVALID_REQUEST")
        await refused(templates.delete(name), "TEMPLATE_NOT_FOUND")


async def test_a_deleted_version_is_gone_and_its_number_too(templates):
    for text in ("one", "two"):
        await templates.put("poster", changed(text))
    await templates.delete("poster@2")
    assert (await templates.get("poster")).version == 1
    await refused(templates.get("poster@2"), "TEMPLATE_NOT_FOUND")
    await refused(templates.delete("poster@2"), "TEMPLATE_NOT_FOUND")
    assert (await templates.put("poster", changed("three")))[0].version == 3
    await templates.delete("poster")
    await refused(templates.get("poster"), "TEMPLATE_NOT_FOUND")
    assert (await templates.put("poster", poster()))[0].version == 4
    assert [row["version"] for row in await templates.versions("poster")] == [4]


async def test_what_is_only_read_cannot_be_changed(templates, tmp_path):
    write(tmp_path / "given" / "poster.json", poster())
    assert (await templates.get("poster")).read_only
    await refused(templates.put("poster", changed("x")), "TEMPLATE_READ_ONLY")
    await refused(templates.delete("poster"), "TEMPLATE_READ_ONLY")
    assert (await templates.get("poster@1")).workflow == text_to_image()


async def test_a_locked_server_changes_nothing(tmp_path):
    await kept(tmp_path).put("poster", poster())
    locked = kept(tmp_path, locked=True)
    await refused(locked.put("poster", changed("x")), "LOCKED")
    await refused(locked.delete("poster"), "LOCKED")
    assert (await locked.fill("poster", {})).template.version == 1


async def test_only_allowed_classes_are_kept_and_run(tmp_path):
    await kept(tmp_path).put("poster", poster())
    strict = kept(tmp_path, allowed=AllowList("Load*, Text"))
    error = await refused(strict.put("other", poster()), "NODE_CLASS_NOT_ALLOWED")
    assert {each["class_type"] for each in error.details["nodes"]} == {"Latent", "Sampler", "Decode", "Show"}
    await refused(strict.fill("poster", {}), "NODE_CLASS_NOT_ALLOWED")


async def test_what_is_put_is_checked_against_the_node_classes(templates):
    error = await refused(templates.put("poster", poster(a=at("5", "stepz", "integer"))), "TEMPLATE_INVALID")
    assert "inputs.a.field" in error.details["fields"]
    error = await refused(templates.put("poster", {**poster(), "x": 1}), "INVALID_REQUEST")
    assert error.details["fields"] == {"x": "unknown"}
    await refused(templates.put("poster", {**poster(), "propose": "yes"}), "INVALID_REQUEST")
    await refused(templates.put("poster", {}), "TEMPLATE_INVALID")


async def test_pages_have_all_that_was_asked_for_once(templates, tmp_path):
    for name in ("a", "b", "c", "d"):
        await templates.put(name, {**poster(), "title": f"The {name.upper()}", "tags": [name, "all"]})
    await templates.put("b", changed("two"))
    await templates.put("lora", {**patch_fragment(), "base_models": ["SDXL"]})
    write(tmp_path / "templates" / "broken" / "1.json", "{")
    write(tmp_path / "given" / "shipped.json", poster())

    async def names(**query):
        return [
            row["name"] for row in (await templates.list(**{"limit": 100, "cursor": None, **query}))["items"]
        ]

    assert await names() == ["a", "b", "broken", "c", "d", "lora", "shipped"]
    assert await names(kind="fragment") == ["lora"]
    assert await names(tag="c") == ["c"]
    assert await names(q="the D") == ["d"]
    assert await names(q="sdxl") == ["lora"]
    seen, cursor = [], None
    while True:
        page = await templates.list(limit=2, cursor=cursor)
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [row["name"] for row in seen] == await names()
    by_name = {row["name"]: row for row in seen}
    assert by_name["b"]["version"] == by_name["b"]["versions"] == 2
    assert by_name["a"]["inputs"] == list(poster()["inputs"])
    assert by_name["a"].keys() == by_name["broken"].keys()
    assert by_name["broken"]["fault"].startswith("is not JSON")
    assert by_name["a"]["fault"] is None
    assert by_name["shipped"]["read_only"]
    await refused(templates.list(limit=2, cursor="!"), "INVALID_REQUEST")


async def test_a_broken_newest_version_is_not_passed_over(templates, tmp_path):
    await templates.put("poster", poster())
    write(tmp_path / "templates" / "poster" / "2.json", "{")
    await refused(templates.get("poster"), "TEMPLATE_INVALID")
    await refused(templates.fill("poster", {}), "TEMPLATE_INVALID")
    assert (await templates.get("poster@1")).version == 1
    assert (await templates.put("poster", poster()))[0].version == 3


async def test_what_came_since_the_last_look_is_found(tmp_path):
    now = classes()
    templates = kept(tmp_path)
    await templates.put("poster", poster())
    loader = now.pop("Loader")
    templates._classes = FakeClasses(*now.values(), later=[loader])
    error = await refused(templates.fill("poster", {"model": "x"}), "TEMPLATE_INPUT_INVALID")
    assert error.details["inputs"].keys() == {"model"}
    options = (*loader.params[0].options, "new.safetensors")
    ports = replace(loader.ports, params=(replace(loader.params[0], options=options),))
    templates._classes.later = {"Loader": replace(loader, ports=ports)}
    assert (await templates.fill("poster", {"model": "new.safetensors"})).inputs["model"] == "new.safetensors"


async def test_a_fragment_is_not_run(templates):
    await templates.put("add", patch_fragment())
    error = await refused(templates.fill("add", {}), "TEMPLATE_INVALID")
    assert "add_fragment" in error.hint


async def test_schemas_are_of_every_template_that_can_be_read(templates, tmp_path):
    await templates.put("poster", poster())
    await templates.put("add", patch_fragment())
    write(tmp_path / "templates" / "broken" / "1.json", "{")
    found = await templates.schemas()
    assert found == [("poster@1", await templates.schema("poster@1"))]


# Proposals and UI format


def drawn():
    """A workflow as the page saves it: one image that is shown."""
    return {
        "version": 0.4,
        "last_node_id": 2,
        "nodes": [
            {
                "id": 1,
                "type": "Load",
                "title": "$picture",
                "inputs": [],
                "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}],
                "widgets_values": ["here.png", "image"],
            },
            {
                "id": 2,
                "type": "Show",
                "title": "$result",
                "inputs": [{"name": "images", "type": "IMAGE", "link": 1}],
                "outputs": [],
            },
        ],
        "links": [[1, 1, 0, 2, 0, "IMAGE"]],
    }


async def test_what_the_page_saves_is_kept_in_both_formats(templates):
    template, _ = await templates.put("poster", {"workflow": drawn(), "propose": True})
    assert template.workflow["1"]["inputs"] == {"image": "here.png"}
    assert template.document["ui"] == drawn()
    assert template.document["inputs"] == {"picture": at("1", "image", "image")}
    assert template.document["outputs"] == {"result": {"node": "2"}}


async def test_what_is_declared_is_not_proposed(templates):
    declared = {"mine": at("1", "image", "image")}
    template, _ = await templates.put("poster", {"workflow": drawn(), "inputs": declared, "propose": True})
    assert template.document["inputs"] == declared
    assert template.document["outputs"] == {"result": {"node": "2"}}
    template, _ = await templates.put("plain", {"workflow": drawn(), "inputs": declared})
    assert template.document["outputs"] == {}


async def test_a_proposal_keeps_nothing(templates):
    found = await templates.propose(drawn())
    assert found["workflow"]["1"]["class_type"] == "Load"
    assert found["node_ids"] == {"1": ["1"], "2": ["2"]}
    assert found["from"] == {"picture": "title"}
    assert (await templates.list(limit=5, cursor=None))["items"] == []
    await refused(templates.propose(None), "WORKFLOW_MISSING")
    await refused(templates.propose({"1": {}}), "BAD_NODE")


# Fragments by name


async def test_the_name_of_a_fragment_becomes_its_document(templates):
    await templates.put("add", patch_fragment())
    ops = [
        {"op": "add_fragment", "fragment": "add", "params": {"strength": 0.5}},
        {
            "op": "batch",
            "ops": [{"op": "add_fragment", "fragment": "add@1"}, {"op": "set_title", "node_id": "1"}],
        },
        {"op": "add_fragment", "fragment": {"workflow": {}}},
    ]
    found = await templates.resolve_fragments(ops)
    assert found[0]["params"] == {}
    assert found[0]["fragment"] == {
        "workflow": {"p": {"class_type": "Patch", "inputs": {"strength": 0.5}}},
        "inputs": {"model": {"node": "p", "field": "model"}},
        "outputs": {"model": {"node": "p", "output": "MODEL"}},
        "place": [{"class_type": "Sampler", "input": "model"}],
    }
    assert found[1]["ops"][0]["fragment"]["workflow"]["p"]["inputs"]["strength"] == 1.0
    assert found[1]["ops"][1] is ops[1]["ops"][1]
    assert found[2] is ops[2]
    assert ops[0]["fragment"] == "add"


async def test_what_names_no_fragment_is_left_to_the_engine(templates):
    for ops in (None, 5, [], [5, {"op": "batch"}], [{"op": "batch", "ops": 3}], [{"op": "add_fragment"}]):
        assert await templates.resolve_fragments(ops) == ops


async def test_the_operation_at_fault_is_named(templates):
    await templates.put("add", patch_fragment())
    await templates.put("poster", poster())
    ops = [{"op": "batch", "ops": [{"op": "add_fragment", "fragment": "ad"}]}]
    error = await refused(templates.resolve_fragments(ops), "TEMPLATE_NOT_FOUND")
    assert error.details["path"] == [0, 0]
    assert error.details["operation"] == "add_fragment"
    ops = [
        {
            "op": "add_fragment",
            "fragment": "add",
            "params": {"strength": 9, "strenth": 1, "p": {"strength": 1}},
        }
    ]
    error = await refused(templates.resolve_fragments(ops), "TEMPLATE_INPUT_INVALID")
    assert error.details["op"] == 0
    assert error.details["inputs"].keys() == {"strength", "strenth"}
    error = await refused(
        templates.resolve_fragments([{"op": "add_fragment", "fragment": "poster"}]), "TEMPLATE_INVALID"
    )
    assert "not a fragment" in error.message


async def test_a_named_fragment_goes_where_it_belongs(templates):
    from backplane.patch_engine import apply

    await templates.put("add", patch_fragment())
    ops = await templates.resolve_fragments(
        [{"op": "add_fragment", "fragment": "add", "params": {"strength": 0.5, "p": {"strength": 0.25}}}]
    )
    graph = apply(text_to_image(), ops, classes()).graph
    assert graph["8"] == {"class_type": "Patch", "inputs": {"strength": 0.25, "model": ["1", 0]}}
    assert graph["5"]["inputs"]["model"] == ["8", 0]


async def test_a_fragment_takes_only_files_that_are_here_and_draws_its_seeds(templates):
    await templates.put(
        "load",
        {
            "kind": "fragment",
            "workflow": {
                "l": {"class_type": "Load", "inputs": {"image": "here.png"}},
                "s": {"class_type": "Sampler", "inputs": {"seed": 1}},
            },
            "inputs": {
                "picture": at("l", "image", "image"),
                "seed": at("s", "seed", "seed", default="random"),
            },
        },
    )
    op = {"op": "add_fragment", "fragment": "load", "wire": False}
    await refused(
        templates.resolve_fragments([{**op, "params": {"picture": "https://a.example/b.png"}}]),
        "TEMPLATE_INPUT_INVALID",
    )
    [found] = await templates.resolve_fragments(
        [{**op, "params": {"picture": "a.png"}}], random_seed=lambda: 77
    )
    assert found["fragment"]["workflow"]["l"]["inputs"]["image"] == "a.png"
    assert found["fragment"]["workflow"]["s"]["inputs"]["seed"] == 77


async def test_a_model_that_is_not_here_does_not_keep_a_fragment_from_a_workflow(templates):
    workflow = {"m": {"class_type": "Loader", "inputs": {"name": "gone.safetensors"}}}
    await templates.put(
        "usual", {"kind": "fragment", "workflow": workflow, "inputs": {"model": at("m", "name", "model")}}
    )
    [found] = await templates.resolve_fragments([{"op": "add_fragment", "fragment": "usual"}])
    assert found["fragment"]["workflow"] == workflow
    required = {"model": at("m", "name", "model", required=True)}
    await templates.put("must", {"kind": "fragment", "workflow": workflow, "inputs": required})
    await refused(
        templates.resolve_fragments([{"op": "add_fragment", "fragment": "must"}]), "TEMPLATE_INPUT_INVALID"
    )
