"""The table of components: complete, without clashes, in an order that works."""

from dataclasses import replace

import pytest

from pytake.stack import components
from pytake.stack.components import BY_NAME, COMPONENTS, Group, find, order, selection
from pytake.stack.errors import StackError
from pytake.stack.layout import Stack

DESIGN = {
    "pytake-api": 8789, "pytake-worker": 8790, "pytake-sandbox": 8791, "postgres": 5432, "redis": 6379,
    "prometheus": 9090, "alertmanager": 9093, "grafana": 3000, "jaeger": 16686, "loki": 3100, "promtail": 9080,
    "node-exporter": 9100, "redis-exporter": 9121, "postgres-exporter": 9187, "blackbox-exporter": 9115,
}  # fmt: skip


def test_the_services_and_ports_are_those_of_the_design():
    assert {c.name: next(iter(c.ports.values())) for c in COMPONENTS} == DESIGN
    assert set(BY_NAME["jaeger"].ports.values()) >= {16686, 4317, 4318, 14268}


def test_no_two_components_share_a_port():
    ports = [port for component in COMPONENTS for port in component.ports.values()]
    assert len(ports) == len(set(ports))


def test_dependencies_come_first():
    names = [component.name for component in order(COMPONENTS)]
    for component in COMPONENTS:
        for needed in component.waits_for:
            assert names.index(needed) < names.index(component.name)


def test_a_circle_is_refused():
    a, b = replace(BY_NAME["redis"], depends_on=("postgres",)), replace(BY_NAME["postgres"], depends_on=("redis",))
    with pytest.raises(StackError, match="circle: redis, postgres"):
        order([a, b])


@pytest.mark.parametrize(("typed", "meant"), [("api", "pytake-api"), ("pytake-api", "pytake-api"), ("redis", "redis")])
def test_short_names(typed, meant):
    assert find(typed).name == meant


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(StackError, match="no component 'redsi'") as error:
        find("redsi")
    assert "redis, " in (error.value.hint or "")


def test_a_component_that_is_not_there_yet_is_left_out_with_a_word(stack, monkeypatch):
    monkeypatch.setattr(components, "_module_exists", lambda name: "grafana" not in name)
    chosen, left_out = selection(stack, [Group.MONITORING])
    assert "grafana" not in [component.name for component in chosen]
    assert left_out["grafana"] == "pytake.embedded.grafana.main is not there yet"


def test_core_and_monitoring_are_apart(stack):
    core, _ = selection(stack, [Group.CORE])
    assert {c.name for c in core} <= {"postgres", "redis", "pytake-sandbox", "pytake-api", "pytake-worker"}


def test_with_real_credentials_there_is_no_sandbox(stack, monkeypatch):
    monkeypatch.setenv("PYTAKE_INSTANCES_FILE", "numbers.yaml")
    assert BY_NAME["pytake-sandbox"].missing(Stack.load(stack.root)) is None, "it still plays OpenAI"
    monkeypatch.setenv("PYTAKE_OPENAI_API_KEY", "sk-real")
    chosen, left_out = selection(Stack.load(stack.root), [Group.CORE])
    assert "pytake-sandbox" not in [c.name for c in chosen] + list(left_out)
