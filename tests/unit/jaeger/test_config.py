"""The configuration file: what it switches on, and what is refused by name."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytake.embedded.common.config import ConfigError
from pytake.embedded.jaeger.config import Endpoint, load
from pytake.embedded.jaeger.main import main

REAL = Path(__file__).resolve().parents[3] / "monitoring/jaeger/config.yaml"


@pytest.fixture
def tree() -> dict[str, Any]:
    """The repository's file as plain YAML."""
    found: dict[str, Any] = yaml.safe_load(REAL.read_text())
    return found


@pytest.fixture
def write(tmp_path: Path):
    """Write a tree beside copies of the repository's other files."""

    def write(content: dict[str, Any]) -> Path:
        shutil.copytree(REAL.parent / "storage", tmp_path / "storage", dirs_exist_ok=True)
        shutil.copy(REAL.parent / "sampling-strategies.json", tmp_path)
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def test_the_repositorys_file() -> None:
    config = load(REAL, {"PYTAKE_DATA_DIR": "/data"})
    assert config.query == Endpoint("127.0.0.1", 16686)
    assert (config.otlp_grpc.port, config.otlp_http.port, config.thrift_http.port) == (4317, 4318, 14268)
    assert config.zipkin is None
    assert config.directory == Path("/data/jaeger/traces")
    assert config.retention_seconds == 7 * 86400
    assert config.tail_sampler is not None
    assert config.span_metrics.exemplars
    assert config.strategies.name == "sampling-strategies.json"


def test_environment_moves_ports_and_hosts() -> None:
    config = load(REAL, {"PYTAKE_PORT_OFFSET": "1000", "JAEGER_LISTEN_HOST": "0.0.0.0", "PYTAKE_JAEGER_UI_PORT": "1"})
    assert config.query == Endpoint("0.0.0.0", 1)
    assert config.otlp_http == Endpoint("0.0.0.0", 5318, 20 * 2**20)


def test_zipkin_is_one_word_away(tree, write) -> None:
    tree["service"]["pipelines"]["traces"]["receivers"].append("zipkin")
    assert load(write(tree), {}).zipkin.port == 9411


@pytest.mark.parametrize("storage", ["clickhouse", "cassandra", "elasticsearch", "opensearch"])
def test_another_storage_is_refused_by_name(storage: str) -> None:
    with pytest.raises(ConfigError, match=f"{storage} is not supported by pytake-jaeger.*real Jaeger"):
        load(REAL, {"JAEGER_STORAGE": storage})


@pytest.mark.parametrize(
    ("section", "name"),
    [("extensions", "jaeger_mcp"), ("receivers", "kafka"), ("processors", "adaptive_sampling"), ("exporters", "debug"),
     ("connectors", "forward")],
)  # fmt: skip
def test_unknown_components_are_refused_by_name(tree, write, section: str, name: str) -> None:
    tree[section][name] = None
    with pytest.raises(ConfigError, match=f"{section}: '{name}' is not supported"):
        load(write(tree), {})


def test_a_used_component_must_be_defined(tree, write) -> None:
    tree["service"]["pipelines"]["traces"]["exporters"].append("nop")
    with pytest.raises(ConfigError, match="'nop' is used but not defined"):
        load(write(tree), {})


def test_receiver_protocols_that_are_missing_here(tree, write) -> None:
    tree["receivers"]["jaeger"]["protocols"]["thrift_compact"] = None
    with pytest.raises(ConfigError, match=r"jaeger: .*'thrift_compact' is not supported"):
        load(write(tree), {})


def test_a_missing_file_is_named(tree, write) -> None:
    tree["extensions"]["remote_sampling"]["file"]["path"] = "/etc/jaeger/nothing.json"
    with pytest.raises(ConfigError, match=r"/etc/jaeger/nothing\.json does not exist"):
        load(write(tree), {})


def test_the_command_says_what_is_wrong_and_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("receivers: {kafka: {}}")
    with pytest.raises(SystemExit) as ended:
        main(["--config", str(path)])
    assert ended.value.code == 2
    assert "kafka" in capsys.readouterr().err


def test_check_describes_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--config", str(REAL), "--check", "--json"])
    assert '"tail_sampling": true' in capsys.readouterr().out
