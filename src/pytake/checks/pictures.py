"""Pictures of the pages for the documentation: dark, light, and as wide as a phone; reduced to 256 colours."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from pytake.checks import pages

if TYPE_CHECKING:
    from playwright.sync_api import Page

LOOKS = (("dark", "dark", pages.WIDE), ("light", "light", pages.WIDE), ("phone", "dark", pages.PHONE))
"""Suffix of the file, theme, size."""
COLOURS = 256
PROMETHEUS = "sum%20by%20(endpoint)%20(rate(http_requests_total%7Bjob%3D%22pytake-api%22%7D%5B5m%5D))"
PAGES = {
    "explore-metrics": f"/explore?source=prometheus&query={PROMETHEUS}",
    "explore-logs": "/explore?source=loki&query=%7Bservice%3D%22pytake-worker%22%7D",
    "alerting": "/alerting",
}


def take(url: str, jaeger: str, login: tuple[str, str], uids: Sequence[str], folder: Path) -> Iterator[Path]:
    """Write the pictures, each path as it is written."""
    folder.mkdir(parents=True, exist_ok=True)
    trace = _trace(jaeger)
    jaegers = {"jaeger-search": "/search?service=pytake-worker", "jaeger-trace": f"/trace/{trace}"} if trace else {}
    for suffix, theme, size in LOOKS:
        with pages.visitor(url, *login, theme=theme, size=size) as context:
            page = context.new_page()
            for uid in uids:
                pages.open_dashboard(page, uid)
                pages.settle(page)
                page.evaluate("window.scrollTo(0, 0)")
                yield _shoot(page, folder / f"{uid}-{suffix}.png")
            for name, path in [*PAGES.items(), *((name, f"{jaeger}{path}") for name, path in jaegers.items())]:
                page.goto(path)
                page.wait_for_load_state("networkidle", timeout=15_000)
                page.wait_for_timeout(1500)  # charts draw a moment after their data came
                yield _shoot(page, folder / f"{name}-{suffix}.png")


def _trace(jaeger: str) -> str:
    """A trace with several services, the one with most spans among the newest."""
    try:
        answer = httpx.get(f"{jaeger}/api/traces", params={"service": "pytake-worker", "limit": "20"}, timeout=20)
        found = answer.json().get("data") or []
    except (httpx.HTTPError, ValueError):
        return ""
    return str(max(found, key=lambda trace: len(trace["spans"]))["traceID"]) if found else ""


def _shoot(page: "Page", path: Path) -> Path:
    page.screenshot(path=path)
    shrink(path)
    return path


def shrink(path: Path) -> None:
    """Fewer colours, a third of the bytes; left as it is where Pillow is not installed."""
    try:
        from PIL import Image  # noqa: PLC0415 (a tool of development)
    except ImportError:
        return
    with Image.open(path) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
