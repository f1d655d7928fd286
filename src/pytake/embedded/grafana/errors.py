"""Errors as Grafana's API words them: a status and a message."""


class ApiError(Exception):
    """An answer with ``{"message": …}`` and this status."""

    def __init__(self, status: int, message: str, /, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, object] = {"message": message, **more}


def not_found(what: str) -> ApiError:
    """404."""
    return ApiError(404, f"{what} not found")
