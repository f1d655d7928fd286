"""``/render/d/:uid/:slug`` and ``/render/d-solo/:uid/:slug?panelId=``: pictures of dashboards and panels."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from pytake.embedded.grafana.api.dashboards import json_of
from pytake.embedded.grafana.api.preferences import effective
from pytake.embedded.grafana.errors import ApiError, not_found
from pytake.embedded.grafana.identity import Principal
from pytake.embedded.grafana.render import Picture
from pytake.embedded.grafana.server import Server

OURS = (
    "width",
    "height",
    "scale",
    "timeout",
    "panelId",
    "viewPanel",
    "kiosk",
    "refresh",
    "theme",
    "encoding",
)
"""Parameters that are the picture's, or set by us; all others (from, to, tz, var-…) are the page's."""


async def dashboard(server: Server, request: Request, who: Principal) -> Response:
    """The whole dashboard; ``height=-1``: as high as it is."""
    return await _render(server, request, who, "")


async def panel(server: Server, request: Request, who: Principal) -> Response:
    """One panel."""
    number = request.query_params.get("panelId", "").removeprefix("panel-")
    if not number.isdigit():
        raise ApiError(400, "panelId=<number of the panel> is needed")
    return await _render(server, request, who, number)


async def _render(server: Server, request: Request, who: Principal, number: str) -> Response:
    uid, params = request.path_params["uid"], request.query_params
    board = json_of(server, uid)
    if board is None:
        raise not_found("Dashboard")
    known = list(_numbers(board.get("panels") or []))
    if number and int(number) not in known and None not in known:
        raise not_found(f"Panel {number}")
    theme = params.get("theme") or effective(server, who).get("theme") or "dark"
    passed = [(name, value) for name, value in params.multi_items() if name not in OURS]
    ours = {"theme": theme, "kiosk": "true", "refresh": "", **({"viewPanel": f"panel-{number}"} if number else {})}
    host, port = request.scope["server"]
    address = f"[{host}]" if ":" in host else host
    height = _number(params.get("height"), 500, -1, 8000)
    zone = params.get("tz") or params.get("timezone")
    with server.identity.render_key(who) as key:
        content = await server.renderer.draw(
            Picture(
                url=f"http://{address}:{port}/d/{uid}/render?{urlencode([*passed, *ours.items()])}",
                key=key,
                width=int(_number(params.get("width"), 1000, 100, 4000)),
                height=None if height < 0 else max(100, int(height)),
                scale=_number(params.get("scale"), 1, 0.5, 4),
                timeout=_number(params.get("timeout"), 60, 1, 120),
                dark=theme != "light",
                panel=bool(number),
                timezone={"utc": "UTC", "UTC": "UTC", "browser": None}.get(zone, zone) if zone else None,
            )
        )
    return Response(content, media_type="image/png", headers={"cache-control": "private, no-store"})


def _numbers(panels: list[Any]) -> Iterator[int | None]:
    """Numbers of panels, those inside rows too; None for a panel that the page will number."""
    for item in panels:
        if isinstance(item, dict):
            yield item.get("id")
            yield from _numbers(item.get("panels") or [])


def _number(text: str | None, default: float, least: float, most: float) -> float:
    """A parameter within its limits; 400 on what is no number."""
    try:
        return min(max(float(text or default), least), most)
    except ValueError:
        raise ApiError(400, f"{text!r} is no number: width, height, scale and timeout are") from None
