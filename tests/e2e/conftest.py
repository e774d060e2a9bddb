"""A sandbox server and a Chromium for each file of tests; a page of its own for each test.

The browser belongs to a file, not to the run: while playwright is there its event loop is, too, and the
tests of other folders want loops of their own.
"""

from pathlib import Path

import pytest
from browsing import ARGUMENTS, DESKTOP, PHONE, App, chromium, sandbox
from playwright.sync_api import sync_playwright

WHY_NOT = "no browser: set CHROMIUM, or install chromium, to run the tests of the phone app"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("e2e")


@pytest.fixture(scope="module")
def server(request, tmp_path_factory):
    """The server of a file; what it is started with may stand in the file as ``SERVER``."""
    started = getattr(request.module, "SERVER", {})
    environ = dict(started.get("environ", {}))
    options = started.get("options", ["--step-seconds", "0.02"])
    with sandbox(tmp_path_factory.mktemp("sandbox"), *options, **environ) as made:
        yield made


@pytest.fixture(scope="module")
def browser():
    path = chromium()
    if path is None:
        pytest.skip(WHY_NOT)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def pages(browser, server):
    """Open pages, each in a profile of its own; at the end none may have had a fault."""
    opened = []

    def open_page(profile=PHONE, *, url=None, language="en", **options):
        context = browser.new_context(
            **{
                **profile,
                "locale": "zh-CN" if language == "zh" else "en-US",
                "reduced_motion": "reduce",
                **options,
            }
        )
        context.set_default_timeout(10_000)
        app = App(context.new_page(), url or server.url, language)
        opened.append(app)
        return app

    yield open_page
    for app in opened:
        app.page.context.close()
    for app in opened:
        app.check()


@pytest.fixture
def app(pages):
    """The app on a phone."""
    return pages().goto()


@pytest.fixture
def desktop(pages):
    """The app in a wide window."""
    return pages(DESKTOP).goto()
