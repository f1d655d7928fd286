"""``loki.yml`` as the embedded server reads it."""

from pathlib import Path

import pytest

from pytake.embedded.common.config import ConfigError
from pytake.embedded.loki.settings import Settings, from_config, load

ROOT = Path(__file__).parents[3]


def test_the_projects_own_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTAKE_DATA_DIR", "/data")
    settings = load(ROOT / "monitoring/loki/loki.yml", expand=True)
    assert settings.data_dir == Path("/data/loki")
    assert not settings.auth_enabled
    assert settings.limits.retention_period == 7 * 86400
    assert settings.limits.retention_stream[0].selector == '{level="debug"}'
    assert settings.ruler.enabled
    assert settings.ruler.directory == ROOT / "monitoring/loki/rules"
    assert settings.ruler.remote_write_urls == ()


def test_defaults_are_lokis() -> None:
    settings = from_config({})
    assert settings.auth_enabled
    assert settings.limits.max_line_size == 256 * 1024
    assert settings.limits.reject_old_samples_max_age == 7 * 86400
    assert not settings.ruler.enabled


def test_unknown_keys_are_errors_as_in_loki() -> None:
    with pytest.raises(ConfigError, match="field nope not found"):
        from_config({"nope": {}})
    with pytest.raises(ConfigError, match="field max_lines not found"):
        from_config({"limits_config": {"max_lines": 1}})


def test_limits_of_a_tenant(tmp_path: Path) -> None:
    (tmp_path / "o.yml").write_text("overrides:\n  a:\n    max_line_size: 1KB\n")
    settings = from_config(
        {"runtime_config": {"file": str(tmp_path / "o.yml")}, "limits_config": {"max_query_series": 9}}
    )
    assert settings.limits_of("a").max_line_size == 1024
    assert settings.limits_of("a").max_query_series == 9
    assert settings.limits_of("b").max_line_size == 256 * 1024


def test_a_ruler_storage_that_is_not_local_is_refused() -> None:
    with pytest.raises(ConfigError, match="s3 is not supported"):
        from_config({"ruler": {"storage": {"type": "s3"}}})


def test_the_size_limit_comes_from_the_environment() -> None:
    settings: Settings = from_config({}, env={"PYTAKE_LOKI_RETENTION_SIZE": "5GB"})
    assert settings.retention_bytes == 5 << 30
