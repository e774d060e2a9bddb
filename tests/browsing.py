"""The phone app in a real Chromium: a page that fails its test on whatever goes wrong behind the test's back."""

import json
import os
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect
from servers import CONTRACT_PACK, FAULT_PACK, free_port, running, sandbox_command

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "web" / "app"
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-dev-shm-usage"]

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 1,
    "is_mobile": True,
    "has_touch": True,
    "user_agent": "Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/150.0.0.0 Mobile Safari/537.36",
}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}


def chromium() -> str | None:
    """Give a Chromium of this machine: what CHROMIUM names, else the usual ones."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    names = [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "chromium",
        "google-chrome",
        "google-chrome-stable",
    ]
    return next(filter(None, map(shutil.which, names)), None)


def text_to_image(
    *,
    steps=20,
    seed=1,
    text="a red boat",
    width=64,
    checkpoint="v1-5-pruned-emaonly-fp16.safetensors",
) -> dict[str, Any]:
    """Give a small workflow: the prompt is node 2, the sampler node 5."""
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": width, "height": 64, "batch_size": 1}},
        "5": {
            "class_type": "KSampler",
            "inputs": {
                "seed": seed,
                "steps": steps,
                "cfg": 7.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
                "model": ["1", 0],
                "positive": ["2", 0],
                "negative": ["3", 0],
                "latent_image": ["4", 0],
            },
        },
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "e2e"}},
    }


@dataclass(frozen=True)
class Server:
    url: str
    data: Path


@contextmanager
def sandbox(folder, *options, port=None, **environ):
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    command = sandbox_command(port, folder / "data", *options, packs=[CONTRACT_PACK, FAULT_PACK])
    with running(command, f"{url}/ext", folder / "log.txt", seconds=60, environ=environ):
        yield Server(url, folder / "data")


def texts(language: str) -> dict[str, Any]:
    return json.loads((APP / "locales" / f"{language}.json").read_text(encoding="utf-8"))


class App:
    """*page* shows the app of the server at *url*; texts are asked for by their keys."""

    def __init__(self, page: Page, url: str, language: str = "en"):
        self.page, self.url = page, url
        self.texts = texts(language)
        self.faults: list[str] = []
        self.requests: list[str] = []
        self._expected: list[str] = []
        page.on("console", self._told)
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)
        page.on("request", lambda request: self.requests.append(request.url))

    # --- what goes wrong ---

    def _told(self, message):
        # Chromium writes a line for each refused request, too; that one is told by its response.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.faults.append(f"console.{message.type}: {message.text}")

    def _failed(self, request):
        # A page that is left, and a question that is no longer wanted, abort their requests.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.faults.append(f"failed: {request.method} {request.url}: {request.failure}")

    def _answered(self, response):
        fault = f"{response.status}: {response.request.method} {response.url}"
        if response.status >= 400:
            self.faults.append(fault)

    @contextmanager
    def expecting(self, *patterns):
        """Within the block faults that match one of the patterns are meant."""
        already = len(self.faults)
        try:
            yield
            self.page.wait_for_timeout(50)
        finally:
            new = [
                one
                for one in self.faults[already:]
                if not any(re.search(pattern, one) for pattern in patterns)
            ]
            self.faults[already:] = new

    def check(self):
        """Say that nothing went wrong, and that nothing was asked of another host."""
        others = [one for one in self.requests if not one.startswith((self.url, "blob:", "data:"))]
        faults = [*self.faults, *(f"another host: {one}" for one in others)]
        if faults:
            raise AssertionError("\n".join(faults))

    # --- texts ---

    def t(self, key, **params):
        text = self.texts[key]
        if not isinstance(text, str):
            text = text["one" if params.get("count") == 1 and "one" in text else "other"]
        for name, value in params.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def pattern(self, key, **params):
        """Give a text as a pattern: whatever is not given matches anything."""
        said = self.t(key, **params)
        return re.compile("^" + re.sub(r"\\\{\w+\\\}", ".*", re.escape(said)) + "$")

    # --- going places ---

    def goto(self, path: str = "/flow", *, search: str = "") -> "App":
        self.page.goto(f"{self.url}/ext/app/{search}#{path}")
        self.ready()
        return self

    def ready(self):
        expect(self.page.get_by_role("navigation", name=self.t("nav.main"))).to_be_visible()
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)

    def show(self, screen):
        """Go to a screen as a thumb does: by the dock, or by the ⋯ menu."""
        done = self.page.get_by_role("button", name=self.t("ui.done"), exact=True)
        if done.is_visible():  # the dock makes room for a keyboard
            done.click()
        link = self.page.get_by_role("navigation").get_by_role(
            "link", name=re.compile(f"^{self.t(f'nav.{screen}')}")
        )
        if link.count() and link.is_visible():
            link.click()
        else:
            self.page.get_by_role("banner").get_by_role("button", name=self.t("ui.more"), exact=True).click()
            self.sheet().get_by_role("button", name=self.t(f"nav.{screen}")).click()
        expect(self.page.locator(f".shell[data-screen={screen}]")).to_be_visible()

    def state(self, expression: str) -> Any:
        """Evaluate with the app's store as ``store``."""
        return self.page.evaluate(
            "async () => { const store = await import(new URL('io/store.js', document.scripts[0].src)); return ("
            + expression
            + "); }"
        )

    def graph(self):
        return self.state("store.draft.value.graph")

    def open_graph(self, graph: dict[str, Any], name: str = "Test") -> None:
        """Have a workflow open without the ways that lead there, which have tests of their own."""
        self.page.evaluate(
            "async ([graph, name]) => { const store = await import(new URL('io/store.js', document.scripts[0].src)); "
            "store.openDraft({name, graph, source: 'test'}); await store.go('/flow'); }",
            [graph, name],
        )
        self.all_cards()

    def open_template(self, key):
        """Open a template by the library."""
        title = self.t(f"template.{key}")
        self.show("library")
        self.page.get_by_role("searchbox", name=self.t("library.search")).fill(title)
        self.page.get_by_role("region", name=self.t("library.group_templates")).get_by_role(
            "button", name=title
        ).first.click()
        self.press("library.open_flow")
        self.all_cards()

    # --- the flow ---

    def card(self, node_id):
        return self.page.locator(f"article#node-{node_id}")

    def all_cards(self):
        """See all nodes as whole cards, instead of the simple view or of lines."""
        choice = self.page.get_by_role("radio", name=self.t("flow.view_cards"))
        if not choice.is_checked():
            choice.locator("xpath=..").click()
        expect(self.page.locator("article").first).to_be_visible()

    def field(self, node_id, label):
        return self.card(node_id).get_by_label(label, exact=True).first

    def menu(self, node_id, key):
        """Choose from a card's ⋯ menu."""
        self.menu_button(node_id).click()
        self.entry(self.t(key)).click()

    def menu_button(self, node_id):
        return self.card(node_id).locator("header").get_by_role("button", name=self.pattern("card.menu"))

    def entry(self, label):
        """An entry of the menu that is open; its hint may follow."""
        return self.sheet().get_by_role("button", name=re.compile(rf"^{re.escape(label)}(?![\w])")).first

    def sheet(self):
        """The topmost sheet."""
        return self.page.locator("dialog[open]").last

    def press(self, key, **params):
        """Press a button of the topmost sheet."""
        self.sheet().get_by_role("button", name=self.t(key, **params), exact=True).click()

    def press_on_page(self, key, **params):
        self.page.get_by_role("button", name=self.t(key, **params), exact=True).click()

    def closed(self):
        expect(self.page.locator("dialog[open]")).to_have_count(0)

    def run(self):
        self.page.get_by_role("navigation").get_by_role("button", name=self.t("ui.run"), exact=True).click()

    def until(self, expression, seconds=40):
        """Wait until an expression about the app's store is true; give its value."""
        deadline = time.monotonic() + seconds
        while not (found := self.state(expression)):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {expression}")
            self.page.wait_for_timeout(100)
        return found

    def ended(self, status="succeeded"):
        """Wait until the last run of the draft has ended, and so."""
        found = self.until(
            "store.lastRun.value && store.FINISHED.has(store.lastRun.value.status) && store.lastRun.value.status"
        )
        if found != status:
            raise AssertionError(f"the run {found}")


def overflowing(page: Page) -> list[str]:
    """Give what sticks out of the page sideways, or has text that is cut off without an ellipsis or a scroll."""
    return page.evaluate(
        """() => {
        const found = [];
        const width = document.documentElement.clientWidth;
        if (document.documentElement.scrollWidth > width + 1) found.push(`the page is ${document.documentElement.scrollWidth} wide, not ${width}`);
        const scrolls = (node) => { for (let at = node.parentElement; at; at = at.parentElement) { const style = getComputedStyle(at); if (/auto|scroll|hidden|clip/.test(style.overflowX)) return true; } return false; };
        for (const node of document.querySelectorAll('main *, header *, nav *, dialog[open] *')) {
            const style = getComputedStyle(node);
            if (node.closest('.sr-only, svg, [aria-hidden=true], [inert]') || style.visibility === 'hidden') continue;
            const box = node.getBoundingClientRect();
            if (!box.width || !box.height) continue;
            const name = `${node.tagName.toLowerCase()}.${node.className} "${(node.textContent || '').trim().slice(0, 40)}"`;
            if ((box.right > width + 1 || box.left < -1) && !scrolls(node)) found.push(`outside: ${name} ${Math.round(box.left)}…${Math.round(box.right)}`);
            const holds = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
            if (holds && node.scrollWidth > node.clientWidth + 1 && style.display !== 'inline' && style.overflowX !== 'visible' && !/auto|scroll/.test(style.overflowX) && style.textOverflow !== 'ellipsis' && style.webkitLineClamp === 'none' && !/INPUT|TEXTAREA|SELECT/.test(node.tagName)) found.push(`cut: ${name}`);
        }
        return [...new Set(found)].slice(0, 12);
    }"""
    )
