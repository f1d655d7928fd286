"""How the command line shows things: progress while components start, tables of status and addresses."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pytake.stack.components import BY_NAME, COMPONENTS, Component
from pytake.stack.layout import Stack
from pytake.stack.native import addresses
from pytake.stack.status import Status

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class Board:
    """Live table of components on a terminal; plain lines where there is none."""

    def __init__(self, console: Console = err) -> None:
        self.console = console
        self.states: dict[str, str] = {}
        self._begun = time.monotonic()
        self._live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None

    def __enter__(self) -> "Board":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        """A step of the preparation."""
        self.console.print(f"[dim]{text}[/]")

    def update(self, component: str, state: str) -> None:
        """What a component is doing now."""
        if self.states.get(component) == state:
            return
        self.states[component] = state
        if self._live:
            self._live.update(self._table())
        elif state in {"starts", "ready"}:
            self.console.print(f"{time.monotonic() - self._begun:6.1f} s  {component:<18} {state}")

    def _table(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 1))
        for name, state in self.states.items():
            mark, style = ("✔", "green") if state == "ready" else ("…", "yellow")
            table.add_row(Text(mark, style), name, Text(state[:90], "dim" if state == "ready" else ""))
        return table


def size(value: int | None) -> str:
    """Bytes for people, in MB."""
    return "" if value is None else f"{value / 1e6:.0f} MB"


def ago(since: int | None, now: float | None = None) -> str:
    """How long ago a Unix time was."""
    if not since:
        return ""
    seconds = int(max(0, (now or time.time()) - since))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def status_table(status: Status) -> Table:
    """One row a component."""
    table = Table(title=f"PyTake, environment {status.environment}", title_justify="left", box=None, padding=(0, 1))
    for heading, justify in (
        ("", "left"),
        ("component", "left"),
        ("state", "left"),
        ("for", "right"),
        ("pid", "right"),
        ("memory", "right"),
        ("port", "right"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # literal strings lost in the tuple
    for row in status.components:
        good = row.problem is None
        table.add_row(
            Text("✔" if good else "✘", "green" if good else "red"),
            row.name,
            "ready" if good else Text(row.problem or "", "red"),
            ago(row.since), str(row.pid or ""), size(row.rss), str(row.port),
        )  # fmt: skip
    return table


def print_status(status: Status, console: Console = out) -> None:
    """The table, Prometheus' targets in one line, then everything that is not well."""
    if status.components:
        console.print(status_table(status))
    if status.targets:
        up = sum(target.health == "up" for target in status.targets)
        console.print(f"\n{up} of {len(status.targets)} Prometheus targets are up")
    for problem in status.problems:
        console.print(Text(f"✘ {problem}", "red"), soft_wrap=True)
    if status.well:
        console.print("[green]✔ everything is well[/]")


def pages(stack: Stack, names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Title, address and remark of every page that a person opens."""
    rows = [
        (component.title, f"{_address(stack, component)}{component.page}", _remark(stack, component.name))
        for component in COMPONENTS
        if component.page and component.name in names
    ]
    if "pytake-api" in names:
        api = addresses(stack)["PYTAKE_API_URL"]
        rows += [
            ("Health of the backend", f"{api}/observability/health", ""),
            ("Metrics of the backend", f"{api}/metrics", ""),
        ]
    return rows


def _address(stack: Stack, component: Component) -> str:
    known: Mapping[str, str] = addresses(stack)
    return known.get(
        f"PYTAKE_{component.name.removeprefix('pytake-').upper()}_URL", f"http://127.0.0.1:{component.port(stack)}"
    )


def _remark(stack: Stack, name: str) -> str:
    if name == "grafana":
        user = stack.env.get("GF_SECURITY_ADMIN_USER", "admin")
        default = stack.env.get("GF_SECURITY_ADMIN_PASSWORD", "admin123") == "admin123"
        return f"login {user} / admin123 until you change it" if default else f"login {user}, password in .env"
    return "keys in .env: PYTAKE_ADMIN_API_KEY, ..." if name == "pytake-api" else ""


def print_urls(stack: Stack, names: Sequence[str], console: Console = out) -> None:
    """Addresses of pages, then ports of the rest; one line each, never shortened."""
    console.print("\n[bold]Addresses[/]")
    for title, url, remark in pages(stack, names):
        console.print(
            Text.assemble(f"  {title:<26}", (url, "cyan"), ("  " + remark if remark else "", "dim")), soft_wrap=True
        )
    for name in names:
        component = BY_NAME[name]
        if not component.page:
            ports = ", ".join(f"127.0.0.1:{stack.port(port)} ({what})" for what, port in component.ports.items())
            console.print(f"  {component.title:<26}{ports}", soft_wrap=True)
    console.print()
