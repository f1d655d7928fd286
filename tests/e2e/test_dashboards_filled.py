"""Two minutes after a fresh deploy no panel is empty: asked through Grafana's API, and looked at in Chromium."""

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytake.checks import dashboards, pages, panels
from pytake.checks.grafana import Grafana
from pytake.embedded.grafana.app import STATIC
from tests.e2e.test_deploy import Deployed, free_offset
from tests.unit.stack.support import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
FILLED_SECONDS = 120.0
PICTURES = os.environ.get("PYTAKE_PICTURES", "")
BOARDS = {board["uid"]: board for board in dashboards.load(ROOT / "monitoring/grafana/dashboards").values()}
ALLOWED = panels.may_be_empty()
PASSWORD = "dashboards-are-looked-at"


@dataclass
class Fresh:
    """A stack that has just been deployed, and when that was."""

    url: str
    ready: float


@pytest.fixture(scope="module")
def fresh():
    root = Path(tempfile.mkdtemp(prefix="pytake-dashboards-"))
    root.chmod(0o755)
    shutil.copytree(ROOT / "monitoring", root / "monitoring", symlinks=True)
    (root / "requirements").symlink_to(ROOT / "requirements")
    stack = Deployed(root, free_offset(), {"GF_SECURITY_ADMIN_PASSWORD": PASSWORD})
    done = stack.run("deploy")
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        yield Fresh(f"http://127.0.0.1:{3000 + stack.offset}", time.monotonic())
    finally:
        stack.run("cleanup", "--yes")
        shutil.rmtree(root, ignore_errors=True)


def test_no_panel_is_empty_two_minutes_after_a_fresh_deploy(fresh):
    with Grafana(fresh.url, password=PASSWORD) as grafana:
        left = FILLED_SECONDS - (time.monotonic() - fresh.ready)
        walk = panels.until_filled(grafana, left, ALLOWED)
        print(f"filled {time.monotonic() - fresh.ready:.0f} s after the deploy")
    assert not walk.missing(ALLOWED), "\n".join(str(one) for one in walk.missing(ALLOWED))
    asked = {one.key for one in walk.seen}
    assert asked == {
        f"{uid} / {panel['title']}"
        for uid, board in BOARDS.items()
        for panel in dashboards.panels(board)
        if panel["type"] not in panels.QUIET
    }


@pytest.mark.skipif(not (STATIC / "index.html").exists(), reason="the pages are not built: `make web` builds them")
@pytest.mark.skipif(not Path(pages.CHROMIUM).exists(), reason="there is no Chromium here")
def test_every_panel_of_every_dashboard_is_drawn(fresh, tmp_path):
    folder = Path(PICTURES) if PICTURES else tmp_path
    wrong = []
    with pages.visitor(fresh.url, "admin", PASSWORD) as context:
        for uid, board in BOARDS.items():
            found = pages.look(context, uid, folder / f"{uid}.png")
            titles = [panel["title"] for panel in dashboards.panels(board)]
            assert sorted(one.title for one in found) == sorted(titles), f"{uid}: other panels than in its file"
            wrong += [
                f"{uid} / {one}" for one in found if one.error or (one.empty and f"{uid} / {one.title}" not in ALLOWED)
            ]
            assert (folder / f"{uid}.png").stat().st_size > 10_000
    assert not wrong, "\n".join(wrong)
