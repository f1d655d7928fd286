"""Pictures of dashboards: one headless Chromium draws the pages of this very server.

The browser logs in with a render key: it is made for one picture, reads only, and dies with it. Passwords and sessions
of the asking person never reach the browser, and the browser reaches no other server.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytake.embedded.grafana.errors import ApiError
from pytake.embedded.grafana.identity import RENDER_COOKIE
from pytake.embedded.grafana.settings import GrafanaSettings

if TYPE_CHECKING:
    from playwright.async_api import Browser, FloatRect, Page, Playwright, Route

log = logging.getLogger("grafana.render")
QUIET_SECONDS = 0.4
"""A page is drawn when it asked for nothing so long."""
IDLE_SECONDS = 300.0
WAITING = 20
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
INSTALL = (
    "Pictures need playwright and Chromium: pip install 'pytake[render]', then install Chromium "
    "(Debian: apt install chromium; elsewhere: playwright install --only-shell chromium) "
    "or name one by GF_RENDERING_CHROMIUM_PATH."
)
_DRAWN = "() => document.querySelector('section, [role=alert]') !== null"
_IDLE = "() => new Promise((done) => requestIdleCallback(() => requestAnimationFrame(() => requestIdleCallback(done))))"


@dataclass(frozen=True)
class Picture:
    """What to draw: an address of ours, its size in CSS pixels (height None: the whole page), seconds to wait."""

    url: str
    key: str
    width: int = 1000
    height: int | None = 500
    scale: float = 1.0
    timeout: float = 60.0
    dark: bool = True
    timezone: str | None = None
    panel: bool = False
    """Only the page's one panel, which fills the picture."""


@dataclass
class _Traffic:
    """Requests of one page that are under way."""

    open: int = 0
    changed: float = field(default_factory=time.monotonic)

    def began(self, _request: Any) -> None:
        self.open, self.changed = self.open + 1, time.monotonic()

    def ended(self, _request: Any) -> None:
        self.open, self.changed = self.open - 1, time.monotonic()

    async def settled(self, page: "Page") -> None:
        """Return when nothing is loading and the page's scripts have come to rest, however slow the machine is."""
        seen = -1.0
        while seen != self.changed:
            while self.open > 0 or time.monotonic() - self.changed < QUIET_SECONDS:  # noqa: ASYNC110 (callbacks change it)
                await asyncio.sleep(0.05)
            seen = self.changed
            await page.evaluate(_IDLE)


class Renderer:
    """Draws pictures, a few at a time; the browser starts with the first and ends when none was wanted for a while."""

    def __init__(self, settings: GrafanaSettings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.rendering_concurrent_render_request_limit)
        self._waiting = 0
        self._starting = asyncio.Lock()
        self._play: Playwright | None = None
        self._browser: Browser | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    async def draw(self, picture: Picture) -> bytes:
        """A PNG. 429 when too many wait, 503 without Chromium, 504 when the page was not drawn in time."""
        if self._waiting >= WAITING:
            raise ApiError(429, f"{WAITING} pictures are waiting already; try again in a moment")
        with self._counted():
            try:
                async with asyncio.timeout(picture.timeout), self._slots:
                    return await self._draw(await self._started(), picture)
            except TimeoutError:
                raise ApiError(504, f"the page was not drawn within {picture.timeout:g} s (timeout=)") from None

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self._waiting += 1
        if self._idle:
            self._idle.cancel()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end)

    def _end(self) -> None:
        self._ending = asyncio.create_task(self.close())

    async def _draw(self, browser: "Browser", picture: Picture) -> bytes:
        from playwright.async_api import Error  # noqa: PLC0415 (an extra: only those who draw pictures have it)

        origin = "{0.scheme}://{0.netloc}".format(urlsplit(picture.url))
        try:
            context = await browser.new_context(
                viewport={"width": picture.width, "height": picture.height or 1000},
                device_scale_factor=picture.scale,
                color_scheme="dark" if picture.dark else "light",
                reduced_motion="reduce",
                timezone_id=picture.timezone,
                service_workers="block",
            )
            try:
                cookie: Any = {"name": RENDER_COOKIE, "value": picture.key, "url": origin, "httpOnly": True}
                await context.add_cookies([cookie])
                page = await context.new_page()
                await page.route("**/*", lambda route: _within(route, origin))
                traffic = _Traffic()
                await self._drawn(page, picture.url, traffic)
                clip = await self._grown(page, picture, traffic) if picture.panel else None
                return await page.screenshot(
                    type="png", full_page=picture.height is None, animations="disabled", clip=clip
                )
            finally:
                await context.close()
        except Error as error:
            raise ApiError(500, f"Chromium could not draw the page: {error.message.splitlines()[0]}") from error

    @staticmethod
    async def _grown(page: "Page", picture: Picture, traffic: _Traffic) -> "FloatRect | None":
        """Widen the window until the panel has the picture's size; gives where the panel stands."""
        width, height = picture.width, picture.height or 500
        panel = page.locator("section").first
        box = await panel.bounding_box() if await panel.count() else None
        if box is None:
            return None  # an error fills the page instead
        spare = {"width": 2 * width - round(box["width"]), "height": max(height, 2 * height - round(box["height"]))}
        await page.set_viewport_size({"width": max(width, spare["width"]), "height": spare["height"]})
        traffic.changed = time.monotonic()
        await traffic.settled(page)
        box = await panel.bounding_box() or box
        return {"x": box["x"], "y": box["y"], "width": width, "height": height}

    @staticmethod
    async def _drawn(page: "Page", url: str, traffic: _Traffic) -> None:
        """Open ``url`` and return when nothing is loading any more."""
        page.on("request", traffic.began)
        page.on("requestfinished", traffic.ended)
        page.on("requestfailed", traffic.ended)
        await page.goto(url, wait_until="domcontentloaded", timeout=0)
        while not await page.evaluate(_DRAWN):  # noqa: ASYNC110 (the browser does not call back for this)
            await asyncio.sleep(0.05)
        await traffic.settled(page)

    async def _started(self) -> "Browser":
        async with self._starting:
            if self._browser and self._browser.is_connected():
                return self._browser
            await self._stop()
            try:
                from playwright.async_api import Error, async_playwright  # noqa: PLC0415 (an extra, as above)
            except ImportError:
                raise ApiError(503, INSTALL) from None
            self._play = await async_playwright().start()
            path = chromium(self._settings.rendering_chromium_path) or self._play.chromium.executable_path
            if not os.access(path, os.X_OK):
                await self._stop()
                raise ApiError(503, f"{INSTALL} There is none at {path}.")
            try:
                self._browser = await self._play.chromium.launch(
                    executable_path=path,
                    chromium_sandbox=os.geteuid() != 0,  # Chromium's own sandbox does not run as root
                    args=["--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"],
                )
            except Error as error:
                await self._stop()
                raise ApiError(503, f"Chromium at {path} does not start: {error.message.splitlines()[0]}") from error
            log.info("render_browser_started", extra={"path": path, "version": self._browser.version})
            return self._browser

    async def close(self) -> None:
        """End the browser; the next picture starts it again."""
        async with self._starting:
            await self._stop()

    async def _stop(self) -> None:
        browser, play, self._browser, self._play = self._browser, self._play, None, None
        if browser:
            await browser.close()
        if play:
            await play.stop()


async def _within(route: "Route", origin: str) -> None:
    """Nothing but our own server is asked."""
    if route.request.url.startswith((f"{origin}/", "data:", "blob:")):
        await route.continue_()
    else:
        await route.abort()


def chromium(configured: Path | None) -> str | None:
    """The configured browser, or the one that the machine has."""
    return str(configured) if configured else next(filter(None, map(shutil.which, NAMES)), None)
