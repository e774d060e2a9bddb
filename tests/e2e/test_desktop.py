"""What comes from ComfyUI's own page: workflows that it saved, and those that it sends."""

import re

from browsing import expect
from graphs import image

SENT = "Harbour at dawn"


def asked(app):
    """Give the lists of kept files that the app has asked for."""
    return re.findall(r"(/(?:v2/)?userdata)(?:\?|$)", "\n".join(app.requests), re.MULTILINE)


def test_saved_workflows_are_listed_and_none_is_no_fault(app):
    """Where nobody saved one yet there is no folder of them; once one is known, only their list is asked for."""
    app.show("library")
    shelf = app.page.get_by_role("region", name=app.t("library.group_server"))
    expect(shelf.get_by_text(app.t("library.server_empty"))).to_be_visible()
    assert asked(app) == ["/v2/userdata"]
    saved = app.page.request.post(
        f"{app.url}/userdata/workflows%2Fcat.json", data={"nodes": [], "links": [], "version": 0.4}
    )
    assert saved.ok
    app.show("flow")
    app.show("library")
    expect(shelf.get_by_role("button", name="cat")).to_be_visible()
    app.show("flow")
    app.requests.clear()
    with app.page.expect_response("**/userdata?dir=*"):
        app.show("library")
    expect(shelf.get_by_role("button", name="cat")).to_be_visible()
    assert asked(app) == ["/userdata"]


def test_a_server_without_the_list_of_everything_is_asked_for_the_folder(pages):
    app = pages()
    app.page.route("**/v2/userdata", lambda route: route.fulfill(status=404, body="404: Not Found"))
    with app.expecting("^404: GET .*/userdata"):
        app.goto("/library")
        expect(app.page.get_by_role("region", name=app.t("library.group_server"))).to_be_visible()
        app.until(
            "performance.getEntriesByType('resource').some((one) => one.name.includes('/userdata?dir='))"
        )


def test_what_the_desktop_sends_is_offered_to_an_open_phone(app):
    graph = image()
    app.open_graph(image(), "Before")
    app.show("library")
    app.until("store.stream.value === 'open'")
    sessions = f"{app.url}/ext/workflow/sessions"
    app.page.request.post(sessions, data={"workflow": image(), "label": "Of another client"})
    app.page.request.post(sessions, data={"workflow": graph, "label": SENT, "metadata": {"from": "desktop"}})
    offer = app.page.locator(".toast", has_text=app.t("arrived.workflow", name=SENT))
    expect(offer).to_be_visible()
    # The library that is open shows it, too.
    expect(
        app.page.get_by_role("region", name=app.t("library.group_desktop")).get_by_text(SENT)
    ).to_be_visible()
    assert app.state("store.draft.value.name") == "Before"
    offer.get_by_role("button", name=app.t("arrived.open"), exact=True).click()
    expect(app.page.locator(".shell[data-screen=flow]")).to_be_visible()
    app.until(f"store.draft.value?.name === '{SENT}'")
    assert app.graph() == graph
    expect(offer).to_have_count(0)
    assert "Before" in app.state("store.drafts.value.map((one) => one.name)")
    assert app.state("store.arrivals.value") == 1
