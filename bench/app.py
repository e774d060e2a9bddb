"""The phone app's budgets: its first visit, a hundred cards, and a gallery of two thousand pictures.

    python bench/app.py [--slow 4] [--images 2000] [--cards 100]

It needs a Chromium (CHROMIUM names one). The page runs as on a phone, with its processor slowed by
``--slow``; the server does not.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from _sandbox import Server, folder, sandbox
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

SPEEDS = (3000, 12000)
"""Pixels a second: a thumb that looks for something, and one that flings the list."""


def page_of(browser: Browser, server: Server, slow: float) -> tuple[App, Any]:
    """Open a page of its own, as cold as a first visit."""
    context = browser.new_context(**PHONE, locale="en-US")  # pyright: ignore[reportArgumentType]
    app = App(context.new_page(), server.url)
    session: Any = context.new_cdp_session(app.page)  # its types are open
    session.send("Network.enable")
    session.send("Emulation.setCPUThrottlingRate", {"rate": slow})
    return app, session


def first_visit(browser: Browser, server: Server, slow: float) -> tuple[float, float, int, int]:
    """Give (seconds to the first paint, seconds until it can be used, bytes, requests)."""
    app, session = page_of(browser, server, slow)
    sizes: list[float] = []

    def finished(event: dict[str, Any]) -> None:
        sizes.append(event["encodedDataLength"])

    session.on("Network.loadingFinished", finished)
    app.page.goto(f"{server.url}/ext/app/", wait_until="commit")
    handle = app.page.wait_for_function(READY, polling="raf", timeout=60_000)
    usable = float(handle.json_value()) / 1000
    painted = app.page.evaluate(
        "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN"
    )
    size, requests = int(sum(sizes)), len(sizes)
    app.page.context.close()
    return float(painted) / 1000, usable, size, requests


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
        first_visit(browser, server, options.slow)
        visits = [first_visit(browser, server, options.slow) for _ in range(options.runs)]
        paints, usable, sizes, requests = zip(*visits, strict=True)
        show(
            f"The first visit, processor slowed {options.slow:g} times, median of {options.runs}",
            ["", "measured", "budget", "share of it"],
            [
                ["first paint", milliseconds(statistics.median(paints)), "", ""],
                [
                    "can be used",
                    milliseconds(statistics.median(usable)),
                    milliseconds(1.5),
                    f"{statistics.median(usable) / 1.5:.2f}",
                ],
                [
                    "over the wire",
                    f"{statistics.median(sizes) / 1000:.0f} kB",
                    "300 kB",
                    f"{statistics.median(sizes) / 300_000:.2f}",
                ],
                ["requests", str(int(statistics.median(requests))), "", ""],
            ],
        )
        rows: list[list[str]] = []
        app, session = page_of(browser, server, 1)
        app.goto()
        app.open_graph(many_cards(options.cards))
        session.send("Emulation.setCPUThrottlingRate", {"rate": options.slow})
        rows.append(row(f"{options.cards} cards", *scroll(app, SPEEDS[0])))
        app.page.context.close()
        app, session = page_of(browser, server, 1)
        app.goto()
        run_many(app, options.images)
        app.page.context.close()
        for speed in SPEEDS:
            for name, show_it in (("gallery", gallery), ("bare page", bare)):
                app, session = page_of(browser, server, 1)
                app.goto()
                show_it(app)
                app.page.wait_for_timeout(2000)
                session.send("Emulation.setCPUThrottlingRate", {"rate": options.slow})
                title = f"{options.images} pictures, {name}, {speed:,} px/s"
                rows.append(row(title, *scroll(app, speed)))
                app.page.context.close()
        browser.close()
    show(
        f"Scrolling, processor slowed {options.slow:g} times",
        ["", "tasks over 50 ms", "longest", "frame, median", "frame, 95 %", "frames over 50 ms"],
        rows,
    )


if __name__ == "__main__":
    main()
