"""Make the pictures of the README: every screen, in both themes and both languages, into docs/images.

    python tests/e2e/screenshots.py

It starts a sandbox of its own. The pictures are WebP of 390 by 844 pixels, each at most 40 kB.
"""

import io
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from browsing import ARGUMENTS, PHONE, ROOT, App, chromium, expect, sandbox
from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = ROOT / "docs" / "images"
MOST = 40_000


def keep(app, name):
    """Write what the page shows as a small WebP."""
    app.page.evaluate("() => document.activeElement?.blur()")
    shot = (
        Image.open(io.BytesIO(app.page.screenshot()))
        .convert("RGB")
        .resize((390, 844), Image.Resampling.LANCZOS)
    )
    for quality in (86, 78, 70, 60, 50, 40):
        made = io.BytesIO()
        shot.save(made, "WEBP", quality=quality, method=6)
        if made.tell() <= MOST:
            break
    (IMAGES / f"{name}.webp").write_bytes(made.getvalue())
    print(f"{name}.webp {made.tell() / 1000:.1f} kB")


def quiet(app):
    """Wait until nothing is on its way, and no message lies over the screen."""
    expect(app.page.locator("[aria-busy=true]")).to_have_count(0)
    app.page.evaluate(
        "async () => { const store = await import(new URL('io/store.js', document.scripts[0].src)); for (const one of store.toasts.value) store.dismiss(one.id); }"
    )
    app.page.wait_for_timeout(400)


def portrait(app):
    """Open a text-to-image workflow with names as a person gives them."""
    app.open_template("text_to_image_sd15")
    app.state(
        "store.renameDraft(document.documentElement.lang === 'en' ? 'Lighthouse, SD 1.5' : '灯塔 SD 1.5')"
    )


def fill(app):
    """Have the server make pictures, so that the gallery is one."""
    portrait(app)
    sampler = next(key for key, node in app.graph().items() if node["class_type"] == "KSampler")
    for seed in (7, 21, 42, 77, 123, 256, 512):
        app.state(f"store.setParam('{sampler}', 'seed', {seed})")
        app.state(f"store.setParam('{sampler}', 'steps', 2)")
        app.run()
        app.page.wait_for_timeout(300)
        app.ended()


def series(app, theme, language):
    """Make the pictures of one language and theme; the server has the runs of those before."""
    name = f"{{}}-{theme}{'' if language == 'en' else '-zh'}"
    portrait(app)
    app.run()
    expect(app.card("5")).to_have_attribute("data-state", "running", timeout=20_000)
    quiet(app)
    app.card("5").evaluate("(card) => scrollTo(0, card.getBoundingClientRect().top + scrollY - 150)")
    app.page.wait_for_timeout(500)
    keep(app, name.format("running"))
    app.ended()
    quiet(app)
    app.page.evaluate("() => scrollTo(0, 0)")
    quiet(app)
    keep(app, name.format("flow"))
    app.menu("6", "flow.add_behind")
    app.page.wait_for_timeout(600)
    keep(app, name.format("add"))
    app.press("ui.close")
    app.closed()
    for screen in ("tasks", "gallery", "models", "library", "settings"):
        app.show(screen)
        quiet(app)
        app.page.wait_for_timeout(500)
        keep(app, name.format(screen))
    task = app.state("store.lastRun.value?.id ?? [...store.tasks.value.keys()][0]")
    app.page.evaluate("(path) => { location.hash = path; }", f"#/tasks/{task}")
    app.page.wait_for_timeout(900)
    keep(app, name.format("timeline"))


def main():
    path = chromium()
    if path is None:
        sys.exit("There is no Chromium: name one with CHROMIUM.")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        sandbox(Path(folder), "--step-seconds", "0.12") as server,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        context = browser.new_context(**PHONE, locale="en-US")
        fill(App(context.new_page(), server.url).goto())
        context.close()
        for language in ("en", "zh"):
            for theme in ("dark", "light"):
                context = browser.new_context(
                    **{**PHONE, "device_scale_factor": 2},
                    locale="zh-CN" if language == "zh" else "en-US",
                    color_scheme=theme,
                    reduced_motion="reduce",
                )
                series(App(context.new_page(), server.url, language).goto(), theme, language)
                context.close()
        browser.close()


if __name__ == "__main__":
    main()
