"""From the committed configuration under ``monitoring/`` to the one that runs natively.

Files are copied with ports moved by the offset; scrape targets of components that are not deployed are left out;
Alertmanager's file is rendered (:mod:`pytake.stack.alerting`). Everything is made in a folder beside the running one
and checked with the servers' own tools; only when all of it is fine does it replace what runs.
"""

import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

from pytake.stack import native
from pytake.stack.alerting import AlertingSettings, AlertmanagerConfigError, Rendered, render
from pytake.stack.components import COMPONENTS
from pytake.stack.errors import ConfigInvalid
from pytake.stack.files import write
from pytake.stack.layout import Stack

COPIED = ("blackbox", "loki", "promtail", "jaeger", "grafana/provisioning", "prometheus/rules")
"""Folders of monitoring/ that are copied as they are, but for the ports."""

_ADDRESS = re.compile(r"\b(127\.0\.0\.1|localhost):(\d{4,5})\b")
_OWNERS = {port: component.name for component in COMPONENTS for port in component.ports.values()}


def assemble(stack: Stack, deployed: Collection[str]) -> Rendered:
    """Make, check and put in place the configuration of a stack of these components.

    Raises:
        ConfigInvalid: a file is wrong; the running configuration is untouched.
    """
    staging = stack.config / ".new"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True, mode=0o700)
    try:
        rendered = _build(stack, deployed, staging)
        check(stack, staging)
        _replace(staging, stack.config)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return rendered


def _build(stack: Stack, deployed: Collection[str], staging: Path) -> Rendered:
    for folder in COPIED:
        for source in _files(stack.monitoring / folder):
            _copy(stack, source, staging / source.relative_to(stack.monitoring))
    _copy(stack, stack.monitoring / "prometheus" / "prometheus.yml", staging / "prometheus" / "prometheus.yml")
    for source in sorted((stack.monitoring / "prometheus" / "targets" / "native").glob("*.yml")):
        groups = targets(stack, source, deployed)
        write(staging / "prometheus" / "targets" / source.name, yaml.safe_dump(groups, sort_keys=False))
    try:
        rendered = render(stack.monitoring / "alertmanager", staging / "alertmanager", alerting_settings(stack))
    except AlertmanagerConfigError as error:
        raise ConfigInvalid(_committed(stack, staging, str(error))) from error
    return Rendered(stack.config / "alertmanager" / "alertmanager.yml", rendered.on, rendered.off)


def alerting_settings(stack: Stack) -> AlertingSettings:
    """Alertmanager's settings of this stack: its own addresses unless the operator gave others."""
    own = {"PYTAKE_ALERT_WEBHOOK_URL": f"{native.local(stack, 8789)}/api/v1/webhooks/alerts"}
    values = native.addresses(stack) | own | dict(stack.env)
    return AlertingSettings.model_validate({k.lower(): v for k, v in values.items()})


def targets(stack: Stack, source: Path, deployed: Collection[str]) -> list[dict[str, Any]]:
    """Target groups of a committed file: those of deployed components, on this stack's ports.

    A probe of Meta or OpenAI looks at the real one when the sandbox does not stand in for it.
    """
    kept = []
    real = _real_probe(stack, source)
    for group in yaml.safe_load(source.read_text(encoding="utf-8")) or []:
        if real and "__param_target" in group.get("labels", {}):
            group["labels"]["__param_target"] = real
        if all(_OWNERS.get(int(port)) in {None, *deployed} for _, port in _ADDRESS.findall(yaml.safe_dump(group))):
            kept.append(yaml.safe_load(shift(stack, yaml.safe_dump(group))))
    return kept


def _real_probe(stack: Stack, source: Path) -> str | None:
    plays = {
        "probe-whatsapp.yml": stack.settings.sandbox_plays_meta,
        "probe-openai.yml": stack.settings.sandbox_plays_openai,
    }
    other = source.parents[1] / "compose" / source.name
    if plays.get(source.name, True) or not other.exists():
        return None
    groups = yaml.safe_load(other.read_text(encoding="utf-8"))
    return str(groups[0]["labels"]["__param_target"])


def shift(stack: Stack, text: str) -> str:
    """Move the ports of components in local addresses by the offset."""

    def moved(match: re.Match[str]) -> str:
        port = int(match[2])
        return f"{match[1]}:{stack.port(port) if port in _OWNERS else port}"

    return _ADDRESS.sub(moved, text)


def check(stack: Stack, folder: Path) -> None:
    """Let the servers' tools read the configuration in ``folder``; tools that are not installed check nothing."""
    blackbox = folder / "blackbox" / "blackbox.yml"
    _run_check(stack, folder, ["promtool", "check", "config", str(folder / "prometheus" / "prometheus.yml")])
    _run_check(
        stack, folder, ["prometheus-blackbox-exporter", "--config.check", f"--config.file={blackbox}"], f"{blackbox}: "
    )


def _run_check(stack: Stack, folder: Path, command: list[str], prefix: str = "") -> None:
    if shutil.which(command[0]) is None:
        return
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=folder)
    if done.returncode:
        lines = [prefix + line for line in (done.stdout + done.stderr).splitlines() if _tells(line)]
        raise ConfigInvalid(
            _committed(stack, folder, "\n".join(lines)),
            hint="what runs was left as it is; correct the file and repeat",
        )


def check_committed(stack: Stack) -> None:
    """Check the files that docker compose mounts as they are."""
    check(stack, stack.monitoring)


def _tells(line: str) -> bool:
    noise = "SUCCESS" in line or "level=info" in line or line.startswith("Checking")
    return bool(line.strip()) and not noise


def _committed(stack: Stack, staging: Path, message: str) -> str:
    """Name the committed files in a tool's message, which names copies."""
    return message.replace(str(staging), str(stack.monitoring)).strip()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file()) if folder.is_dir() else iter(())


def _copy(stack: Stack, source: Path, target: Path) -> None:
    write(target, shift(stack, source.read_text(encoding="utf-8")))


def _replace(staging: Path, running: Path) -> None:
    """Move files that differ, delete those that are gone; folders stay, since servers watch them."""
    for top in sorted({path.relative_to(staging).parts[0] for path in _files(staging)}):
        fresh = {path.relative_to(staging) for path in _files(staging / top)}
        for old in _files(running / top):
            if old.relative_to(running) not in fresh:
                old.unlink()
        for name in fresh:
            source, target = staging / name, running / name
            if not target.exists() or target.read_bytes() != source.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)
