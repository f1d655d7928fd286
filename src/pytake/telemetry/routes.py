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
    params = scope.get("path_params")
    if path is None:
        if status == 404 or scope.get("endpoint") is None:
            return UNMATCHED
        return f"{_template(mount, params)}/*" if mount else _template(scope["path"], params)
    return f"{_template(mount, params)}{path}" if mount else str(path)


def _template(path: str, params: Mapping[str, Any] | None) -> str:
    """Return ``path`` with the values that it was matched for replaced by their names."""
    if not params:
        return path
    names = {str(value): name for name, value in params.items()}
    for value, name in names.items():
        if "/" in value and path.endswith(value):  # a parameter that takes the rest of the path
            path = f"{path[: -len(value)]}{{{name}}}"
    return "/".join(f"{{{names[part]}}}" if part in names else part for part in path.split("/"))
