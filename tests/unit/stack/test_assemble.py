"""Assembled configuration: ports moved, absent targets left out, wrong files refused before anything is replaced."""

import shutil

import pytest
import yaml

from pytake.stack.assemble import assemble, shift, targets
from pytake.stack.components import BY_NAME
from pytake.stack.errors import ConfigInvalid
from pytake.stack.layout import Stack


@pytest.fixture
def own_monitoring(stack):
    """The stack with a copy of monitoring/ that a test may spoil."""
    committed = (stack.root / "monitoring").resolve()
    (stack.root / "monitoring").unlink()
    shutil.copytree(committed, stack.root / "monitoring", symlinks=True)
    return stack


def test_ports_of_components_move_and_others_stay(stack):
    text = "http://127.0.0.1:9090/x localhost:8789 127.0.0.1:9999 10.0.0.1:9090 127.0.0.1:90901"
    assert shift(stack, text) == "http://127.0.0.1:39090/x localhost:38789 127.0.0.1:9999 10.0.0.1:9090 127.0.0.1:90901"


def test_targets_of_what_is_not_deployed_are_left_out(stack):
    folder = stack.monitoring / "prometheus" / "targets" / "native"
    assert targets(stack, folder / "redis-exporter.yml", {"prometheus"}) == []
    [group] = targets(stack, folder / "redis-exporter.yml", {"redis-exporter"})
    assert group["targets"] == ["127.0.0.1:39121"]


def test_a_probe_needs_both_the_prober_and_the_probed(stack):
    source = stack.monitoring / "prometheus" / "targets" / "native" / "probe-api.yml"
    assert targets(stack, source, {"blackbox-exporter"}) == []
    assert len(targets(stack, source, {"blackbox-exporter", "pytake-api"})) == 1


def test_with_real_credentials_the_real_apis_are_probed(stack, monkeypatch):
    source = stack.monitoring / "prometheus" / "targets" / "native" / "probe-whatsapp.yml"
    [sandbox] = targets(stack, source, {"blackbox-exporter", "pytake-sandbox"})
    assert sandbox["labels"]["__param_target"].startswith("http://127.0.0.1:38791/meta")
    monkeypatch.setenv("PYTAKE_INSTANCES_FILE", "numbers.yaml")
    [real] = targets(Stack.load(stack.root), source, {"blackbox-exporter"})
    assert real["labels"]["__param_target"].startswith("https://")


def test_the_assembled_configuration_is_accepted_by_the_servers_tools(stack):
    rendered = assemble(stack, set(BY_NAME))
    assert "pytake" in rendered.on
    assert (stack.config / "prometheus" / "rules").is_dir()
    jobs = {path.stem for path in (stack.config / "prometheus" / "targets").glob("*.yml")}
    assert jobs >= {"pytake-api", "prometheus", "postgres-exporter"}
    assert not (stack.config / ".new").exists()


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        (
            "prometheus/rules/wrong.yml",
            "groups:\n  - name: x\n    rules:\n      - alert: A\n        expr: up =\n",
            "wrong.yml",
        ),
        ("prometheus/rules/wrong.yml", "groups:\n  - nam: x\n", "line 2"),
        ("blackbox/blackbox.yml", "modules: [", "blackbox.yml"),
        ("alertmanager/alertmanager.yml", "route: {", "alertmanager.yml"),
    ],
    ids=["promql", "unknown field", "bad YAML", "alertmanager"],
)
def test_a_wrong_edit_is_refused_with_its_place_and_what_ran_stays(own_monitoring, file, text, says):
    assemble(own_monitoring, set(BY_NAME))
    before = {p: p.read_bytes() for p in own_monitoring.config.rglob("*.yml")}
    (own_monitoring.monitoring / file).write_text(text)
    with pytest.raises(ConfigInvalid) as error:
        assemble(own_monitoring, set(BY_NAME))
    assert says in str(error.value)
    assert f"monitoring/{file}" in str(error.value)
    assert ".new" not in str(error.value)
    assert {p: p.read_bytes() for p in own_monitoring.config.rglob("*.yml")} == before


def test_a_removed_rule_file_disappears(own_monitoring):
    extra = own_monitoring.monitoring / "prometheus" / "rules" / "extra.yml"
    extra.write_text(yaml.safe_dump({"groups": []}))
    assemble(own_monitoring, set(BY_NAME))
    assert (own_monitoring.config / "prometheus/rules/extra.yml").exists()
    extra.unlink()
    assemble(own_monitoring, set(BY_NAME))
    assert not (own_monitoring.config / "prometheus/rules/extra.yml").exists()
