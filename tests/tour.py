"""Every screen and every sheet of the phone app, one after the other, for checks of how they look.

Sheets are opened by the functions that open them: it is quick, and it works in any language. That a thumb
gets there is what the other tests are for.
"""

from browsing import expect

SCREENS = ["flow", "tasks", "gallery", "models", "library", "settings"]

# By screen and name: a module and what to call of it, or a button; then the buttons behind it.
SHEETS: dict[str, dict[str, tuple[str, ...]]] = {
    "flow": {
        "menu of a node": ("screens/flow/menu.js", "it.openNodeMenu('5')"),
        "menu of an input": (
            "screens/flow/menu.js",
            "it.openInputMenu('5', {name: 'model', type: 'MODEL', link: {node: '1', slot: 0}})",
        ),
        "menu of an output": (
            "screens/flow/menu.js",
            "it.openOutputMenu('1', {name: 'CLIP', type: 'CLIP', slot: 1})",
        ),
        "add": ("screens/flow/add.js", "it.openAdd({after: '6'})"),
        "add, planned": ("screens/flow/add.js", "it.openAdd({after: '6'}, {name: 'PreviewImage'})"),
        "insert": (
            "screens/flow/add.js",
            "it.openInsert({source: '1', slot: 0, target: '5', input: 'model'}, {type: 'MODEL'})",
        ),
        "replace": ("screens/flow/change.js", "it.openReplace('7')"),
        "branch": ("screens/flow/change.js", "it.openParallel('5')"),
        "remove": ("screens/flow/change.js", "it.openRemove('5')"),
        "rename a node": ("screens/flow/change.js", "it.openRename('5')"),
        "help": ("screens/flow/change.js", "it.openHelp('KSampler')"),
        "bypass": (
            "screens/flow/change.js",
            "it.openPlan({title: 'Bypass', label: 'Bypass', ops: [{op: 'bypass', node_id: '2', on: true}]})",
        ),
        "connect an input": ("screens/flow/connect.js", "it.openSources('5', 'positive')"),
        "connect an output": ("screens/flow/connect.js", "it.openTargets('1', 1)"),
        "problems": ("screens/flow/problems.js", "it.openProblems({anyway: true})"),
        "changes": ("screens/flow/after.js", "it.openChanges()"),
        "text editor": (
            "ui/texteditor.js",
            "it.editText({title: 'text', value: 'a lighthouse, (oil painting:1.2)', onText() {}})",
        ),
        "presets": ("ui/presets.js", "it.pickPreset('a lighthouse')"),
        "picker": ("", "#f-5-sampler_name"),
        "model picker": ("", "#f-1-ckpt_name"),
        "menu of the page": ("", ".top [aria-haspopup=dialog]"),
        "confirm": (
            "ui/sheet.js",
            "it.confirm({title: 'Delete it?', text: 'This stays so.', action: 'Delete', tone: 'danger'})",
        ),
    },
    "tasks": {
        "menu of a task": ("", ".task-row > .icon-button"),
    },
    "gallery": {
        "viewer": ("screens/gallery/viewer.js", "it.openViewer(shelf.shown.value, shelf.shown.value[0])"),
        "facts": ("", ".grid-cells button", ".viewer [data-place=top] [aria-haspopup=dialog]"),
        "compare": (
            "screens/gallery/compare.js",
            "it.openCompare(shelf.shown.value[0], shelf.shown.value[1])",
        ),
        "use as input": ("screens/gallery/actions.js", "it.useAsInput(shelf.shown.value[0])"),
        "export": ("screens/gallery/export.js", "it.openExport()"),
    },
    "models": {
        "model": ("", ".model > .item"),
        "paste a link": ("screens/models/paste.js", "it.openPlan()"),
        "a link that is none": (
            "screens/models/paste.js",
            "it.openPlan({url: 'https://127.0.0.1/nothing/model.safetensors'})",
        ),
    },
    "library": {
        "template": (
            "screens/library/template.js",
            "it.openTemplate((await api.get('/ext/templates')).items.find((one) => /sd15/.test(one.name)))",
        ),
        "name for the server": (
            "screens/library/keep.js",
            "it.askName({title: 'Save it', label: 'File name', value: 'portrait', action: 'Save'})",
        ),
        "export a workflow": ("screens/library/keep.js", "it.exportFile()"),
        "menu of a draft": ("", ".with-menu > .icon-button"),
    },
    "settings": {},
}

OPEN = """async (path) => {
    const from = (name) => import(new URL(name, document.scripts[0].src));
    const it = await from(path);
    const shelf = await from('screens/gallery/shelf.js');
    const { api } = await from('io/api.js');
    await (async () => { %s; })();
}"""


# Resolves once the last change has been drawn.
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"


def settled(page):
    """Nothing is on its way, and the last change has been drawn."""
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    page.evaluate(DRAWN)


def go(app, path):
    """Go to a screen whatever language the page speaks."""
    app.page.evaluate("(path) => { location.hash = path; }", f"#/{path}")
    expect(app.page.locator(f".shell[data-screen={path.split('/')[0]}]")).to_be_visible()
    settled(app.page)


def close_sheets(app):
    app.page.evaluate(
        "async () => (await import(new URL('ui/sheet.js', document.scripts[0].src))).closeSheets()"
    )
    app.closed()


def screens(app):
    """Show each screen; give its name while it is shown."""
    for screen in SCREENS:
        go(app, screen)
        yield screen
    done = app.state("[...store.tasks.value.values()].find((task) => task.status === 'succeeded').id")
    go(app, f"tasks/{done}")
    yield "a task"


def sheets(app):
    """Open each sheet; give its name while it is open."""
    page = app.page
    for screen, found in SHEETS.items():
        go(app, screen)
        for name, (path, code, *then) in found.items():
            if path:
                page.evaluate(OPEN % code.replace("it.", "void it.", 1), path)
            else:
                page.locator(code).first.evaluate("(button) => button.click()")
            expect(page.locator("dialog[open]").first).to_be_visible()
            for selector in then:
                page.locator(selector).click()
                expect(page.locator("dialog[open]")).to_have_count(2)
            settled(page)
            yield name
            close_sheets(app)
