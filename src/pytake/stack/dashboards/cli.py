"""``pytake dashboards``: whether panels are filled, pictures of them, and edits made in a Grafana page brought back.

Grafana is at ``PYTAKE_GRAFANA_URL`` (this stack's own by default). ``GRAFANA_TOKEN`` is a service account's token; without
it ``GF_SECURITY_ADMIN_USER`` and ``GF_SECURITY_ADMIN_PASSWORD`` of the environment or of ``.env`` log in.

Exit codes: 0 well (nothing differs, nothing is empty), 1 something differs or is empty, 2 wrong usage, 3 Grafana cannot be
asked, or this machine has no browser.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pytake.checks import pages, panels
from pytake.checks import pictures as shots
from pytake.checks.grafana import URL, Grafana, GrafanaError
from pytake.stack.dashboards import edits
from pytake.stack.layout import Stack, checkout
from pytake.stack.show import err, out

BOARDS = Path("monitoring/grafana/dashboards")
COPY = " copy"
SHOWN = 60
app = typer.Typer(help="Dashboards: filled or not, pictures, edits brought back.", no_args_is_help=True)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Uids = Annotated[list[str] | None, typer.Argument(help="Dashboards by uid; all when left out.")]
As = Annotated[str, typer.Option("--as", help="Uid of the committed dashboard that a copy or file is an edit of.")]
File = Annotated[Path | None, typer.Option("--file", help="Read exported JSON instead of asking Grafana.", exists=True)]


def _settings() -> dict[str, str]:
    """The environment, with what ``.env`` says beside it."""
    return {**Stack.load().env, **os.environ}


@contextmanager
def _grafana() -> Iterator[Grafana]:
    env = _settings()
    try:
        with Grafana(
            env.get("PYTAKE_GRAFANA_URL", URL),
            token=env.get("GRAFANA_TOKEN", ""),
            user=env.get("GF_SECURITY_ADMIN_USER", "admin"),
            password=env.get("GF_SECURITY_ADMIN_PASSWORD", ""),
        ) as grafana:
            yield grafana
    except GrafanaError as error:
        _give_up(error, error.hint)


def _give_up(error: Exception, hint: str = "") -> None:
    err.print(f"[red]✘ {escape(str(error))}[/]", soft_wrap=True)
    if hint:
        err.print(f"  {escape(hint)}", soft_wrap=True)
    raise typer.Exit(3)


@app.command("check")
def check(
    uids: Uids = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for panels to fill.", min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Ask every query of every panel; the exit code is 1 when one is empty or fails and may not be."""
    allowed = panels.may_be_empty()
    with _grafana() as grafana:
        walk = panels.until_filled(grafana, wait, allowed, only=uids or ())
    missing = walk.missing(allowed)
    if as_json:
        out.print_json(json.dumps({"panels": len(walk.seen), "missing": [asdict(one) for one in missing]}))
    else:
        for one in missing:
            out.print(f"[red]✘[/] {escape(str(one))}", soft_wrap=True)
        out.print(f"{len(walk.seen) - len(missing)} of {len(walk.seen)} panels are filled, or may be empty")
    raise typer.Exit(1 if missing else 0)


def _committed(uid: str) -> dict[str, Any]:
    path = checkout() / BOARDS / f"{uid}.json"
    if not path.exists():
        err.print(f"[red]✘ {escape(str(path))} does not exist[/]; --as names the dashboard that this is an edit of")
        raise typer.Exit(2)
    model: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return model


def _edited(uids: list[str] | None, original: str, file: Path | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Edited models with the uid of the committed dashboard that each belongs to."""
    if file:
        model = json.loads(file.read_text(encoding="utf-8"))
        model = model.get("dashboard", model)
        yield original or str(model.get("uid")), model
        return
    titles = {json.loads(path.read_text())["title"]: path.stem for path in (checkout() / BOARDS).glob("*.json")}
    with _grafana() as grafana:
        for found in grafana.dashboards():
            uid, title = found["uid"], found["title"]
            own = titles.get(title.removesuffix(COPY).strip()) or (uid if uid in titles.values() else "")
            if uids is not None and uid not in uids and own not in uids:
                continue
            if own or (original and uids and uid in uids):
                yield (original if original and uids and uid in uids else own), grafana.dashboard(uid)


def _differences(
    uids: list[str] | None, original: str, file: Path | None
) -> Iterator[tuple[str, dict[str, Any], list[edits.Difference]]]:
    for uid, model in _edited(uids, original, file):
        before, after = edits.normal(_committed(uid)), edits.normal(model)
        if found := list(edits.differences(before, after)):
            yield uid, edits.patch(before, after), found


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


@app.command("diff")
def diff(uids: Uids = None, original: As = "", file: File = None, as_json: JsonOption = False) -> None:
    """Show what differs between the dashboards of Grafana and the committed ones; copies count by their title."""
    found = list(_differences(uids, original, file))
    if as_json:
        out.print_json(json.dumps([{"uid": uid, "differences": [asdict(d) for d in rows]} for uid, _, rows in found]))
    else:
        for uid, _, rows in found:
            out.print(f"[bold]{uid}[/]")
            for one in rows:
                said = f"  {one.path}: {_short(one.committed)} → {_short(one.edited)}"
                out.print(escape(said), soft_wrap=True)
        if not found:
            out.print("nothing differs")
    raise typer.Exit(1 if found else 0)


@app.command("pull")
def pull(uids: Uids = None, original: As = "", file: File = None, as_json: JsonOption = False) -> None:
    """Bring edits back: into the committed JSON, and as a patch that `make generate` lays over what the builder makes."""
    root, done = checkout(), []
    for uid, change, rows in _differences(uids, original, file):
        whole = edits.compose(edits.load(uid, root / edits.FOLDER), change)
        path = edits.save(uid, whole, root / edits.FOLDER)
        board = root / BOARDS / f"{uid}.json"
        text = json.dumps(edits.apply(_committed(uid), change), indent=2, sort_keys=True, ensure_ascii=False)
        board.write_text(text + "\n", encoding="utf-8")
        done.append({"uid": uid, "written": [str(board), str(path)], "differences": [asdict(one) for one in rows]})
        if not as_json:
            out.print(f"[green]✔[/] {uid}: {len(rows)} differences are in {BOARDS}/{uid}.json", soft_wrap=True)
            out.print(
                f"  and in {edits.FOLDER}/{uid}.json, from where `make generate` takes them. Commit both; or say the same in "
                "the builder (src/pytake/stack/dashboards/), delete the patch, and run `make generate`.",
                soft_wrap=True,
            )
    if as_json:
        out.print_json(json.dumps(done))
    elif not done:
        out.print("nothing differs")


@app.command("screenshots")
def screenshots(
    to: Annotated[Path, typer.Option(help="Folder of the pictures.")] = Path("docs/img"),
    whole: Annotated[bool, typer.Option("--whole", help="Whole dashboards in dark only, however long.")] = False,
) -> None:
    """Picture every dashboard, Explore, Alerting and Jaeger: dark, light, and as wide as a phone."""
    env = _settings()
    url, jaeger = env.get("PYTAKE_GRAFANA_URL", URL), env.get("PYTAKE_JAEGER_URL", "http://127.0.0.1:16686")
    login = (env.get("GF_SECURITY_ADMIN_USER", "admin"), env.get("GF_SECURITY_ADMIN_PASSWORD", ""))
    uids = [path.stem for path in sorted((checkout() / BOARDS).glob("*.json"))]
    try:
        if whole:
            with pages.visitor(url, *login) as context:
                for uid in uids:
                    pages.look(context, uid, to / f"{uid}.png")
                    out.print(f"{to}/{uid}.png")
            return
        for path in shots.take(url, jaeger, login, uids, to):
            out.print(str(path))
    except GrafanaError as error:
        _give_up(error, error.hint)
    except pages.NoBrowser as error:
        _give_up(error)
    except pages.NotSettled as error:
        err.print(f"[red]✘ {escape(str(error))}[/]", soft_wrap=True)
        raise typer.Exit(1) from None
