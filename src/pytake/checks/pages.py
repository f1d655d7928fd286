"""Dashboards as a browser shows them: opened, scrolled, every panel waited for, looked at, and pictured.

Needs Chromium and playwright (a tool of development); the panels' states are read from the embedded Grafana's pages.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytake.checks.grafana import GrafanaError

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
WIDE, PHONE = (1600, 1000), (390, 844)
SETTLE_SECONDS = 90.0
STEP = 700
_STATES = """() => [...document.querySelectorAll("section")].map((panel) => ({
  title: (panel.querySelector("h1, h2, h3, h4, h5, h6")?.innerText ?? "").trim(),
  empty: panel.querySelector("[data-testid=panel-empty]")?.innerText ?? "",
  error: panel.querySelector("[data-testid=panel-error]")?.innerText ?? "",
  loading: panel.querySelector("[aria-label='Panel loading bar']") !== null,
  // rows of a table that is out of view are skipped by the browser and have no innerText
  drawn: panel.querySelector("canvas, [role=gridcell]") !== null
    || panel.innerText.trim() !== (panel.querySelector("h1, h2, h3, h4, h5, h6")?.innerText ?? "").trim(),
}))"""


@dataclass(frozen=True)
class Shown:
    """What one panel showed: words of its emptiness or of its error, if any."""

    title: str
    empty: str = ""
    error: str = ""

    def __str__(self) -> str:
        return f"{self.title}: {self.error or self.empty or 'drawn'}"


class NotSettled(AssertionError):  # noqa: N818 (what a page is)
    """Panels that neither show anything nor say why."""


class NoBrowser(RuntimeError):  # noqa: N818 (a state of the machine, not a mistake)
    """There is no playwright or no Chromium here; the message says what to install."""


@contextmanager
def visitor(
    url: str, user: str, password: str, *, theme: str = "dark", size: tuple[int, int] = WIDE
) -> Iterator["BrowserContext"]:
    """A browser of somebody who is logged in; raises :class:`NoBrowser`, :class:`GrafanaError`."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 (the stack runs without it)
    except ImportError as error:
        raise NoBrowser("playwright is not installed; `make setup` installs the tools of development") from error
    if not Path(CHROMIUM).exists():
        raise NoBrowser(f"there is no Chromium at {CHROMIUM}; `pytake packages --tests` installs it")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            viewport: Any = {"width": size[0], "height": size[1]}
            scheme: Any = theme
            context = browser.new_context(base_url=url, viewport=viewport, color_scheme=scheme)
            context.set_default_timeout(SETTLE_SECONDS * 1000)
            context.add_init_script(f"localStorage.setItem('pytake.theme', '{theme}')")
            answer = context.request.post("/login", data={"user": user, "password": password}, headers={"origin": url})
            if not answer.ok:
                raise GrafanaError(f"Grafana at {url} refuses the login of {user}: {answer.status}")
            yield context
        finally:
            browser.close()


def open_dashboard(page: "Page", uid: str) -> None:
    """Open a dashboard and scroll to its end, so that every panel is asked for."""
    page.goto(f"/d/{uid}/x?refresh=1h")  # a refresh in between would ask everything anew
    page.wait_for_selector("section")
    height, at = 1, 0
    while at < height:
        page.evaluate(f"window.scrollTo(0, {at})")
        page.wait_for_timeout(120)  # a frame or two, so that what is in view begins to load
        height = page.evaluate("document.documentElement.scrollHeight")
        at += STEP


def settle(page: "Page", seconds: float = SETTLE_SECONDS) -> None:
    """Wait until every panel shows something and none loads; raises :class:`NotSettled`, which names the others."""
    deadline, turn = time.monotonic() + seconds, 0
    while True:
        states = page.evaluate(_STATES)
        places = [place for place, one in enumerate(states) if one["loading"] or not one["drawn"]]
        if not places:
            return
        # A panel asks for its data once it has been seen, which a slow browser notices late: look at it again.
        page.evaluate(f"document.querySelectorAll('section')[{places[turn % len(places)]}]?.scrollIntoView()")
        turn += 1
        waiting = [states[place]["title"] for place in places]
        if time.monotonic() >= deadline:
            raise NotSettled(f"{page.url}: after {seconds:.0f} s these panels are still loading: {', '.join(waiting)}")
        page.wait_for_timeout(200)


def shown(page: "Page") -> list[Shown]:
    """The panels of a page that has settled."""
    return [Shown(one["title"], one["empty"], one["error"]) for one in page.evaluate(_STATES)]


def look(context: "BrowserContext", uid: str, picture: Path | None = None) -> list[Shown]:
    """Open one dashboard, wait for all of its panels, keep a picture of the whole page."""
    page = context.new_page()
    try:
        open_dashboard(page, uid)
        settle(page)
        found = shown(page)
        if picture:
            picture.parent.mkdir(parents=True, exist_ok=True)
            page.evaluate("window.scrollTo(0, 0)")
            page.screenshot(path=picture, full_page=True)
        return found
    finally:
        page.close()
