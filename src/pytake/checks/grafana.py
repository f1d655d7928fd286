"""A small client of Grafana's HTTP API, of the real one and the embedded one alike: dashboards, sources, queries."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

URL = "http://127.0.0.1:3000"
TIMEOUT_SECONDS = 30.0


class GrafanaError(RuntimeError):
    """Grafana refused or does not answer: says where, what it said, and what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Grafana:
    """One Grafana. ``token`` is a service account's; without it ``user`` and ``password`` are sent."""

    def __init__(self, url: str = URL, *, token: str = "", user: str = "admin", password: str = "") -> None:
        self.url = url.rstrip("/")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        auth = None if token else httpx.BasicAuth(user, password)
        self._client = httpx.Client(
            base_url=self.url, headers=headers, auth=auth, timeout=TIMEOUT_SECONDS, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of one request; raises :class:`GrafanaError`."""
        try:
            answer = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise GrafanaError(
                f"Grafana at {self.url} does not answer: {type(error).__name__} {error}".rstrip(),
                "`status` says whether it runs; PYTAKE_GRAFANA_URL names another one",
            ) from error
        if answer.status_code in (401, 403):
            raise GrafanaError(
                f"Grafana at {self.url} refuses {method} {path}: {_words(answer)}",
                "set GRAFANA_TOKEN to a service account's token, or GF_SECURITY_ADMIN_USER and "
                "GF_SECURITY_ADMIN_PASSWORD, in the environment or in .env",
            )
        if answer.status_code >= 400:
            raise GrafanaError(f"Grafana at {self.url}, {method} {path}: {answer.status_code} {_words(answer)}")
        try:
            return answer.json()
        except ValueError as error:
            raise GrafanaError(f"{self.url}{path} is no Grafana: its answer is no JSON") from error

    def dashboards(self) -> list[dict[str, Any]]:
        """What ``/api/search`` finds: ``uid``, ``title``, ``url`` of every dashboard."""
        found: list[dict[str, Any]] = self.call("GET", "/api/search", params={"type": "dash-db", "limit": "5000"})
        return found

    def dashboard(self, uid: str) -> dict[str, Any]:
        """The JSON model of a dashboard."""
        model: dict[str, Any] = self.call("GET", f"/api/dashboards/uid/{uid}")["dashboard"]
        return model

    def sources(self) -> dict[str, str]:
        """The uid of the data source that a variable of a type starts with: the default one, else the first by name."""
        found = sorted(self.call("GET", "/api/datasources"), key=lambda s: (not s.get("isDefault"), s["name"].lower()))
        return {source["type"]: source["uid"] for source in reversed(found)}

    def query(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """``/api/ds/query``: results by refId. Queries that fail are results with an ``error``, whatever the status."""
        try:
            answer = self._client.post("/api/ds/query", json=body)
            results = answer.json().get("results")
        except (httpx.HTTPError, ValueError) as error:
            raise GrafanaError(f"Grafana at {self.url} does not answer a query: {error}") from error
        if not isinstance(results, dict):
            raise GrafanaError(f"Grafana at {self.url} refuses a query: {answer.status_code} {_words(answer)}")
        return results


def _words(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        return answer.text.strip()[:200] or answer.reason_phrase
    return str(said.get("message") or said) if isinstance(said, dict) else str(said)[:200]
