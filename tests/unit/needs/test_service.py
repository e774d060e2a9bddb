"""What workflows need of a server whose classes and models change, and what a search adds."""

import subprocess
import sys
from pathlib import Path

import pytest
from backplane.access import OutboundError
from backplane.needs import Needs
from backplane.needs.missing import missing_downloads
from backplane.needs.values import Source
from needing import ALIASES, MODELS, api, entry, node, specs, ui

ROOT = Path(__file__).resolve().parents[3]


class Classes:
    async def specs(self, *, fresh=True):
        assert fresh
        return specs()


class Models:
    def __init__(self):
        self.found = dict(MODELS)

    async def names(self):
        return self.found

    def aliases(self):
        return ALIASES


class Site:
    """A site that has every file asked for, or fails."""

    def __init__(self, site, *, failing=None):
        self.site = site
        self.failing = failing
        self.asked = []

    async def find(self, name):
        self.asked.append(name)
        if self.failing is not None:
            raise OutboundError(self.failing, "no")
        return [Source(f"https://{self.site}.example/{name}", name, None, None, "search")]


def needs(*sites, models=None):
    return Needs(Classes(), models or Models(), search=sites)


async def test_a_model_that_has_come_is_present_at_the_next_request():
    models = Models()
    service = needs(models=models)
    workflow = {"1": api("LoraLoaderModelOnly", lora_name="new.safetensors")}
    assert not (await service.requirements(workflow)).ready
    models.found["loras"] = [*models.found["loras"], "new.safetensors"]
    assert (await service.requirements(workflow)).ready


async def test_the_shipped_table_says_where_to_get_public_models():
    workflow = {"1": api("UNETLoader", unet_name="z_image_turbo_bf16.safetensors")}
    found = await needs().requirements(workflow)
    [source] = found.models[0].sources
    assert (source.origin, source.folder) == ("known", "diffusion_models")
    assert source.url.startswith("https://huggingface.co/Comfy-Org/z_image_turbo/")


WANTED = ui(
    node(1, "VAELoader", ["listed.safetensors"], models=[entry("listed.safetensors", "vae")]),
    node(2, "VAELoader", ["sub/wanted.safetensors"]),
    node(3, "VAELoader", ["bypassed.safetensors"], mode=4),
    node(4, "VAELoader", ["ae.safetensors"]),
)


async def test_only_what_is_missing_and_has_no_source_is_searched_for():
    one, two = Site("one"), Site("two")
    found = await needs(one, two).requirements(WANTED, search=True)
    assert one.asked == two.asked == ["wanted.safetensors"]
    sources = {model.name: [source.url for source in model.sources] for model in found.models}
    assert sources["sub/wanted.safetensors"] == [
        "https://one.example/wanted.safetensors",
        "https://two.example/wanted.safetensors",
    ]
    assert found.to_json()["search"] == {"sites": ["one", "two"], "models": 1, "failed": {}}


async def test_nothing_is_searched_for_unasked():
    site = Site("one")
    found = await needs(site).requirements(WANTED)
    assert site.asked == []
    assert found.search is None


async def test_a_site_that_fails_is_told_and_costs_only_its_own_answers():
    failing = Site("one", failing="OUTBOUND_TIMEOUT")
    found = await needs(failing, Site("two")).requirements(WANTED, search=True)
    assert found.search.failed == {"one": "OUTBOUND_TIMEOUT"}
    sources = {model.name: [source.origin for source in model.sources] for model in found.models}
    assert sources["sub/wanted.safetensors"] == ["search"]
    assert sources["listed.safetensors"] == ["workflow"]


async def test_a_site_that_failed_is_not_asked_for_every_model():
    failing = Site("one", failing="OUTBOUND_FAILED")
    many = {str(number): api("VAELoader", vae_name=f"m{number}.pt") for number in range(50)}
    found = await needs(failing).requirements(many, search=True)
    assert len(failing.asked) <= 4
    assert found.search.models == 20


async def test_what_a_search_found_is_not_downloaded():
    service = needs(Site("one"))
    searched = await service.requirements(WANTED, search=True)
    assert [need.name for need in missing_downloads(searched).without] == ["sub/wanted.safetensors"]
    found = await service.missing_downloads(WANTED)
    assert [each.filename for each in found.items] == ["listed.safetensors"]
    assert [need.name for need in found.without] == ["sub/wanted.safetensors"]


def test_a_start_of_comfyui_loads_little_of_it(tmp_path):
    script = tmp_path / "start.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); import conftest, backplane.needs\n"
        "print(*sorted(name for name in sys.modules if name.startswith('backplane.needs.')))"
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert not {f"backplane.needs.{part}" for part in ("assess", "known", "values")} & set(ran.stdout.split())
    assert "backplane.needs.service" in ran.stdout


async def test_a_fault_in_a_search_is_no_answer():
    class Broken(Site):
        async def find(self, name):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await needs(Broken("x")).requirements(WANTED, search=True)
