"""Evaluates rules on their intervals, keeps alerts, tells Alertmanagers, writes recorded series."""

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from pytake.embedded.common.config import ConfigError
from pytake.embedded.loki import logql
from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.query.service import Job, QueryService
from pytake.embedded.loki.ruler import remote_write
from pytake.embedded.loki.ruler.alerts import AlertingState, LabelSet, message
from pytake.embedded.loki.ruler.rules import Group, Rule, files, group_data, parse_file, parse_group
from pytake.embedded.loki.settings import Settings
from pytake.telemetry import catalog_embedded as metrics
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
POLL_SECONDS = 5.0


@dataclass(slots=True)
class RuleState:
    """How the last evaluation of a rule went."""

    rule: Rule
    alerting: AlertingState | None
    error: str = ""
    at: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class GroupState:
    """One group with the states of its rules."""

    group: Group
    rules: list[RuleState] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    at: float = 0.0
    seconds: float = 0.0


class Ruler:
    """All rule groups; rule files are read again when they change."""

    def __init__(self, settings: Settings, queries: QueryService) -> None:
        self.settings = settings.ruler
        self._queries = queries
        self.groups: dict[tuple[str, str, str], GroupState] = {}
        self.errors: dict[str, str] = {}
        self._seen: dict[Path, tuple[int, int]] = {}
        self._task: asyncio.Task[None] | None = None
        self._client: httpx.AsyncClient | None = None

    @property
    def directory(self) -> Path:
        """Where rule files are; raises 404 where no ruler is configured."""
        if not self.settings.enabled or self.settings.directory is None:
            raise RequestError(404, "the ruler is not configured: set ruler.storage in the configuration")
        return self.settings.directory

    def start(self) -> None:
        """Read the rules and begin evaluating."""
        if self.settings.enabled:
            self._client = httpx.AsyncClient(timeout=10.0)
            self._task = asyncio.get_running_loop().create_task(self._watch())

    def close(self) -> None:
        """Stop evaluating; called from another thread than the loop's."""
        tasks = [self._task, *(state.task for state in self.groups.values())]
        for task in tasks:
            if task is not None:
                with suppress(RuntimeError):
                    task.get_loop().call_soon_threadsafe(task.cancel)

    async def _watch(self) -> None:
        while True:
            try:
                self.reload()
            except Exception:
                log.exception("rules_not_read")
            await asyncio.sleep(POLL_SECONDS)

    def reload(self) -> None:
        """Read the files that changed; a file with a mistake keeps its old groups and is named in the log."""
        present = files(self.directory)
        stamps = {path: (path.stat().st_mtime_ns, path.stat().st_size) for _, path in present}
        if stamps == self._seen:
            return
        wanted: dict[tuple[str, str, str], Group] = {}
        self.errors = {}
        for tenant, path in present:
            try:
                text = path.read_text(encoding="utf-8")
                for group in parse_file(text, tenant, path.stem, self.settings.evaluation_interval):
                    wanted[group.key] = group
            except (ConfigError, OSError) as error:
                self.errors[str(path)] = str(error)
                log.error("rule_file_invalid", file=str(path), reason=str(error))
                wanted.update(
                    {key: state.group for key, state in self.groups.items() if key[:2] == (tenant, path.stem)}
                )
        self._seen = stamps
        for key in set(self.groups) - set(wanted):
            self._drop(key)
        for key, group in wanted.items():
            current = self.groups.get(key)
            if current is None or current.group != group:
                self._drop(key)
                self._add(group, current)
        log.info("rules_read", groups=len(wanted), invalid=len(self.errors))

    def _drop(self, key: tuple[str, str, str]) -> None:
        state = self.groups.pop(key, None)
        if state is not None and state.task is not None:
            state.task.cancel()

    def _add(self, group: Group, before: GroupState | None) -> None:
        kept = before.rules if before is not None else []
        states = [
            next((item for item in kept if item.rule == rule), None)
            or RuleState(rule, AlertingState(rule) if rule.alert else None)
            for rule in group.rules
        ]
        state = self.groups[group.key] = GroupState(group, states)
        state.task = asyncio.get_running_loop().create_task(self._loop(state))

    async def _loop(self, state: GroupState) -> None:
        await asyncio.sleep(min(1.0, state.group.interval / 10))
        while True:
            began = time.monotonic()
            try:
                await self.evaluate(state)
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("rule_group_failed", group=state.group.name)
            await asyncio.sleep(max(0.0, state.group.interval - (time.monotonic() - began)))

    async def evaluate(self, state: GroupState, now: float | None = None) -> None:
        """Evaluate a group once and tell whoever must know."""
        at = time.time() if now is None else now
        group, began = state.group, time.monotonic()
        recorded: list[tuple[LabelSet, float, int]] = []
        name = f"{group.namespace};{group.name}"
        for item in state.rules:
            metrics.LOKI_RULE_EVALUATIONS.inc(rule_group=name)
            started = time.monotonic()
            try:
                samples = await self._query(group.tenant, item.rule.expr, at)
                item.error = ""
            except RequestError as error:
                metrics.LOKI_RULE_FAILURES.inc(rule_group=name)
                item.error = error.text
                log.warning("rule_failed", group=group.name, rule=item.rule.name, reason=error.text)
                continue
            finally:
                item.at, item.seconds = at, time.monotonic() - started
            if item.alerting is not None:
                item.alerting.update(samples, at)
            else:
                recorded += [(self._recorded(item.rule, labels), value, int(at * 1000)) for labels, value in samples]
        state.at, state.seconds = at, time.monotonic() - began
        await self._notify(state, at)
        if recorded:
            await self._write(recorded)

    def _recorded(self, rule: Rule, labels: LabelSet) -> LabelSet:
        full = {**dict(labels), **rule.labels, **self.settings.external_labels, "__name__": rule.record}
        return tuple(sorted(full.items()))

    async def _query(self, tenant: str, expr: str, at: float) -> list[tuple[LabelSet, float]]:
        job = Job((tenant,), expr, "rule")

        def work(job: Job) -> list[Any]:
            return self._queries.instant_series(job, expr, int(at * 1e9))

        series = await self._queries.run(job, work)
        return [(item.labels, item.points[0][1]) for item in series if item.points]

    async def _notify(self, state: GroupState, now: float) -> None:
        due = [
            message(alert, now, state.group.interval, self.settings.external_labels, self._url(item.rule))
            for item in state.rules
            if item.alerting is not None
            for alert in item.alerting.to_send(now)
        ]
        if not due or self._client is None:
            return
        for base in self.settings.alertmanager_urls:
            host = httpx.URL(base).netloc.decode()
            try:
                (await self._client.post(f"{base}/api/v2/alerts", json=due)).raise_for_status()
                metrics.LOKI_NOTIFICATIONS.inc(len(due), alertmanager=host)
            except httpx.HTTPError as error:
                metrics.LOKI_NOTIFICATION_ERRORS.inc(len(due), alertmanager=host)
                log.warning("alertmanager_unreachable", alertmanager=base, reason=str(error) or type(error).__name__)
                for item in state.rules:
                    for alert in item.alerting.alerts.values() if item.alerting is not None else ():
                        alert.sent_at = 0.0

    def _url(self, rule: Rule) -> str:
        base = self.settings.external_url.rstrip("/")
        query = str(httpx.QueryParams({"expr": rule.expr}))
        return f"{base}/explore?{query}" if base else f"/explore?{query}"

    async def _write(self, recorded: list[tuple[LabelSet, float, int]]) -> None:
        body = remote_write.encode(recorded)
        for url in self.settings.remote_write_urls:
            try:
                assert self._client is not None
                await remote_write.write(self._client, url, body)
            except httpx.HTTPError as error:
                log.warning("remote_write_failed", url=url, reason=str(error) or type(error).__name__)

    # -------------------------------------------------------------------------------------------- changes over the API
    def _path(self, tenant: str, namespace: str) -> Path:
        if not namespace or "/" in namespace or namespace.startswith("."):
            raise RequestError(400, "invalid namespace")
        folder = self.directory / tenant
        path = folder / f"{namespace}.yaml"
        return path if path.exists() or not (folder / f"{namespace}.yml").exists() else folder / f"{namespace}.yml"

    def save(self, tenant: str, namespace: str, groups: list[Group]) -> None:
        """Write a namespace's file (delete it when there is no group left) and use it at once."""
        path = self._path(tenant, namespace)
        if not groups:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.new")
            text = yaml.safe_dump({"groups": [group_data(group) for group in groups]}, sort_keys=False)
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, path)
        self.reload()

    def set_group(self, tenant: str, namespace: str, data: Any) -> None:
        """Create or replace a group; raises 400 where it is wrong."""
        try:
            group = parse_group(data, tenant, namespace, self.settings.evaluation_interval)
        except ConfigError as error:
            raise RequestError(400, str(error)) from error
        others = [item for item in self.of(tenant, namespace) if item.name != group.name]
        self.save(tenant, namespace, [*others, group])

    def delete(self, tenant: str, namespace: str, name: str | None) -> None:
        """Delete a group or, without a name, a namespace; raises 404 where there is none."""
        groups = self.of(tenant, namespace)
        left = [] if name is None else [item for item in groups if item.name != name]
        if len(left) == len(groups):
            raise RequestError(404, "group does not exist" if name else "no rule groups found")
        self.save(tenant, namespace, left)

    def of(self, tenant: str, namespace: str | None = None) -> list[Group]:
        """A tenant's groups."""
        if self.settings.enabled:
            self.reload()
        return [
            state.group
            for (owner, space, _), state in self.groups.items()
            if owner == tenant and namespace in (None, space)
        ]


def check_directory(directory: Path) -> list[str]:
    """Mistakes in the rule files of a directory, for ``-verify-config``."""
    problems = []
    for tenant, path in files(directory):
        try:
            parse_file(path.read_text(encoding="utf-8"), tenant, path.stem, 60.0)
        except (ConfigError, OSError, logql.LogQLError) as error:
            problems.append(f"{path}: {error}")
    return problems
