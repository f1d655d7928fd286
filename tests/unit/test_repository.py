"""Facts about the committed files: no download hosts, clean shell scripts, compose files that compose accepts."""

import glob
import importlib.util
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from pytake.stack.envfile import ensure_env_file

ROOT = Path(__file__).parents[2]
# Spelled in parts, so that this file does not name them either.
HOSTS = re.compile(
    "|".join(
        re.escape(host)
        for host in (
            "pypi" + ".org", "files.python" + "hosted.org", "registry.npm" + "js.org", "deb.debian" + ".org",
            "registry.yarn" + "pkg.com", "index.crates" + ".io", "proxy.golang" + ".org", "hub.docker" + ".com",
            "security.debian" + ".org", "index" + "-url",
        )
    )
)  # fmt: skip
ALLOWED = {"Makefile"}  # it tells uv to keep them out of the lock files


def committed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_committed_file_names_a_download_host():
    found = []
    for path in committed():
        if path.name in ALLOWED or path.stat().st_size > 5_000_000:
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in HOSTS.finditer(text)]
    assert not found


def test_the_script_and_its_helpers_are_clean_shell():
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.fail("shellcheck is missing: `make setup` installs it")
    scripts = [ROOT / "deploy-with-monitoring.sh", ROOT / ".ci/run", *sorted((ROOT / "docker").glob("*.sh"))]
    done = subprocess.run([shellcheck, *map(str, scripts)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "files",
    [
        ["docker-compose.yml"],
        ["monitoring/docker-compose.monitoring.yml"],
        ["monitoring/docker-compose.monitoring.yml", "docker-compose.yml"],
    ],
    ids=["core", "monitoring", "both"],
)
def test_compose_accepts_the_files(files, tmp_path):
    ensure_env_file(tmp_path / ".env")
    spec = importlib.util.find_spec("compose")
    assert spec is not None
    assert spec.origin is not None
    compose = Path(spec.origin).with_name("docker-compose")
    argv = [
        compose,
        "--env-file",
        ROOT / "monitoring/versions.env",
        "--env-file",
        tmp_path / ".env",
        "--profile",
        "demo",
    ]
    argv += [part for file in files for part in ("-f", ROOT / file)]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTAKE_ROOT": str(ROOT)}
    done = subprocess.run([*argv, "config", "-q"], capture_output=True, text=True, check=False, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "level=warning" not in done.stderr


def test_every_data_file_of_the_package_is_in_the_wheel():
    with (ROOT / "pyproject.toml").open("rb") as file:
        patterns = tomllib.load(file)["tool"]["setuptools"]["package-data"]["pytake"]
    package = ROOT / "src" / "pytake"
    packed = {package / name for pattern in patterns for name in glob.glob(pattern, root_dir=package, recursive=True)}
    data = {path for path in committed() if path.is_relative_to(package) and path.suffix not in {".py", ".pyi"}}
    assert not data - packed
