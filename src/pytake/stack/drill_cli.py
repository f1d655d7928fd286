"""``pytake drill``: provoke alerts by real faults and prove that they fire, arrive and resolve."""

import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pytake.stack.drill import arena as arenas
from pytake.stack.drill.channels import open_channels
from pytake.stack.drill.run import DONE, UnknownAlert, chosen, run
from pytake.stack.drill.scenarios import NOT_PROVOKED
from pytake.stack.drill.scene import Scene
from pytake.stack.drill.watch import Course
from pytake.stack.errors import StackError
from pytake.stack.layout import checkout
from pytake.stack.show import Board

FAST_FACTOR = 15.0
app = typer.Typer(
    help="Provoke alerts by real faults; see them fire, arrive, resolve.",
    invoke_without_command=True,
    context_settings={"allow_interspersed_args": True},  # alerts and options in any order
)
err = Console(stderr=True, highlight=False)


def severities(root: Path) -> dict[str, str]:
    """Severity by alert, from the committed rules."""
    found: dict[str, str] = {}
    for path in sorted((root / "monitoring" / "prometheus" / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            found |= {rule["alert"]: rule["labels"]["severity"] for rule in group["rules"] if "alert" in rule}
    return found


@app.callback()
def drill(
    alerts: Annotated[list[str] | None, typer.Argument(help="Alerts to provoke; all when left out.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help=f"Divide every duration by {FAST_FACTOR:.0f}.")] = False,
    factor: Annotated[float | None, typer.Option(min=1, help="Divide every duration by this instead.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the drill's data and logs in var/drill.")] = False,
    without: Annotated[str, typer.Option(help="Components to leave out, separated by commas.")] = "",
    list_only: Annotated[
        bool, typer.Option("--list", help="List alerts, their scenario, and what is not provoked.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a drill in an environment of its own. Exits 1 when an alert failed, 2 on a name that is none."""
    known = severities(checkout())
    try:
        scenarios = chosen(alerts or [], known, NOT_PROVOKED)
    except UnknownAlert as error:
        err.print(f"[red]{error}[/]")
        raise typer.Exit(2) from None
    if list_only:
        _list(known)
        return
    divisor = factor or (FAST_FACTOR if fast else 1.0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the drill's stack must not outlive the drill
    begun = time.time()
    with open_channels() as channels:
        arena = arenas.prepare(channels.environment, divisor, without)
        try:
            with Board(err) as board:
                board.say(f"drill stack on ports +{arenas.OFFSET}, durations divided by {divisor:g}")
                arenas.start(arena, board)
            scene = Scene(arena, channels.inbox, divisor, channels.refuse)
            with _Progress() as progress:
                courses = run(scene, scenarios, known, progress.show)
        except StackError as error:
            err.print(f"[red]✘ {error}[/]\n  {error.hint or ''}", soft_wrap=True)
            raise typer.Exit(1) from None
        finally:
            arenas.end(arena, keep=keep)
    _finish(courses, known if not alerts else {}, time.time() - begun, as_json=as_json)


class _Progress:
    """A live table on a terminal, a line a step elsewhere."""

    def __init__(self) -> None:
        self._live = Live(console=err, refresh_per_second=4, transient=True) if err.is_terminal else None
        self._last = ""

    def __enter__(self) -> "_Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, courses: Sequence[Course], text: str) -> None:
        """What is going on; of a wave that is over, what came of each alert."""
        if text.startswith(DONE):
            for course in courses:
                err.print(f"  {'[green]✔' if course.passed else '[red]✘'} {course.alert}[/] {course.fault}")
        elif self._live:
            self._live.update(table(courses, text))
        elif (step := text.split(",", maxsplit=1)[0]) != self._last:
            self._last = step
            err.print(text)


def table(courses: Sequence[Course], title: str) -> Table:
    """Courses as a table."""
    made = Table(title=title, title_justify="left", box=None, padding=(0, 1))
    for name in ("", "alert", "pending", "firing", "notified", "channels", "resolved", "told", ""):
        made.add_column(
            name, justify="right" if name in ("pending", "firing", "notified", "resolved", "told") else "left"
        )
    for course in courses:
        row = course.row()
        mark = Text("✔", "green") if course.passed else Text("✘", "red") if course.fault else Text("…", "yellow")
        seconds = [_seconds(row[key]) for key in ("pending_s", "detected_s", "notified_s")]
        ends = [_seconds(row[key]) for key in ("resolved_s", "told_s")]
        where = "hidden by another" if course.hidden else ", ".join(sorted(course.notified))
        made.add_row(mark, course.alert, *seconds, where, *ends, Text(course.fault, "red"))
    return made


def _seconds(value: object) -> str:
    return f"{value:.1f} s" if isinstance(value, float) else ""


def _list(known: dict[str, str]) -> None:
    made = Table("alert", "severity", "provoked by", box=None)
    provoked = {name: item for item in chosen([], known, {}) for name in (*item.alerts, *item.hidden)}
    for name, severity in sorted(known.items()):
        by = provoked[name].what if name in provoked else f"[dim]not: {NOT_PROVOKED.get(name, 'promtool test only')}[/]"
        made.add_row(name, severity, by)
    Console(highlight=False).print(made)


def _finish(courses: Sequence[Course], known: dict[str, str], seconds: float, *, as_json: bool) -> None:
    out = Console(highlight=False)
    left = sorted(set(known) - {course.alert for course in courses})
    failed = [course for course in courses if not course.passed]
    if as_json:
        rows = [course.row() for course in courses]
        reasons = {name: NOT_PROVOKED.get(name, "promtool test only") for name in left}
        out.print_json(json.dumps({"seconds": round(seconds), "alerts": rows, "not_provoked": reasons}))
    else:
        out.print(
            table(courses, f"Drill: {len(courses) - len(failed)} of {len(courses)} passed in {seconds / 60:.1f} min")
        )
        for name in left:
            out.print(f"[dim]  not provoked: {name}: {NOT_PROVOKED.get(name, 'its promtool test stands for it')}[/]")
    raise typer.Exit(1 if failed else 0)
