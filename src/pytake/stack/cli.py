"""``pytake``: the command line of the stack, and home of the other rooms' commands."""

import asyncio
import importlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.text import Text

from pytake.stack import docker, doctor, logs, native, packages, show, status, web
from pytake.stack.assemble import check_committed
from pytake.stack.components import COMPONENTS, Group, find
from pytake.stack.deploy import deploy, start, stop_order
from pytake.stack.errors import StackError
from pytake.stack.layout import Stack, checkout
from pytake.stack.reload import reload_monitoring
from pytake.stack.show import err, out
from pytake.stack.supervisor import Supervisor

MOUNTED = {
    "sandbox": "pytake.sandbox.cli",
    "alertmanager": "pytake.stack.alerting_cli",
    "drill": "pytake.stack.drill_cli",
    "dashboards": "pytake.stack.dashboards.cli",
    "runbook": "pytake.checks.runbook",
}
"""Sub-commands of other rooms, mounted as they exist: each module holds a typer ``app``."""

TARGETS_SECONDS = 30.0
"""Discovery passes targets on every 5 s, and a target's first scrape falls anywhere in its interval of up to 15 s."""

app = typer.Typer(
    help="PyTake Observability: the backend, the stack that watches it, and the tools around them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Runtime(StrEnum):
    """How the stack runs."""

    NATIVE = "native"
    DOCKER = "docker"


RuntimeOption = Annotated[
    Runtime, typer.Option(help="native: processes on this host; docker: docker compose.", envvar="PYTAKE_RUNTIME")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Service = Annotated[str | None, typer.Argument(help="A component; all when left out.")]


def _deploy(groups: tuple[Group, ...], runtime: Runtime) -> None:
    stack = Stack.load(create_env=True)
    if runtime is Runtime.DOCKER:
        raise typer.Exit(docker.compose(stack, groups, "up", "-d", "--build"))
    with show.Board() as board:
        if Group.MONITORING in groups:
            _pages(stack, board.say)
        deployment = deploy(stack, groups, board)
        names = [component.name for component in deployment.components]
        if "prometheus" in names:
            board.say("Waiting for Prometheus' targets")
            status.wait_for_targets(
                next(c for c in deployment.components if c.name == "prometheus").port(stack), TARGETS_SECONDS
            )
    for name, reason in deployment.left_out.items():
        out.print(f"[yellow]left out[/] {name}: {reason}")
    if deployment.alerting and deployment.alerting.off:
        off = ", ".join(f"{channel} ({variable})" for channel, variable in deployment.alerting.off.items())
        out.print(f"[dim]notification channels that are off until their variable is set: {off}[/]", soft_wrap=True)
    show.print_urls(stack, names)
    _finish(status.read(stack))


def _pages(stack: Stack, say: Callable[[str], None]) -> None:
    """Build the web pages; without them the servers start all the same and say how pages are built."""
    try:
        web.ensure_built(stack.root, say)
    except StackError as error:
        err.print(f"[yellow]the web pages are not built[/]: {error}\n  {error.hint}", soft_wrap=True)


def _finish(seen: status.Status) -> None:
    show.print_status(seen)
    if not seen.well:
        raise typer.Exit(1)


@app.command("deploy")
def deploy_command(runtime: RuntimeOption = Runtime.NATIVE) -> None:
    """Set up and start everything: the core and the monitoring stack."""
    _deploy((Group.CORE, Group.MONITORING), runtime)


@app.command("core")
def core(runtime: RuntimeOption = Runtime.NATIVE) -> None:
    """Set up and start the core only: backend, PostgreSQL, Redis, sandbox."""
    _deploy((Group.CORE,), runtime)


@app.command("monitoring")
def monitoring(runtime: RuntimeOption = Runtime.NATIVE) -> None:
    """Set up and start the monitoring stack only."""
    _deploy((Group.MONITORING,), runtime)


@app.command("status")
def status_command(as_json: JsonOption = False, runtime: RuntimeOption = Runtime.NATIVE) -> None:
    """Show every component; the exit code is 1 when anything is not well."""
    stack = Stack.load()
    if runtime is Runtime.DOCKER:
        raise typer.Exit(docker.compose(stack, tuple(Group), "ps", *(["--format", "json"] if as_json else [])))
    seen = status.read(stack)
    if as_json:
        out.print_json(json.dumps(seen.to_json()))
        raise typer.Exit(0 if seen.well else 1)
    _finish(seen)


@app.command("logs")
def logs_command(
    service: Service = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new lines until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many lines of each file.")] = 50,
    runtime: RuntimeOption = Runtime.NATIVE,
) -> None:
    """Print the ends of log files."""
    stack = Stack.load()
    if runtime is Runtime.DOCKER:
        more = ["--follow"] if follow else []
        raise typer.Exit(
            docker.compose(stack, tuple(Group), "logs", "--tail", str(lines), *more, *([service] if service else []))
        )
    components = [find(service)] if service else list(COMPONENTS)
    paths = [path for component in components for path in logs.files_of(stack, component)]
    if not paths:
        raise StackError(f"no log yet in {stack.logs}", hint="`status` says what runs; `deploy` starts the stack")
    prefix = len(paths) > 1
    stream = logs.follow(paths) if follow else iter(())
    for path in paths:
        for line in logs.tail(path, lines):
            _print_log(path, line, prefix)
    for path, line in stream:
        _print_log(path, line, prefix)


def _print_log(path: Path, line: str, prefix: bool) -> None:
    sys.stdout.write(f"{path.stem}: {line}\n" if prefix else f"{line}\n")
    sys.stdout.flush()


def _running(stack: Stack) -> Supervisor:
    supervisor = Supervisor(stack)
    if not supervisor.running:
        raise StackError(f"nothing runs in environment {stack.environment!r}", hint="type `deploy`")
    return supervisor


@app.command("restart")
def restart(service: Service = None, runtime: RuntimeOption = Runtime.NATIVE) -> None:
    """Stop and start one component or all, and wait until they are ready."""
    stack = Stack.load()
    if runtime is Runtime.DOCKER:
        raise typer.Exit(docker.compose(stack, tuple(Group), "restart", *([service] if service else [])))
    supervisor = _running(stack)
    known = [component for component in COMPONENTS if component.name in supervisor.info()]
    chosen = [find(service)] if service else known
    if absent := [component.name for component in chosen if component not in known]:
        raise StackError(
            f"{absent[0]} is not part of what was deployed", hint="`status` lists what is; `deploy` adds it"
        )
    with show.Board() as board:
        for name in stop_order([component.name for component in chosen]):
            board.update(name, "stops")
            supervisor.stop(name)
        asyncio.run(start(stack, supervisor, chosen, board))
    out.print(f"[green]✔[/] restarted {', '.join(component.name for component in chosen)}")


@app.command("stop")
def stop(runtime: RuntimeOption = Runtime.NATIVE) -> None:
    """Stop everything cleanly; the data stays."""
    stack = Stack.load()
    if runtime is Runtime.DOCKER:
        raise typer.Exit(docker.compose(stack, tuple(Group), "stop"))
    supervisor = Supervisor(stack)
    if not supervisor.running:
        out.print(f"nothing runs in environment {stack.environment!r}")
        return
    _stop(supervisor)
    out.print("[green]✔[/] stopped; the data stays in " + str(stack.state))


def _stop(supervisor: Supervisor) -> None:
    with show.Board() as board:
        for name in stop_order(list(supervisor.info())):
            board.update(name, "stops")
            supervisor.stop(name)
            board.update(name, "stopped")
        supervisor.shutdown()


@app.command("cleanup")
def cleanup(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    runtime: RuntimeOption = Runtime.NATIVE,
) -> None:
    """Stop everything and delete this environment's data; .env stays."""
    stack = Stack.load()
    if not yes and not typer.confirm(f"Delete all data of environment {stack.environment!r}?"):
        raise typer.Abort
    if runtime is Runtime.DOCKER:
        raise typer.Exit(docker.compose(stack, tuple(Group), "down", "--volumes"))
    supervisor = Supervisor(stack)
    if supervisor.running:
        _stop(supervisor)
    cluster = stack.data("postgres")
    if cluster.is_symlink():
        shutil.rmtree(cluster.resolve().parent, ignore_errors=True)
    if stack.state.exists():
        shutil.rmtree(stack.state)
    out.print(f"[green]✔[/] {stack.state} is gone; {stack.root / '.env'} stays")


@app.command("urls")
def urls(as_json: JsonOption = False) -> None:
    """Print the addresses of what was deployed (of everything, when nothing runs)."""
    stack = Stack.load()
    supervisor = Supervisor(stack)
    known = supervisor.info() if supervisor.running else None
    names = [c.name for c in COMPONENTS if (c.name in known if known is not None else c.missing(stack) is None)]
    if as_json:
        out.print_json(json.dumps([{"title": t, "url": u, "remark": r} for t, u, r in show.pages(stack, names)]))
    else:
        show.print_urls(stack, names)


@app.command("reload-monitoring")
def reload_command(runtime: RuntimeOption = Runtime.NATIVE) -> None:
    """Check the configuration under monitoring/, reload Prometheus, Alertmanager and blackbox, say what each runs."""
    stack = Stack.load()
    if runtime is Runtime.DOCKER:
        check_committed(stack)
        docker.compose(stack, (Group.MONITORING,), "up", "-d", "--force-recreate", "alertmanager-config")
        raise typer.Exit(
            docker.compose(
                stack, (Group.MONITORING,), "kill", "-s", "HUP", "prometheus", "alertmanager", "blackbox-exporter"
            )
        )
    for row in reload_monitoring(stack):
        out.print(f"[green]✔[/] {row.name} runs {row.runs}")


@app.command("packages")
def packages_command(
    tests: Annotated[bool, typer.Option("--tests", help="Also what the tests need.")] = False,
) -> None:
    """Install the Debian packages of the native runtime, without starting anything."""
    done = packages.ensure(COMPONENTS, err.print, more=packages.TEST_PACKAGES if tests else ())
    out.print(f"installed {', '.join(done)}" if done else "[dim]all Debian packages are there[/]")


@app.command("web")
def web_command() -> None:
    """Build the web pages of the embedded servers when they are not current."""
    built = web.ensure_built(checkout(), err.print)
    out.print("built the web pages" if built else "[dim]the web pages are current[/]")


@app.command("doctor")
def doctor_command(as_json: JsonOption = False) -> None:
    """Look at what the native runtime needs; the exit code is 1 when something is missing."""
    findings = doctor.examine(Stack.load())
    bad = [finding for finding in findings if finding.advice]
    if as_json:
        out.print_json(json.dumps([{"what": f.what, "seen": f.seen, "advice": f.advice} for f in findings]))
    else:
        for finding in findings:
            mark = Text("✘" if finding.advice else "✔", "red" if finding.advice else "green")
            out.print(
                mark,
                f"{finding.what}: {finding.seen}" + (f"\n    {finding.advice}" if finding.advice else ""),
                soft_wrap=True,
            )
    if bad:
        raise typer.Exit(1)


OWN = {command.name for command in app.registered_commands}
"""Names of the commands above."""


def _mount(root: typer.Typer, first: str | None) -> None:
    """Add the sub-commands of rooms that are there; only the one asked for, unless help or completion wants all."""
    wanted = {first: MOUNTED[first]} if first in MOUNTED else {} if first in OWN else MOUNTED
    for name, module in wanted.items():
        try:
            room = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if not module.startswith(error.name or "?"):
                raise
            continue
        root.add_typer(room.app, name=name)


def _export_addresses() -> None:
    """Tell the other rooms' commands where this stack's servers are, wherever the offset put them."""
    try:
        stack = Stack.load()
    except StackError:
        return  # the command itself will say what is wrong
    for name, url in (native.addresses(stack) | {"PYTAKE_SANDBOX_URL": native.local(stack, 8791)}).items():
        os.environ.setdefault(name, url)


def _fail(error: StackError) -> NoReturn:
    err.print(Text(f"✘ {error}", "red"), soft_wrap=True)
    if error.hint:
        err.print(Text(f"  {error.hint}"), soft_wrap=True)
    raise SystemExit(1)


def main() -> None:
    """Entry point of the ``pytake`` program."""
    _export_addresses()
    _mount(app, sys.argv[1] if len(sys.argv) > 1 else None)
    run: Callable[[], object] = app
    try:
        run()
    except StackError as error:
        _fail(error)
    except KeyboardInterrupt:
        err.print("interrupted; what runs goes on running (`stop` stops it)")
        raise SystemExit(130) from None
