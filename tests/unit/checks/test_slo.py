"""SLO files to rules: the table of windows, the arithmetic, and what is refused."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pytake.checks import slo as slo_module
from pytake.checks.slo import PAGE, TICKET, SloError, condition, document, load, render, seconds

FILE = """
slo: shop-orders
description: Orders are taken.
objective: 99.9
component: api
team: platform
dashboard: api-overview
sli:
  bad: sum(bad)
  total: sum(total)
minimum_bad_events: 5
alerts: {page: OrdersBurnFast, ticket: OrdersBurnSlow}
"""


def write(folder: Path, text: str = FILE, name: str = "orders.yml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def rules(folder: Path) -> dict[str, dict]:
    made = document([load(write(folder))])
    return {rule.get("alert") or rule["record"]: rule for group in made["groups"] for rule in group["rules"]}


def test_the_windows_are_the_workbooks() -> None:
    rows = [(burn.factor, burn.long, burn.short) for burn in (*PAGE, *TICKET)]
    assert rows == [(14.4, "1h", "5m"), (6, "6h", "30m"), (3, "1d", "2h"), (1, "3d", "6h")]


@pytest.mark.parametrize(("burn", "spent"), list(zip((*PAGE, *TICKET), (0.02, 0.05, 0.10, 0.10), strict=True)))
def test_each_row_spends_the_share_of_the_month_that_the_table_says(burn, spent) -> None:
    assert burn.factor * seconds(burn.long) / seconds("30d") == pytest.approx(spent)
    assert seconds(burn.long) / seconds(burn.short) == pytest.approx(12)


def test_both_windows_of_a_condition_are_joined_on_the_slo_alone(tmp_path: Path) -> None:
    text = condition(load(write(tmp_path)), PAGE[0])
    assert text.count("and on (slo)") == 2
    assert 'ratio_rate1h{slo="shop-orders"} > 14.4 * 0.001' in text
    assert 'ratio_rate5m{slo="shop-orders"} > 14.4 * 0.001' in text


def test_budget_has_no_binary_noise(tmp_path: Path) -> None:
    assert load(write(tmp_path)).budget == "0.001"


def test_no_bad_event_counts_as_zero(tmp_path: Path) -> None:
    assert rules(tmp_path)["slo:sli_bad:rate5m"]["expr"] == "(sum(bad))\n  or\n0 * (sum(total))\n"


def test_page_is_critical_and_ticket_is_a_warning(tmp_path: Path) -> None:
    made = rules(tmp_path)
    labels = {name: made[name]["labels"] for name in ("OrdersBurnFast", "OrdersBurnSlow")}
    assert [(x["severity"], x["notify"]) for x in labels.values()] == [("critical", "page"), ("warning", "ticket")]


def test_seconds_count_against_the_whole_window(tmp_path: Path) -> None:
    path = write(tmp_path, FILE.replace("sli:", "unit: seconds\nsli:"))
    made = {r.get("record"): r for g in document([load(path)])["groups"] for r in g["rules"]}
    expected = 'sum_over_time(slo:sli_bad:rate5m{slo="shop-orders"}[1h]) * 30 / 3600'
    assert made["slo:sli_error:ratio_rate1h"]["expr"] == expected


def test_the_step_of_the_sums_is_the_interval_of_the_records() -> None:
    groups = {group["name"]: group["interval"] for group in yaml.safe_load(render())["groups"]}
    assert groups["slo:base"] == f"{slo_module.STEP}s"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("objective: 99.9", "objective: 120"), "objective"),
        (("objective: 99.9", "objective: 90"), "nothing burns"),
        (("slo: shop-orders", "slo: Shop"), "slo"),
        (("team: platform", "teem: platform"), "teem"),
        (("sli:", "sli: ["), r"orders\.yml"),
    ],
)
def test_wrong_files_are_refused_by_name(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(SloError, match=message):
        load(write(tmp_path, FILE.replace(*change)))


def test_a_folder_without_slos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SloError, match="no SLO file"):
        render(tmp_path)


@pytest.mark.parametrize("text", ["5", "5y", "h"])
def test_windows_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a window"):
        seconds(text)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import typer

    monkeypatch.setattr(slo_module, "OUTPUT", tmp_path / "slo.yml")
    app = typer.Typer()
    app.command()(slo_module.main)
    return lambda *args: CliRunner().invoke(app, list(args))


def test_check_finds_drift_and_generate_mends_it(command, tmp_path: Path) -> None:
    assert command("--check").exit_code == 1
    assert command().exit_code == 0
    assert command("--check").exit_code == 0
    (tmp_path / "slo.yml").write_text(render().replace("14.4", "20"))
    drifted = command("--check")
    assert drifted.exit_code == 1
    assert "+" in drifted.output


def test_a_wrong_slo_file_ends_with_two(command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise SloError("orders.yml: no")

    monkeypatch.setattr(slo_module, "render", refuse)
    assert command().exit_code == 2
