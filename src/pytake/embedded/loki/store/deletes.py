"""Delete requests: recorded in the manifest, hidden from queries at once, carried out after the time to cancel."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pytake.embedded.loki import logql
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.logql.ast import LineFilter, LineOp
from pytake.embedded.loki.rowsource import StreamMatcher
from pytake.embedded.loki.store.fields import literal
from pytake.embedded.loki.store.manifest import Transaction
from pytake.embedded.loki.store.source import Hidden
from pytake.embedded.loki.store.store import Store


@dataclass(slots=True)
class DeleteRequest:
    """One request; times in nanoseconds."""

    request_id: str
    tenant: str
    query: str
    start: int
    end: int
    created: int
    status: str = "received"


def _line_condition(stage: LineFilter) -> str:
    tests = []
    for item in stage.alternatives:
        if item.ip or stage.op in (LineOp.PATTERN, LineOp.NOT_PATTERN):
            raise RequestError(400, "delete requests support |=, !=, |~ and !~ line filters only")
        if stage.op in (LineOp.CONTAINS, LineOp.NOT_CONTAINS):
            tests.append(f"contains(line, {literal(item.value)})")
        else:
            tests.append(f"regexp_matches(line, {literal(item.value)})")
    joined = "(" + " OR ".join(tests) + ")"
    return f"NOT {joined}" if stage.op.negative else joined


def _parse(query: str) -> tuple[list[StreamMatcher], list[str]]:
    try:
        expr = logql.parse(query)
    except logql.LogQLError as error:
        raise RequestError(400, str(error)) from error
    if not isinstance(expr, logql.LogQuery):
        raise RequestError(400, "delete requests take a log query, not a metric query")
    lines = []
    for stage in expr.stages:
        if not isinstance(stage, LineFilter):
            raise RequestError(
                400, f"delete requests support selectors and line filters only, not {type(stage).__name__}"
            )
        lines.append(_line_condition(stage))
    return [StreamMatcher(item.name, str(item.op), item.value) for item in expr.matchers], lines


class Deletes:
    """All tenants' delete requests."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._requests = [DeleteRequest(**item) for item in store.manifest.deletes]

    def _save(self) -> None:
        with self._store.commit_lock:
            self._store.manifest.commit(Transaction(deletes=[asdict(item) for item in self._requests]))

    def add(self, tenant: str, query: str, start: int, end: int) -> DeleteRequest:
        """Record a request; raises 400 where the query cannot be used for it."""
        _parse(query)
        if end < start:
            raise RequestError(400, "start time can't be greater than end time")
        request = DeleteRequest(secrets.token_hex(4), tenant, query, start, end, time.time_ns())
        self._requests.append(request)
        self._save()
        return request

    def listing(self, tenant: str) -> list[dict[str, Any]]:
        """A tenant's requests as the API shows them."""
        return [
            {
                "request_id": item.request_id,
                "start_time": item.start / 1e9,
                "end_time": item.end / 1e9,
                "query": item.query,
                "status": item.status,
                "created_at": item.created / 1e9,
            }
            for item in self._requests
            if item.tenant == tenant
        ]

    def cancel(self, tenant: str, request_id: str, *, force: bool) -> None:
        """Cancel a request that was not carried out yet; raises 404 or 400."""
        for item in self._requests:
            if item.tenant == tenant and item.request_id == request_id:
                if item.status == "processed" and not force:
                    raise RequestError(
                        400, "deletion of request which is in process or already processed is not allowed"
                    )
                self._requests.remove(item)
                self._save()
                return
        raise RequestError(404, "could not find delete request with given id")

    def _condition(self, item: DeleteRequest) -> str:
        matchers, lines = _parse(item.query)
        sids = [stream.sid for stream in self._store.streams.select(item.tenant, matchers)]
        listed = ", ".join(map(str, sids or [-1]))
        return " AND ".join([f"sid IN ({listed})", f"ts BETWEEN {item.start} AND {item.end}", *lines])

    def hidden(self, tenants: Sequence[str]) -> list[Hidden]:
        """What queries must not show: requests that are recorded and not carried out."""
        return [
            Hidden(item.tenant, self._condition(item))
            for item in self._requests
            if item.tenant in tenants and item.status == "received"
        ]

    def due(self, now: int) -> list[tuple[DeleteRequest, str]]:
        """Requests to carry out now, with their SQL condition."""
        wait = int(self._store.settings.delete_cancel_period * 1e9)
        return [
            (item, self._condition(item))
            for item in self._requests
            if item.status == "received" and item.created + wait <= now
        ]

    def finish(self, request: DeleteRequest) -> None:
        """Mark a request as carried out."""
        request.status = "processed"
        self._save()
