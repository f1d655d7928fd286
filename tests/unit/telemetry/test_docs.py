"""The generated documents say what the code says."""

from pathlib import Path

import pytest

from pytake.checks import docs_metrics, docs_settings
from pytake.checks.generated import difference, main_for
from pytake.telemetry import catalog, catalog_embedded, metrics

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("document", [docs_metrics, docs_settings], ids=["metrics", "settings"])
def test_documents_are_up_to_date(document: object) -> None:
    path, render = document.PATH, document.render  # type: ignore[attr-defined]
    assert not difference(ROOT / path, render), "run `make generate` and commit the result"


def test_every_metric_is_documented() -> None:
    listed = {
        metric.name
        for module in (catalog, catalog_embedded)
        for _, found in docs_metrics.sections(module)
        for metric in found
    }
    ours = {metric.name for metric in vars(catalog).values() if isinstance(metric, metrics.Metric)}
    assert ours <= listed
    assert "http_requests_total" in listed


@pytest.mark.parametrize("cls", docs_settings.classes(), ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_every_setting_has_a_description_that_is_a_sentence(cls: type) -> None:
    fields = cls.model_fields.items()  # type: ignore[attr-defined] # a settings class
    assert fields
    for name, field in fields:
        assert field.description, f"{cls.__name__}.{name} has no description"
        assert field.description.rstrip().endswith((".", ")", "`")), f"{cls.__name__}.{name}: end the sentence"


def test_no_two_classes_mean_different_things_by_one_variable() -> None:
    seen: dict[str, tuple[str, str]] = {}
    for cls in docs_settings.classes():
        for name, field in cls.model_fields.items():
            for variable in docs_settings.names_of(cls, name, field):
                kind = docs_settings._type(field.annotation)
                where = seen.setdefault(variable, (kind, cls.__module__))
                assert where[0] == kind, f"{variable} is {kind} in {cls.__module__} and {where[0]} in {where[1]}"


@pytest.mark.parametrize("module", [catalog, catalog_embedded])
def test_names_follow_the_conventions(module: object) -> None:
    for metric in vars(module).values():
        if not isinstance(metric, metrics.Metric) or module is catalog_embedded:
            continue
        assert metric.help.endswith("."), metric.name
        assert metric.name == metric.name.lower()
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
        assert not {"phone", "user_id", "wamid", "trace_id", "instance", "job"} & set(metric.label_names), metric.name
        if isinstance(metric, metrics.Histogram):
            assert metric.name.endswith(("_seconds", "_bytes")), metric.name


def test_only_the_catalogues_declare_metrics() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name in ("catalog.py", "catalog_embedded.py", "metrics.py"):
            continue
        if "promtail" not in path.parts:  # whose metrics stage makes what its user's configuration names
            assert "from prometheus_client" not in text, path
        assert "metrics import counter" not in text, path


def test_check_reports_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "doc.md"
    assert main_for(path, lambda: "new\n", "", []) == 0
    assert main_for(path, lambda: "new\n", "", ["--check"]) == 0
    assert main_for(path, lambda: "newer\n", "", ["--check"]) == 1
    assert "make generate" in capsys.readouterr().err
    assert path.read_text() == "new\n"
