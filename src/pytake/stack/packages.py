"""Debian packages: installs what is missing and keeps the services in them from starting by themselves.

What was installed before is never touched. Before a package that is new here is installed, its systemd units are masked
and, for the time of the installation, a policy-rc.d (where the host has none) refuses to start anything.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pytake.stack.components import Component
from pytake.stack.errors import PackagesMissing

POLICY = Path("/usr/sbin/policy-rc.d")
CLUSTER_CONF = Path("/etc/postgresql-common/createcluster.conf")
UNITS = Path("/etc/systemd/system")
APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q")

TEST_PACKAGES = ("chromium", "shellcheck")
"""What the tests and `make lint` need besides."""

Say = Callable[[str], None]


def installed(package: str) -> bool:
    """Whether dpkg has it configured."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode == 0 and done.stdout.startswith("ii")


def missing(components: Iterable[Component]) -> dict[str, tuple[str, ...]]:
    """Packages that are not installed, each with the units that it would start."""
    found: dict[str, tuple[str, ...]] = {}
    for component in components:
        for package in component.packages:
            if not installed(package):
                found[package] = component.units
    return found


def ensure(components: Iterable[Component], say: Say, *, more: Iterable[str] = ()) -> list[str]:
    """Install what is missing for the components, and ``more``; returns the packages that were installed.

    Raises:
        PackagesMissing: there is no apt-get, no way to become root, or apt-get failed; says what to type.
    """
    if shutil.which("dpkg-query") is None:
        raise PackagesMissing(
            "this system has no dpkg: the native runtime takes its servers from Debian 12's packages",
            hint="use Debian 12, or `./deploy-with-monitoring.sh deploy --runtime docker`",
        )
    wanted = missing(components) | {package: () for package in more if not installed(package)}
    if not wanted:
        return []
    say(f"Installing {', '.join(wanted)}")
    _refuse_without_root(wanted)
    _mask(wanted)
    policy = _hold_services()
    try:
        _apt(wanted)
    finally:
        if policy:
            _as_root("rm", "-f", str(POLICY))
    return list(wanted)


def _refuse_without_root(wanted: Iterable[str]) -> None:
    if os.geteuid() != 0 and shutil.which("sudo") is None:
        raise PackagesMissing(
            f"{', '.join(wanted)} must be installed, which needs root, and there is no sudo",
            hint=f"as root, type: apt-get install --no-install-recommends {' '.join(wanted)}; then run this again",
        )


def _mask(wanted: dict[str, tuple[str, ...]]) -> None:
    if any(package.startswith("postgresql") for package in wanted) and not CLUSTER_CONF.exists():
        _as_root("mkdir", "-p", str(CLUSTER_CONF.parent))
        _put(
            CLUSTER_CONF,
            "# No cluster at /var/lib/postgresql: PyTake's native stack makes its own.\ncreate_main_cluster = false\n",
        )
    for unit in {unit for units in wanted.values() for unit in units}:
        if not (UNITS / unit).exists() and not (UNITS / unit).is_symlink():
            _as_root("mkdir", "-p", str(UNITS))
            _as_root("ln", "-s", "/dev/null", str(UNITS / unit))


def _hold_services() -> bool:
    """Refuse starts while apt runs; hosts without systemd know no masks."""
    if POLICY.exists():
        return False
    _put(POLICY, "#!/bin/sh\nexit 101\n", "755")
    return True


def _put(path: Path, text: str, mode: str = "644") -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        _as_root("install", "-m", mode, file.name, str(path))


def _apt(wanted: Iterable[str]) -> None:
    install = [*APT, "install", "-y", "--no-install-recommends", *wanted]
    done = _run(install)
    if done.returncode:
        # The usual cause is a list of packages that is old or was never fetched.
        _run([*APT, "update"])
        done = _run(install)
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines()
        raise PackagesMissing(
            f"apt-get could not install {', '.join(wanted)}:\n" + "\n".join(lines[-8:]),
            hint=f"type: sudo apt-get update && sudo apt-get install --no-install-recommends {' '.join(wanted)}",
        )


def _as_root(*argv: str) -> None:
    done = _run(argv)
    if done.returncode:
        raise PackagesMissing(
            f"`{' '.join(argv)}` failed: {done.stderr.strip() or done.returncode}",
            hint="the user needs sudo rights; or install the packages as root: see README, Troubleshooting",
        )


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run as root; sudo asks for a password on the terminal when it must."""
    command = argv if os.geteuid() == 0 else ["sudo", *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=900, stdin=None)
