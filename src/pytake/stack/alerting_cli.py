"""``pytake alertmanager``: render the running configuration, ask where an alert would go."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pytake.stack.alerting import AlertingSettings, AlertmanagerConfigError, render

app = typer.Typer(help="Alertmanager's configuration: render it, test its routes.", no_args_is_help=True)
console = Console()
errors = Console(stderr=True)

Source = Annotated[Path, typer.Option(help="Folder of the committed alertmanager.yml and its templates.")]
DEFAULT_SOURCE = Path("monitoring/alertmanager")


@app.command("render")
def render_command(
    target: Annotated[Path, typer.Option(help="Folder that Alertmanager will read.")],
    source: Source = DEFAULT_SOURCE,
    owner: Annotated[str | None, typer.Option(help="UID:GID that the files shall belong to.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was rendered as JSON.")] = False,
) -> None:
    """Write the configuration that runs: unset channels dropped, secrets in files of mode 600."""
    try:
        rendered = render(source, target, AlertingSettings())
    except AlertmanagerConfigError as error:
        errors.print(f"[red]{error}", soft_wrap=True)
        raise typer.Exit(1) from None
    if owner:
        uid, _, gid = owner.partition(":")
        for path in [target, *target.rglob("*")]:
            shutil.chown(path, int(uid), int(gid or uid))
    if as_json:
        console.print_json(json.dumps({"config": str(rendered.config), "on": rendered.on, "off": rendered.off}))
        return
    console.print(f"{rendered.config}: on: {', '.join(rendered.on) or 'none'}")
    for channel, variable in rendered.off.items():
        console.print(f"  off: {channel} (set {variable} to turn it on)")


@app.command("route")
def route_command(
    labels: Annotated[list[str], typer.Argument(help="The alert's labels as name=value.")],
    source: Source = DEFAULT_SOURCE,
) -> None:
    """Print the receivers of an alert with these labels (amtool's answer)."""
    if (amtool := shutil.which("amtool")) is None:
        errors.print("amtool is not installed; `apt-get install prometheus-alertmanager` brings it")
        raise typer.Exit(2)
    command = [amtool, "config", "routes", "test", f"--config.file={source / 'alertmanager.yml'}", *labels]
    raise typer.Exit(subprocess.run(command, check=False, timeout=30).returncode)
