"""What the first visit costs, in bytes; how long it takes is measured by bench/app.py."""

import re

from browsing import expect

BUDGET = 300_000
"""Bytes over the wire, headers and all, until the app can be used. The other screens follow when it has nothing else to do."""


def test_the_first_visit_is_small(pages):
    app = pages()
    session = app.page.context.new_cdp_session(app.page)
    session.send("Network.enable")
    sizes, names = {}, {}
    session.on(
        "Network.requestWillBeSent", lambda event: names.update({event["requestId"]: event["request"]["url"]})
    )
    session.on(
        "Network.loadingFinished",
        lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
    )
    app.goto()
    expect(app.page.get_by_role("heading", name=app.t("flow.empty_title"))).to_be_visible()
    app.until(
        "performance.getEntriesByType('resource').some((one) => one.name.endsWith('/screens/settings.js'))"
    )
    app.page.wait_for_timeout(500)
    everything = sum(sizes.values())
    # Not by the clock: the other screens may be on their way already when this is looked at.
    later = re.compile(r"/screens/(tasks|gallery|models|library|settings)")
    usable = sum(size for key, size in sizes.items() if not later.search(names.get(key, "")))
    largest = sorted(((size, names.get(key, "")) for key, size in sizes.items()), reverse=True)[:8]
    assert usable < BUDGET, largest
    assert everything < BUDGET * 1.3, largest
    print(f"{usable} bytes until it can be used, {everything} with the other screens, {len(sizes)} requests")


def test_a_second_visit_asks_for_no_script_and_no_style(pages):
    app = pages(service_workers="block")
    app.goto()
    app.until(
        "performance.getEntriesByType('resource').some((one) => one.name.endsWith('/screens/settings.js'))"
    )
    app.page.reload()
    app.ready()
    asked = app.page.evaluate(
        "() => performance.getEntriesByType('resource').filter((one) => one.transferSize && /\\.(js|css)$/.test(one.name)).map((one) => one.name)"
    )
    assert asked == []
