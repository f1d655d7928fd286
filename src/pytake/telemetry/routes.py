"""The route template of a request: what the ``endpoint`` label holds, whatever the path carried."""

from collections.abc import Mapping, MutableMapping
from typing import Any

UNMATCHED = "unmatched"


def route_template(scope: MutableMapping[str, Any], root_path: str, status: int) -> str:
    """Return the template of the route that answered, ``unmatched`` when none did.

    ``root_path`` is the scope's before routing; a mount adds to it. FastAPI keeps the full path of a route from an
    included router beside the route, whose own path lacks the router's prefix.
    """
    route = scope.get("route")
    included = scope.get("fastapi")
    context = included.get("effective_route_context") if included else None
    path = getattr(context, "path", None) if context is not None else getattr(route, "path", None)
    mount = scope.get("root_path", "")[len(root_path) :]
    if path is None:
        if status == 404 or scope.get("endpoint") is None:
            return UNMATCHED
        return f"{_template(mount, scope.get('path_params'))}/*" if mount else str(scope["path"])
    return f"{_template(mount, scope.get('path_params'))}{path}" if mount else str(path)


def _template(mount: str, params: Mapping[str, Any] | None) -> str:
    if not params:
        return mount
    names = {str(value): name for name, value in params.items()}
    return "/".join(f"{{{names[part]}}}" if part in names else part for part in mount.split("/"))
