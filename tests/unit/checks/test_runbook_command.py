"""``pytake runbook``: values, verdicts and exit codes against stand-ins of Prometheus and Loki."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from pytake.checks import runbook as command_module
from pytake.checks import runbooks

RUNBOOK = """# QueueDeep

## Meaning

Deep [sic].

## Impact

Slow.

## Diagnosis

1. Depth:

```promql
# healthy: < 5
max by (queue) (depth)
```

2. Jobs that failed:

```promql
# healthy: nothing
failed
```

3. Rate:

```promql
rate(x[5m])
```

4. Lines:

```logql
{job="worker"}
```

5. To see more:

```bash
ls
```

## Mitigation

- Wait.
"""
Answers = dict[str, list[tuple[dict[str, str], float]]]
HEALTHY: Answers = {
    "max by (queue) (depth)": [({"queue": "webhooks"}, 1), ({"queue": "outbound"}, 2)],
    "rate(x[5m])": [({}, 7)],
}


class World:
    """What Prometheus and Loki answer."""

    def __init__(self) -> None:
        self.answers: Answers = dict(HEALTHY)
        self.loki = 200
        self.prometheus_down = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/loki"):
            stream = {"stream": {"job": "worker", "level": "error"}, "values": [["1", "line [one]"]]}
            return httpx.Response(self.loki, json={"data": {"result": [stream]}})
        if self.prometheus_down:
            raise httpx.ConnectError("refused")
        query = request.url.params["query"]
        if query == "bad":
            return httpx.Response(400, json={"status": "error", "error": "parse error"})
        pairs = [{"metric": m, "value": [0, str(v)]} for m, v in self.answers.get(query, [])]
        return httpx.Response(200, json={"status": "success", "data": {"resultType": "vector", "result": pairs}})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    (tmp_path / "QueueDeep.md").write_text(RUNBOOK)
    monkeypatch.setattr(command_module, "load", lambda name: runbooks.load(name, tmp_path))
    monkeypatch.setattr(command_module, "names", lambda: runbooks.names(tmp_path))
    made = World()
    client = httpx.Client
    monkeypatch.setattr(
        command_module.httpx, "Client", lambda **options: client(transport=httpx.MockTransport(made), **options)
    )
    return made


@pytest.fixture
def run(world: World) -> Callable[..., Any]:
    return lambda *args: CliRunner().invoke(command_module.app, list(args))


def test_all_healthy_ends_with_zero(run: Callable[..., Any]) -> None:
    result = run("QueueDeep")
    assert result.exit_code == 0
    assert "nothing stands out" in result.output
    assert "queue=webhooks" in result.output
    assert "line [one]" in result.output
    assert "Deep [sic]" in result.output


def test_an_unhealthy_value_ends_with_one_and_stands_first(run: Callable[..., Any], world: World) -> None:
    world.answers["max by (queue) (depth)"] = [({"queue": "webhooks"}, 1), ({"queue": "outbound"}, 9)]
    result = run("QueueDeep", "--json")
    assert result.exit_code == 1
    data = json.loads(result.output)
    assert data["unhealthy"] == ["Depth"]
    assert [(v["labels"]["queue"], v["healthy"]) for v in data["answers"][0]["values"]] == [
        ("outbound", False),
        ("webhooks", True),
    ]


def test_nothing_is_healthy_and_something_is_not(run: Callable[..., Any], world: World) -> None:
    assert json.loads(run("QueueDeep", "--json").output)["answers"][1]["verdict"] == "healthy"
    world.answers["failed"] = [({}, 3)]
    assert json.loads(run("QueueDeep", "--json").output)["answers"][1]["verdict"] == "unhealthy"


def test_no_data_is_said_and_is_no_verdict(run: Callable[..., Any], world: World) -> None:
    del world.answers["max by (queue) (depth)"]
    data = json.loads(run("QueueDeep", "--json").output)
    assert (data["answers"][0]["verdict"], data["without_data"], data["verdict"]) == ("unknown", 1, "healthy")


def test_a_firing_alert_is_unhealthy_whatever_the_queries_say(run: Callable[..., Any], world: World) -> None:
    world.answers['ALERTS{alertname="QueueDeep"}'] = [({"alertstate": "firing"}, 1)]
    result = run("QueueDeep")
    assert result.exit_code == 1
    assert "no query of the runbook stands out" in result.output


def test_many_series_are_cut(run: Callable[..., Any], world: World) -> None:
    world.answers["rate(x[5m])"] = [({"n": str(n)}, n) for n in range(15)]
    answer = json.loads(run("QueueDeep", "--json").output)["answers"][2]
    assert (len(answer["values"]), answer["left_out"]) == (10, 5)


def test_loki_down_ends_nothing(run: Callable[..., Any], world: World) -> None:
    world.loki = 503
    result = run("QueueDeep", "--json")
    assert result.exit_code == 0
    assert json.loads(result.output)["answers"][3]["verdict"] == "unknown"


def test_prometheus_down_ends_with_three(run: Callable[..., Any], world: World) -> None:
    world.prometheus_down = True
    assert run("QueueDeep").exit_code == 3


def test_an_unknown_alert_ends_with_two(run: Callable[..., Any]) -> None:
    assert run("Nothing").exit_code == 2


def test_the_list(run: Callable[..., Any]) -> None:
    assert run("--list").output.split() == ["QueueDeep"]
    assert json.loads(run("--list", "--json").output) == ["QueueDeep"]
    assert run().exit_code == 2
