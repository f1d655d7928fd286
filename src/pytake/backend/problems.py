"""Errors as RFC 9457 problem documents, and how OpenAPI tells of them."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class ProblemDocument(BaseModel):
    """What went wrong, for programs (``type``) and for people (``detail``)."""

    type: str = Field("about:blank", description="Identifies the kind of problem; about:blank: see the status.")
    title: str
    status: int
    detail: str | None = None
    instance: str | None = Field(None, description="Path of the request.")
    errors: list[dict[str, Any]] | None = Field(None, description="Faults of single fields.")


class Problem(Exception):  # noqa: N818 (named after RFC 9457)
    """Raised to answer with a problem document."""

    def __init__(
        self, status: int, detail: str, *, kind: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = f"urn:pytake:problem:{kind}" if kind else "about:blank"
        self.headers = headers


def problem_response(
    request: Request,
    status: int,
    detail: str | None,
    *,
    kind: str = "about:blank",
    headers: dict[str, str] | None = None,
    errors: list[dict[str, Any]] | None = None,
) -> JSONResponse:
    """The answer for a problem."""
    document = ProblemDocument(
        type=kind,
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path[:500],
        errors=errors,
    )
    return JSONResponse(
        document.model_dump(exclude_none=True), status_code=status, headers=headers, media_type=MEDIA_TYPE
    )


def install_problems(app: FastAPI) -> None:
    """Make every error of the application a problem document."""

    async def on_problem(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return problem_response(request, error.status, error.detail, kind=error.kind, headers=error.headers)

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return problem_response(request, error.status_code, str(error.detail), headers=dict(error.headers or {}))

    async def on_invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        errors = [
            {"location": ".".join(str(part) for part in fault["loc"]), "message": fault["msg"]}
            for fault in error.errors()[:20]
        ]
        return problem_response(request, 422, "The request is not of the described form.", errors=errors)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)


_MEANINGS = {
    400: "The request is malformed",
    401: "No or a wrong API key",
    403: "The API key's role does not allow this",
    404: "There is no such thing",
    409: "Not possible in the present state",
    413: "The body is too large",
    415: "The body's content type is not supported",
    422: "The request is not of the described form",
    503: "A dependency is down: try again later",
}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI documentation of the problems that an operation answers with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {
        status: {"description": _MEANINGS.get(status, HTTPStatus(status).phrase), "content": content}
        for status in statuses
    }
