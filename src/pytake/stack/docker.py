"""The docker runtime: both compose files, the pins of versions.env, and .env; the rest is docker compose's work."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from pytake.stack.components import Group
from pytake.stack.errors import StackError
from pytake.stack.layout import Stack

FILES = {Group.CORE: "docker-compose.yml", Group.MONITORING: "monitoring/docker-compose.monitoring.yml"}


def compose_argv(stack: Stack, groups: Sequence[Group], *arguments: str) -> list[str]:
    """The command line of docker compose for these groups.

    Relative paths in compose files resolve against the first file's folder, so the monitoring file comes first; the
    core file takes the checkout's path from PYTAKE_ROOT.
    """
    docker = shutil.which("docker")
    if docker is None:
        raise StackError(
            "docker is not installed",
            hint="install Docker Engine with the compose plugin, or leave out `--runtime docker`",
        )
    argv = [docker, "compose"]
    for file in (stack.monitoring / "versions.env", stack.root / ".env"):
        if file.exists():
            argv += ["--env-file", str(file)]
    if stack.settings.sandbox_plays_meta or stack.settings.sandbox_plays_openai:
        argv += ["--profile", "demo"]
    for group in (Group.MONITORING, Group.CORE):
        if group in groups:
            argv += ["-f", str(stack.root / FILES[group])]
    return [*argv, *arguments]


def compose(stack: Stack, groups: Sequence[Group], *arguments: str) -> int:
    """Run docker compose; its exit code."""
    env = os.environ | {"PYTAKE_ROOT": str(stack.root)}
    if own := stack.settings.pytake_instances_file:
        env |= {"PYTAKE_INSTANCES_FILE": str(stack.root / own)}
    if not stack.settings.sandbox_plays_meta:
        env.setdefault("PYTAKE_META_BASE_URL", "https://graph.facebook.com")
    if not stack.settings.sandbox_plays_openai:
        env.setdefault("PYTAKE_OPENAI_BASE_URL", "https://api.openai.com/v1")
    return subprocess.run(compose_argv(stack, groups, *arguments), cwd=stack.root, check=False, env=env).returncode
