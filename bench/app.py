"""The phone app's budgets: its first visit, a hundred cards, and a gallery of two thousand pictures.

    python bench/app.py [--slow 4] [--images 2000] [--cards 100]

It needs a Chromium (CHROMIUM names one). The page runs as on a phone, with its processor slowed by
``--slow``; the server does not. With COMFYUI_PATH both the app and ComfyUI's own page are opened from a
real ComfyUI, too, taking turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _comfyui import comfyui
from _sandbox import folder, sandbox
from _table import milliseconds, show
from browsing import ARGUMENTS, PHONE, App, chromium
from playwright.sync_api import Browser, sync_playwright

SCROLL = """async ([speed]) => {
    const long = [];
    const frames = [];
    const heard = new PerformanceObserver((list) => long.push(...list.getEntries().map((one) => one.duration)));
    heard.observe({type: 'longtask', buffered: false});
    const start = performance.now();
    let before = start;
    await new Promise((done) => {
        const tick = (now) => {
            frames.push(now - before);
            before = now;
            const end = document.documentElement.scrollHeight - innerHeight;
            const gone = Math.max(0, now - start) * speed / 1000 % (2 * end);
            scrollTo(0, gone < end ? gone : 2 * end - gone);
            if (now - start < 6000) requestAnimationFrame(tick);
            else done();
        };
        requestAnimationFrame(tick);
    });
    heard.disconnect();
    return [long, frames.slice(1), scrollY];
}"""
"""Scrolls down and up for six seconds; gives the tasks over 50 ms and the frames, in milliseconds."""

READY = """() => {
    const dock = document.querySelector('nav.dock a');
    const main = document.querySelector('main');
    const there = dock && main && !document.querySelector('[aria-busy=true]') && main.textContent.trim();
    return there ? performance.now() : null;
}"""

WITH_CARDS = "() => document.querySelectorAll('article.card .field').length ? performance.now() : null"
CANVAS = (
    "() => window.app?.graph && document.querySelector('#graph-canvas')?.width ? performance.now() : null"
)
"""ComfyUI's page has its graph and somewhere to draw it. Its node search and its menus come a little later."""

SPEEDS = (3000, 12000)
"""Pixels a second: a thumb that looks for something, and one that flings the list."""


def page_of(browser: Browser, url: str, slow: float) -> tuple[App, Any]:
    """Open a page of its own, as cold as a first visit."""
    context = browser.new_context(**PHONE, locale="en-US")  # pyright: ignore[reportArgumentType]
    app = App(context.new_page(), url)
    return app, slowed(app, slow)


def slowed(app: App, rate: float) -> Any:
    """Slow the page's processor; give the session that tells of its requests."""
    session: Any = app.page.context.new_cdp_session(app.page)  # its types are open
    session.send("Network.enable")
    session.send("Emulation.setCPUThrottlingRate", {"rate": rate})
    return session


@dataclass(frozen=True, slots=True)
class Visit:
    """What opening a page took."""

    painted: float
    usable: float
    """Seconds, both."""
    size: int
    """Bytes over the wire until then, headers and all."""
    requests: int


def opened(app: App, session: Any, url: str, ready: str) -> Visit:
    """Open *url* and wait until *ready*, a function in JavaScript, gives the time."""
    sizes: list[float] = []

    def finished(event: dict[str, Any]) -> None:
        sizes.append(event["encodedDataLength"])

    session.on("Network.loadingFinished", finished)
    app.page.goto(url, wait_until="commit")
    usable = float(app.page.wait_for_function(ready, polling="raf", timeout=120_000).json_value())
    size, requests = int(sum(sizes)), len(sizes)
    painted = float(
        app.page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN")
    )
    return Visit(painted / 1000, usable / 1000, size, requests)


def first_visit(browser: Browser, url: str, slow: float, ready: str = READY) -> Visit:
    """Open a page whose browser knows nothing of it."""
    app, session = page_of(browser, url, slow)
    visit = opened(app, session, url, ready)
    app.page.context.close()
    return visit


def later_visit(browser: Browser, url: str, slow: float) -> Visit:
    """Open the app again, with a workflow of nine nodes that was open before."""
    app, _ = page_of(browser, url, 1)
    app.goto()
    app.open_graph(many_cards(9))
    app.page.wait_for_timeout(1500)
    app.page.close()
    again = App(app.page.context.new_page(), app.url)
    visit = opened(again, slowed(again, slow), f"{app.url}/ext/app/", WITH_CARDS)
    app.page.context.close()
    return visit


def columns(visits: Sequence[Visit]) -> list[str]:
    """Give the medians of visits as cells."""
    middle = {name: statistics.median(getattr(one, name) for one in visits) for name in Visit.__slots__}
    return [
        milliseconds(middle["painted"]),
        milliseconds(middle["usable"]),
        f"{middle['size'] / 1000:,.0f} kB",
        f"{middle['requests']:.0f}",
    ]


def visits(browser: Browser, url: str, options: argparse.Namespace) -> None:
    """Print what visits of the sandbox cost."""
    page = f"{url}/ext/app/"
    first_visit(browser, page, options.slow)
    first = [first_visit(browser, page, options.slow) for _ in range(options.runs)]
    later = [later_visit(browser, url, options.slow) for _ in range(options.runs)]
    show(
        f"Opening the app, processor slowed {options.slow:g} times, median of {options.runs}",
        ["", "first paint", "can be used", "over the wire", "requests"],
        [
            ["budget of the first visit", "", milliseconds(1.5), "300 kB", ""],
            ["first visit", *columns(first)],
            ["later, with nine nodes open", *columns(later)],
        ],
    )


def beside_comfyui(browser: Browser, path: Path, options: argparse.Namespace) -> None:
    """Print what the app and ComfyUI's own page cost, both from a real ComfyUI."""
    found: dict[str, list[Visit]] = {"ComfyUI's page": [], "the app": []}
    with comfyui(path) as port:
        pages = {"ComfyUI's page": ("/", CANVAS), "the app": ("/ext/app/", READY)}
        for run in range(options.runs + 1):
            for name, (where, ready) in pages.items():
                visit = first_visit(browser, f"http://127.0.0.1:{port}{where}", options.slow, ready)
                if run:
                    found[name].append(visit)
    peer, ours = (
        statistics.median(one.usable for one in found[name]) for name in ("ComfyUI's page", "the app")
    )
    show(
        f"On a real ComfyUI, first visit, processor slowed {options.slow:g} times, median of {options.runs}",
        ["", "first paint", "can be used", "over the wire", "requests"],
        [[name, *columns(seen)] for name, seen in found.items()],
    )
    print(f"\nThe app can be used {peer / ours:.1f} times as soon.")


def scroll(app: App, speed: int) -> tuple[list[float], list[float]]:
    """Scroll *speed* pixels a second; give (durations of tasks over 50 ms, durations of frames) in seconds."""
    long, frames, end = app.page.evaluate(SCROLL, [speed])
    if not end:
        raise SystemExit("The page did not scroll.")
    return [one / 1000 for one in long], [one / 1000 for one in frames]


def gallery(app: App) -> None:
    """Show the app's gallery."""
    app.goto("/gallery")


def bare(app: App) -> None:
    """Show the peer: a page with nothing but all thumbnails as lazy ``<img>`` in a grid of CSS."""
    addresses: list[str] = app.page.evaluate("""async () => {
        const found = [];
        let cursor = '';
        do {
            const answer = await fetch(`/ext/tasks?kind=prompt&limit=100${cursor}`);
            const {items, next_cursor} = await answer.json();
            for (const task of items) task.outputs.forEach((_, n) => found.push(`/ext/tasks/${task.id}/outputs/${n}?width=384&format=webp`));
            cursor = next_cursor ? `&cursor=${encodeURIComponent(next_cursor)}` : '';
        } while (cursor);
        return found;
    }""")
    pictures = "".join(f'<img loading="lazy" decoding="async" src="{one}" alt="">' for one in addresses)
    style = (
        "body{display:grid;grid-template-columns:repeat(3,1fr);gap:4px;margin:0}"
        "img{inline-size:100%;block-size:128px;object-fit:cover;content-visibility:auto}"
    )
    head = f'<!doctype html><meta name="viewport" content="width=device-width"><style>{style}</style>'
    app.page.route("**/bare", lambda route: route.fulfill(content_type="text/html", body=head + pictures))
    app.page.goto(f"{app.url}/bare")


def many_cards(count: int) -> dict[str, Any]:
    """Give a workflow of so many nodes: samplers one behind the other."""
    graph: dict[str, Any] = {
        "1": {
            "class_type": "CheckpointLoaderSimple",
            "inputs": {"ckpt_name": "v1-5-pruned-emaonly-fp16.safetensors"},
        },
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a lighthouse", "clip": ["1", 1]}},
        "3": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    }
    last = ["3", 0]
    for number in range(4, count - 1):
        settings = {
            "seed": number,
            "steps": 4,
            "cfg": 7.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
        }
        links = {"model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": last}
        graph[str(number)] = {"class_type": "KSampler", "inputs": {**settings, **links}}
        last = [str(number), 0]
    graph[str(count - 1)] = {"class_type": "VAEDecode", "inputs": {"samples": last, "vae": ["1", 2]}}
    graph[str(count)] = {
        "class_type": "SaveImage",
        "inputs": {"images": [str(count - 1), 0], "filename_prefix": "x"},
    }
    return graph


def run_many(app: App, images: int) -> None:
    """Have the server make so many pictures, fifty in a run."""
    body = """async (count) => {
        for (let run = 0; run * 50 < count; run += 1) {
            const size = {width: 64 + (run % 7) * 8, height: 64, batch_size: 50, color: run * 997};
            const workflow = {
                1: {class_type: 'EmptyImage', inputs: size},
                2: {class_type: 'SaveImage', inputs: {images: ['1', 0], filename_prefix: `bench${run}`}},
            };
            const headers = {'Content-Type': 'application/json'};
            await fetch('/ext/tasks', {method: 'POST', headers, body: JSON.stringify({workflow})});
        }
    }"""
    app.page.evaluate(body, images)
    while app.page.evaluate(
        "async () => (await (await fetch('/ext/tasks?status=queued,running&limit=1')).json()).items.length"
    ):
        app.page.wait_for_timeout(300)


def row(name: str, long: list[float], frames: list[float]) -> list[str]:
    """Describe one scroll."""
    late = sum(frame > 0.05 for frame in frames) / max(len(frames), 1)
    return [
        name,
        str(len(long)),
        milliseconds(max(long, default=0)),
        milliseconds(statistics.median(frames)),
        milliseconds(sorted(frames)[int(len(frames) * 0.95)]),
        f"{late:.3f}",
    ]


def scrolling(browser: Browser, url: str, options: argparse.Namespace) -> None:
    """Print how smoothly long lists scroll."""
    rows: list[list[str]] = []
    app, session = page_of(browser, url, 1)
    app.goto()
    app.open_graph(many_cards(options.cards))
    session.send("Emulation.setCPUThrottlingRate", {"rate": options.slow})
    rows.append(row(f"{options.cards} cards", *scroll(app, SPEEDS[0])))
    app.page.context.close()
    app, session = page_of(browser, url, 1)
    app.goto()
    run_many(app, options.images)
    app.page.context.close()
    for speed in SPEEDS:
        for name, show_it in (("gallery", gallery), ("bare page", bare)):
            app, session = page_of(browser, url, 1)
            app.goto()
            show_it(app)
            app.page.wait_for_timeout(2000)
            session.send("Emulation.setCPUThrottlingRate", {"rate": options.slow})
            rows.append(row(f"{options.images} pictures, {name}, {speed:,} px/s", *scroll(app, speed)))
            app.page.context.close()
    show(
        f"Scrolling, processor slowed {options.slow:g} times",
        ["", "tasks over 50 ms", "longest", "frame, median", "frame, 95 %", "frames over 50 ms"],
        rows,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--slow", type=float, default=4.0)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--cards", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    path = chromium()
    if path is None:
        raise SystemExit("There is no Chromium: name one with CHROMIUM.")
    with folder() as data, sandbox(Path(data)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        visits(browser, server.url, options)
        if "COMFYUI_PATH" in os.environ:
            beside_comfyui(browser, Path(os.environ["COMFYUI_PATH"]), options)
        scrolling(browser, server.url, options)
        browser.close()


if __name__ == "__main__":
    main()
