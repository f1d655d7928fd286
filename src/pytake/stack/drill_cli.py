"""``pytake drill``: provoke alerts by real faults and prove that they fire, arrive and resolve."""

import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pytake.stack.drill import arena as arenas
from pytake.stack.drill import rules, scenarios  # noqa: F401 (importing scenarios registers them)
from pytake.stack.drill.channels import open_channels
from pytake.stack.drill.not_provoked import NOT_PROVOKED
from pytake.stack.drill.run import UnknownAlert, chosen, run
from pytake.stack.drill.scenario import Scenario
from pytake.stack.drill.scene import Scene
from pytake.stack.drill.watch import Course, Role
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


@app.callback()
def drill(
    alerts: Annotated[list[str] | None, typer.Argument(help="Alerts to provoke; all when left out.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help=f"Divide every duration by {FAST_FACTOR:.0f}.")] = False,
    factor: Annotated[float | None, typer.Option(min=1, help="Divide every duration by this instead.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the drill's data and logs in var/drill.")] = False,
    without: Annotated[str, typer.Option(help="Components to leave out, separated by commas.")] = "",
    offset: Annotated[
        int, typer.Option("--port-offset", min=0, max=16_000, help="Ports of the drill's stack are so much higher.")
    ] = arenas.OFFSET,
    list_only: Annotated[
        bool, typer.Option("--list", help="List alerts, their scenario, and what is not provoked.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a drill in an environment of its own. Exits 1 when an alert failed, 2 on a name that is none."""
    known = rules.alerts(checkout())
    try:
        wanted = chosen(alerts or [], known, NOT_PROVOKED)
    except UnknownAlert as error:
        err.print(f"[red]{error}[/]")
        raise typer.Exit(2) from None
    if list_only:
        _list(known)
        return
    reasons = {item.name: reason for item in wanted if (reason := item.needs())}
    divisor = factor or (FAST_FACTOR if fast else 1.0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the drill's stack must not outlive the drill
    begun = time.time()
    with arenas.alone(), open_channels() as channels:
        arena = arenas.prepare(channels.environment, divisor, without, offset)
        try:
            with Board(err) as board:
                board.say(f"drill stack on ports +{offset}, durations divided by {divisor:g}")
                arenas.start(arena, board)
            scene = Scene(arena, channels.inbox, divisor, channels.refuse)
            with _Progress() as progress:
                courses = run(scene, [item for item in wanted if item.name not in reasons], known, progress.show)
        except StackError as error:
            err.print(f"[red]✘ {error}[/]\n  {error.hint or ''}", soft_wrap=True)
            raise typer.Exit(1) from None
        finally:
            arenas.end(arena, keep=keep)
    left = {} if alerts else {name: f"{item.reason}; {item.test} stands for it" for name, item in NOT_PROVOKED.items()}
    left |= {name: reasons[item.name] for item in wanted if item.name in reasons for name in item.alerts}
    _finish(courses, left, time.time() - begun, as_json=as_json)


class _Progress:
    """A live table on a terminal; elsewhere a line for every fault and every alert that is done."""

    def __init__(self) -> None:
        self._live = Live(console=err, refresh_per_second=2, transient=True) if err.is_terminal else None
        self._said: set[tuple[str, str]] = set()
        self._last = ""

    def __enter__(self) -> "_Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, courses: Sequence[Course], text: str) -> None:
        """What is going on, and each alert that is done."""
        for course in courses:
            if course.done and (key := (course.scenario, course.alert)) not in self._said:
                self._said.add(key)
                err.print(
                    f"  {'[green]✔' if course.passed else '[red]✘'} {course.alert}[/] {_words(course)}", soft_wrap=True
                )
        if self._live:
            self._live.update(table([c for c in courses if c.injected and not c.done], text))
        elif text != self._last:
            self._last = text
            err.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {text}", soft_wrap=True)


def _words(course: Course) -> str:
    row = course.row()
    arrived = "hidden by another" if course.role is Role.HIDDEN else f"arrived after {row['notified_s']} s"
    over = row["told_s"] if course.told else row["resolved_s"]
    return course.fault or f"fired after {row['detected_s']} s, {arrived}, over {over} s after the fault"


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
        where = "hidden by another" if course.role is Role.HIDDEN else ", ".join(sorted(course.notified))
        made.add_row(mark, course.alert, *seconds, where, *ends, Text(course.fault, "red"))
    return made


def _seconds(value: object) -> str:
    return f"{value:.1f} s" if isinstance(value, float) else ""


def _list(known: Mapping[str, Mapping[str, str]]) -> None:
    made = Table("alert", "severity", "provoked by", box=None)
    for name, labels in sorted(known.items()):
        made.add_row(name, labels["severity"], _how(name))
    Console(highlight=False).print(made)


def _how(name: str) -> str:
    if item := NOT_PROVOKED.get(name):
        return f"[dim]not: {item.reason} ({item.test})[/]"
    found: Scenario = chosen([name], {name: {}}, {})[0]
    reason = found.needs()
    return found.what + (f" [yellow](not on this host: {reason})[/]" if reason else "")


def _finish(courses: Sequence[Course], left: Mapping[str, str], seconds: float, *, as_json: bool) -> None:
    out = Console(highlight=False)
    failed = [course for course in courses if not course.passed]
    if as_json:
        result = {"seconds": round(seconds), "alerts": [course.row() for course in courses], "not_provoked": left}
        out.print_json(json.dumps(result))
    else:
        passed = len(courses) - len(failed)
        out.print(table(courses, f"Drill: {passed} of {len(courses)} passed in {seconds / 60:.1f} min"))
        for name, reason in sorted(left.items()):
            out.print(f"[dim]  not provoked: {name}: it {reason}[/]")
    if failed:
        err.print(
            f"[red]✘ failed: {', '.join(f'{course.alert} ({course.fault})' for course in failed)}[/]", soft_wrap=True
        )
    raise typer.Exit(1 if failed else 0)
