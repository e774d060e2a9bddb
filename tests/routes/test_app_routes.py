"""The phone app's files over HTTP: which are served, how, and which never."""

import gzip
import os
import re
import sys
import threading

import pytest
from aiohttp import web
from backplane.routes._http import enveloped
from backplane.routes.app import APP, MEDIA, POLICY, AppRoutes, located
from yarl import URL

LONG = "export const words = 'text that repeats'\n" * 200
FILES = {
    "index.html": "<!doctype html><title>App</title>",
    "main.js": LONG,
    "sw.js": "self.skipWaiting()",
    "manifest.webmanifest": "{}",
    "styles/app.css": "body { margin: 0 }\n" * 200,
    "locales/zh.json": '{"flow.add": "添加节点"}',
    "icons/app.svg": "<svg/>",
    "core/二.js": "export {}",
}
PICTURES = {"icons/app.png": b"\x89PNG\r\n" + b"\0" * 5000, "icons/app.webp": b"RIFF"}
HIDDEN = [
    "core/tests/graph.js",
    "node_modules/preact/index.js",
    "tsconfig.toml",
    "run.py",
    "bare",
    ".env.js",
    ".git/config.json",
    "folder.js/inner.txt.gz",
]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "app"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    for name, body in PICTURES.items():
        root.joinpath(name).write_bytes(body)
    for name in HIDDEN:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret", encoding="utf-8")
    root.with_name("outside.js").write_text("secret", encoding="utf-8")
    return root


def application(folder):
    routes = AppRoutes(folder)
    app = web.Application()
    for prefix in ("", "/api"):
        app.router.add_get(prefix + "/ext/app", enveloped(routes.bare))
        app.router.add_get(prefix + "/ext/app/", enveloped(routes.index))
        app.router.add_get(prefix + "/ext/app/{path:.+}", enveloped(routes.file))
    return app


@pytest.fixture
async def client(folder, aiohttp_client):
    return await aiohttp_client(application(folder))


async def ask(client, path, status=200, method="GET", **headers):
    address = URL(path, encoded=True)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.request(method, address, headers=named, allow_redirects=False) as answer:
        assert answer.status == status, await answer.text()
        return answer.headers, await answer.read()


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_the_bare_path_leads_to_the_page_and_keeps_the_query(client, prefix):
    headers, _ = await ask(client, f"{prefix}/ext/app?from=qr", 302)
    assert headers["Location"] == "app/?from=qr"
    async with client.get(f"{prefix}/ext/app") as answer:
        assert answer.url.path == f"{prefix}/ext/app/"
        assert await answer.text() == FILES["index.html"]


async def test_every_file_has_its_media_type_and_its_bytes(client):
    texts = {name: text.encode() for name, text in FILES.items()}
    for name, body in (texts | PICTURES).items():
        headers, sent = await ask(client, f"/ext/app/{URL(name).raw_path}")
        assert sent == body
        suffix = name[name.rindex(".") :]
        charset = "" if name in PICTURES else "; charset=utf-8"
        assert headers["Content-Type"] == MEDIA[suffix] + charset
    assert (await ask(client, "/ext/app/"))[1] == texts["index.html"]


async def test_it_must_be_asked_for_again_and_runs_nothing_of_others(client):
    for name in ("", "main.js", "icons/app.png"):
        headers, _ = await ask(client, f"/ext/app/{name}")
        assert headers["Cache-Control"] == "no-cache"
        assert headers["X-Content-Type-Options"] == "nosniff"
        # Each of a hundred files would carry it for nothing.
        assert headers.get("Content-Security-Policy") == (POLICY if name == "" else None)
    allowed = {part.split()[0]: part.split()[1:] for part in POLICY.split(";")}
    assert allowed["default-src"] == ["'none'"]
    assert allowed["script-src"] == allowed["style-src"] == allowed["connect-src"] == ["'self'"]
    assert allowed["img-src"] == ["'self'", "blob:", "data:"]


async def test_what_has_not_changed_is_not_sent_again(client, folder):
    for form in ("gzip", "identity"):
        headers, _ = await ask(client, "/ext/app/main.js", Accept_Encoding=form)
        again, body = await ask(client, "/ext/app/main.js", 304, If_None_Match=headers["ETag"])
        assert (again["ETag"], body) == (headers["ETag"], b"")
    page, _ = await ask(client, "/ext/app/")
    again, _ = await ask(client, "/ext/app/", 304, If_None_Match=page["ETag"])
    assert again["Content-Security-Policy"] == POLICY
    folder.joinpath("main.js").write_text("changed()", encoding="utf-8")
    changed, body = await ask(client, "/ext/app/main.js", If_None_Match=headers["ETag"])
    assert body == b"changed()"
    assert changed["ETag"] != headers["ETag"]


async def test_the_same_size_at_the_same_time_is_told_apart_by_what_replaced_it(client, folder):
    path = folder / "sw.js"
    stat = path.stat()
    before, _ = await ask(client, "/ext/app/sw.js")
    new = folder / "new.js"
    new.write_text("self.skipWaitinG()", encoding="utf-8")
    os.utime(new, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    new.replace(path)
    after, body = await ask(client, "/ext/app/sw.js")
    assert body == b"self.skipWaitinG()"
    assert after["ETag"] != before["ETag"]


PAGE = """<!doctype html><title>App</title>
<link rel="icon" href="icons/app.svg"><link rel="stylesheet" href="styles/app.css"><a href="#/flow">Flow</a>
<link rel="modulepreload" href="core/graph.js"><script type="module" src="main.js"></script>"""


async def released(client):
    """Give what the page puts before its scripts and styles."""
    _, page = await ask(client, "/ext/app/")
    return re.search(rb'src="(@\w+/)main\.js"', page)[1].decode()


async def test_a_release_is_kept_for_good_and_another_has_another_address(client, folder):
    folder.joinpath("index.html").write_text(PAGE, encoding="utf-8", newline="\n")
    first = await released(client)
    _, page = await ask(client, "/ext/app/")
    names = re.findall(r'(?:href|src)="([^"]+)"', page.decode())
    assert names == [
        "icons/app.svg",
        f"{first}styles/app.css",
        "#/flow",
        f"{first}core/graph.js",
        f"{first}main.js",
    ]
    headers, body = await ask(client, f"/ext/app/{first}main.js")
    assert (headers["Cache-Control"], body) == ("public, max-age=31536000, immutable", LONG.encode())
    assert headers["Content-Type"] == "text/javascript; charset=utf-8"
    await ask(client, f"/ext/app/{first}main.js", 304, If_None_Match=headers["ETag"])
    folder.joinpath("core", "graph.js").write_text("export {}", encoding="utf-8")
    second = await released(client)
    assert second != first
    # A page of the release before still gets its files, but nothing may keep them under its name.
    headers, body = await ask(client, f"/ext/app/{first}main.js")
    assert (headers["Cache-Control"], body) == ("no-cache", LONG.encode())
    # One that was changed since the page was sent is not what the release had.
    folder.joinpath("main.js").write_text("changed()", encoding="utf-8")
    headers, body = await ask(client, f"/ext/app/{second}main.js")
    assert (headers["Cache-Control"], body) == ("no-cache", b"changed()")
    again, _ = await ask(client, f"/ext/app/{await released(client)}main.js")
    assert "immutable" in again["Cache-Control"]


async def test_a_server_that_was_started_again_knows_its_release_before_it_sends_the_page(
    folder, aiohttp_client
):
    folder.joinpath("index.html").write_text(PAGE, encoding="utf-8", newline="\n")
    before = await released(await aiohttp_client(application(folder)))
    client = await aiohttp_client(application(folder))
    headers, _ = await ask(client, f"/ext/app/{before}styles/app.css")
    assert "immutable" in headers["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["@0123456789ab/../secret.js", "@0123456789ab/core/tests/graph.js", "@/main.js"]
)
async def test_a_release_leads_nowhere_else(client, path):
    await ask(client, f"/ext/app/{path}", 404)


async def test_text_is_compressed_once_in_a_thread_where_the_client_takes_it(client, monkeypatch):
    packed = []
    compress = gzip.compress

    def noted(*args, **kwargs):
        packed.append(threading.current_thread())
        return compress(*args, **kwargs)

    monkeypatch.setattr(gzip, "compress", noted)
    client.session._auto_decompress = False
    plain, body = await ask(client, "/ext/app/main.js", Accept_Encoding="identity")
    assert "Content-Encoding" not in plain
    assert body == LONG.encode()
    for _ in range(3):
        headers, sent = await ask(client, "/ext/app/main.js", Accept_Encoding="gzip, br")
        assert headers["Content-Encoding"] == "gzip"
        assert headers["Vary"] == "Accept-Encoding"
        assert gzip.decompress(sent) == LONG.encode()
    assert headers["ETag"] != plain["ETag"]
    assert len(packed) == 1
    assert packed[0] is not threading.main_thread()
    for name in ("sw.js", "icons/app.png"):
        headers, _ = await ask(client, f"/ext/app/{name}", Accept_Encoding="gzip")
        assert "Content-Encoding" not in headers


async def test_head_says_the_same_without_the_body(client):
    headers, body = await ask(client, "/ext/app/main.js", method="HEAD", Accept_Encoding="identity")
    assert body == b""
    assert headers["Content-Length"] == str(len(LONG))


@pytest.mark.parametrize(
    "path",
    [
        *HIDDEN,
        *("../outside.js", "%2e%2e/outside.js", "..%2foutside.js", "core/..%2f..%2foutside.js"),
        *("..%5coutside.js", "%5c%5cserver%5cshare%5ca.js", "C:%5ca.js", "c:/a.js", "%2fetc/passwd.txt"),
        *("//main.js", "core//x.js", "main.js/", "./%2e/main.js%00", "main.js%00.png", "main.js:stream.js"),
        *("styles", "styles/", "absent.js", "main.js/inner.js", "a" * 5000 + ".js", "%ed%a0%80.js"),
    ],
)
async def test_nothing_else_is_served(client, path):
    _, body = await ask(client, f"/ext/app/{path}", 404)
    assert b"secret" not in body


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets only some make links")
def test_no_link_leads_out_or_anywhere(folder):
    folder.joinpath("link.js").symlink_to(folder.with_name("outside.js"))
    folder.joinpath("twin.js").symlink_to(folder / "main.js")
    folder.joinpath("round.js").symlink_to(folder / "round.js")
    folder.joinpath("up").symlink_to(folder.parent)
    for name in ("link.js", "twin.js", "round.js", "up/outside.js", "up/app/main.js"):
        assert located(folder, name) is None
    linked = folder.with_name("pack")
    linked.symlink_to(folder)  # as custom_nodes/backplane often is
    assert located(linked, "main.js") == folder / "main.js"


def test_a_server_without_the_app_says_so(tmp_path):
    assert located(tmp_path / "absent", "index.html") is None


def test_what_the_app_is_made_of_can_be_served():
    suffixes = {path.suffix for path in APP.rglob("*") if path.is_file() and "tests" not in path.parts}
    assert suffixes <= MEDIA.keys()
