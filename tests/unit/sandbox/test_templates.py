"""ComfyUI's templates, as the sandbox has them."""

import io

import pytest
from PIL import Image


async def ask(sandbox, path, status=200):
    answer = await sandbox.client.get(path)
    assert answer.status == status, path
    return answer


async def listed(sandbox, name):
    [category] = await (await ask(sandbox, f"/templates/{name}")).json()
    return category["templates"]


async def test_both_languages_list_the_same_templates(sandbox):
    english, chinese = await listed(sandbox, "index.json"), await listed(sandbox, "index.zh.json")
    assert [one["name"] for one in english] == [one["name"] for one in chinese]
    assert all(one["title"].isascii() for one in english)
    assert not any(one["title"].isascii() for one in chinese)


async def test_each_template_has_a_thumbnail_and_a_workflow_that_runs(sandbox):
    for one in await listed(sandbox, "index.json"):
        picture = await (await ask(sandbox, f"/templates/{one['name']}-1.{one['mediaSubtype']}")).read()
        assert Image.open(io.BytesIO(picture)).format == "WEBP"
        document = await (await ask(sandbox, f"/templates/{one['name']}.json")).json()
        answer = await sandbox.client.post("/ext/workflow/convert", json={"workflow": document})
        assert answer.status == 200, await answer.text()
        ended = await sandbox.run((await answer.json())["workflow"])
        assert ended.status == "succeeded", one["name"]


@pytest.mark.parametrize("file", ["nothing.json", "sandbox_plain.webp", "sandbox_plain-2.webp", "index.xml"])
async def test_what_is_not_there_is_not_found(sandbox, file):
    await ask(sandbox, f"/templates/{file}", 404)


async def test_they_are_not_below_api_as_in_comfyui(sandbox):
    await ask(sandbox, "/api/templates/index.json", 404)
