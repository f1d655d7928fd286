"""Reloading Prometheus, Alertmanager and the blackbox exporter: checked first, and reported by what each then runs."""

from collections.abc import Iterable
from dataclasses import dataclass

import httpx
import yaml

from pytake.stack.assemble import assemble
from pytake.stack.components import BY_NAME
from pytake.stack.errors import ConfigInvalid, StackError
from pytake.stack.layout import Stack
from pytake.stack.probes import NO_TLS
from pytake.stack.supervisor import State, Supervisor

RELOADED = ("prometheus", "alertmanager", "blackbox-exporter")
SECONDS = 30.0


@dataclass(frozen=True)
class Reloaded:
    """What one server says that it runs after the reload."""

    name: str
    runs: str


def reload_monitoring(stack: Stack) -> list[Reloaded]:
    """Check and install the configuration, reload the servers that run.

    Raises:
        ConfigInvalid: with file and line as the server's own tool gives them; the running configuration stays.
        StackError: nothing runs, or a server refused the reload.
    """
    supervisor = Supervisor(stack)
    if not supervisor.running:
        raise StackError("nothing runs, so there is nothing to reload", hint="type `deploy`")
    info = supervisor.info()
    running = [name for name in RELOADED if name in info and info[name].state is State.RUNNING]
    assemble(stack, set(info))
    return reload_servers(stack, running)


def reload_servers(stack: Stack, names: Iterable[str]) -> list[Reloaded]:
    """Let these servers read what is in place; other names are ignored."""
    return [_reload(stack, name) for name in RELOADED if name in set(names)]


def _reload(stack: Stack, name: str) -> Reloaded:
    base = f"http://127.0.0.1:{BY_NAME[name].port(stack)}"
    try:
        with httpx.Client(base_url=base, timeout=SECONDS, trust_env=False, verify=NO_TLS) as client:
            answer = client.post("/-/reload")
            if answer.status_code != 200:
                raise ConfigInvalid(
                    f"{name} refused the reload: {answer.text.strip()}", hint="it goes on with what it ran before"
                )
            return Reloaded(name, _DESCRIBE[name](client))
    except httpx.HTTPError as error:
        raise StackError(f"{name} at {base} does not answer: {error}", hint="`status` says how it is") from error


def _prometheus(client: httpx.Client) -> str:
    groups = client.get("/api/v1/rules").raise_for_status().json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    alerts = sum(rule["type"] == "alerting" for rule in rules)
    runtime = client.get("/api/v1/status/runtimeinfo").raise_for_status().json()["data"]
    if not runtime["reloadConfigSuccess"]:
        raise ConfigInvalid("prometheus says that its last reload failed", hint="`logs prometheus` says why")
    recording, since = len(rules) - alerts, runtime["lastConfigTime"]
    return f"{len(groups)} groups, {alerts} alerts, {recording} recording rules; configuration of {since}"


def _alertmanager(client: httpx.Client) -> str:
    status = client.get("/api/v2/status").raise_for_status().json()
    receivers = client.get("/api/v2/receivers").raise_for_status().json()
    digest = next((f"{float(line.rsplit(' ', 1)[1]):.0f}" for line in client.get("/metrics").text.splitlines()
                   if line.startswith("alertmanager_config_hash")), "unknown")  # fmt: skip
    lines = len(status["config"]["original"].splitlines())
    return f"{len(receivers)} receivers, {lines} lines; configuration hash {digest}"


def _blackbox(client: httpx.Client) -> str:
    modules = yaml.safe_load(client.get("/config").raise_for_status().text)["modules"]
    return f"modules {', '.join(sorted(modules))}"


_DESCRIBE = {"prometheus": _prometheus, "alertmanager": _alertmanager, "blackbox-exporter": _blackbox}
