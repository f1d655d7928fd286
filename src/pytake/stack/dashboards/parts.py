"""Building blocks: what every panel of ours has is said once (title, description, unit, data source, interval).

Expressions may use ``$__rate_interval``; what is expensive or shared with an alert is a recording rule.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    loki,
    piechart,
    prometheus,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.builders import logs as logs_panel
from grafana_foundation_sdk.models import common as cm
from grafana_foundation_sdk.models import dashboard as dm
from grafana_foundation_sdk.models import piechart as pm
from grafana_foundation_sdk.models import prometheus as pq

PROMETHEUS = dm.DataSourceRef(type_val="prometheus", uid="${datasource}")
LOKI = dm.DataSourceRef(type_val="loki", uid="${loki}")
JAEGER = dm.DataSourceRef(type_val="jaeger", uid="${jaeger}")
Queries = str | Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Panel:
    """A finished panel with its place in the flow: ``width`` of 24 columns, ``height`` in grid rows."""

    builder: Any
    width: int = 12
    height: int = 8


@dataclass
class Board:
    """A dashboard under construction: rows of panels that flow from left to right."""

    uid: str
    title: str
    description: str
    tags: tuple[str, ...] = ()
    variables: Sequence[Any] = ()
    refresh: str = "30s"
    since: str = "now-1h"
    logs: bool = False
    traces: bool = False
    _rows: list[tuple[str, list[Panel]]] = field(default_factory=list)

    def row(self, title: str, *panels: Panel) -> None:
        """Add a row with its panels."""
        self._rows.append((title, list(panels)))

    def build(self) -> Any:
        """The SDK's model of the dashboard."""
        made = (
            dashboard.Dashboard(self.title).uid(self.uid).description(self.description)
            .tags(["pytake", *self.tags]).refresh(self.refresh).time(self.since, "now")
            .timezone("browser").tooltip(dm.DashboardCursorSync.CROSSHAIR).editable()
            .with_variable(datasource("datasource", "Metrics", "prometheus"))
            .with_variable(_runbooks())
        )  # fmt: skip
        if self.logs:
            made = made.with_variable(datasource("loki", "Logs", "loki"))
        if self.traces:
            made = made.with_variable(datasource("jaeger", "Traces", "jaeger"))
        for variable in self.variables:
            made = made.with_variable(variable)
        made = made.links([_dashboards_link()]).annotation(_alerts()).annotation(_restarts())
        number, y = 1, 0
        for title, panels in self._rows:
            made = made.with_row(dashboard.Row(title).id(number).grid_pos(dm.GridPos(h=1, w=24, x=0, y=y)))
            y, number = y + 1, number + 1
            x = tallest = 0
            for panel in panels:
                if x + panel.width > 24:
                    x, y, tallest = 0, y + tallest, 0
                place = dm.GridPos(h=panel.height, w=panel.width, x=x, y=y)
                made = made.with_panel(panel.builder.id(number).grid_pos(place))
                x, tallest, number = x + panel.width, max(tallest, panel.height), number + 1
            y += tallest
        return made.build()


def datasource(name: str, label: str, kind: str) -> Any:
    """The variable that lets a viewer choose among data sources of a kind."""
    return dashboard.DatasourceVariable(name).label(label).type(kind)


def variable(name: str, label: str, query: str) -> Any:
    """A variable with the values of a label, several at once."""
    return (
        dashboard.QueryVariable(name).label(label).datasource(PROMETHEUS).query(query).refresh(dm.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dm.VariableSort.ALPHABETICAL_ASC).multi(True).include_all(True).all_value(".+")
        .current(dm.VariableOption(selected=True, text="All", value="$__all"))
    )  # fmt: skip


def _runbooks() -> Any:
    """Where runbooks are read; hidden, an operator changes it in the dashboard's settings."""
    return dashboard.ConstantVariable("runbooks").value("http://localhost:8789/runbooks")  # Grafana hides constants


def _dashboards_link() -> Any:
    return (
        dashboard.DashboardLink("PyTake").type(dm.DashboardLinkType.DASHBOARDS).tags(["pytake"]).as_dropdown(True)
        .include_vars(False).keep_time(True).icon("external link")
    )  # fmt: skip


def _annotation_model(name: str, color: str, expr: str, title: str) -> Any:
    """The SDK's model lacks Prometheus' own fields; they travel in the target."""
    return _Made(
        {
            "name": name, "datasource": {"type": "prometheus", "uid": "${datasource}"}, "enable": True, "hide": False,
            "iconColor": color, "expr": expr, "titleFormat": title, "step": "60s", "useValueForTime": "false",
        }
    )  # fmt: skip


class _Made:
    """A builder whose result is given."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def build(self) -> Any:
        """The value."""
        return self._value


def _alerts() -> Any:
    return _annotation_model(
        "Critical alerts",
        "red",
        'count by (alertname) (ALERTS{alertstate="firing", severity="critical"}) > 0',
        "{{alertname}}",
    )


def _restarts() -> Any:
    return _annotation_model(
        "Deploys and restarts",
        "blue",
        'changes(process_start_time_seconds{job=~"pytake-.+"}[1m]) > 0',
        "{{job}} started",
    )


# --------------------------------------------------------------------------------------------------------------- queries
def _targets(panel: Any, queries: Queries, *, instant: bool = False, exemplars: bool = False) -> Any:
    pairs = [(queries, "")] if isinstance(queries, str) else list(queries)
    for number, (expr, legend) in enumerate(pairs):
        query = prometheus.Dataquery().expr(expr).ref_id(chr(ord("A") + number)).legend_format(legend or "__auto")
        query = query.instant() if instant else query.range()
        if exemplars and "_bucket" in expr:
            query = query.exemplar(True)
        panel = panel.with_target(query)
    return panel


def _common(panel: Any, title: str, description: str, unit: str, links: Iterable[tuple[str, str]]) -> Any:
    panel = panel.title(title).description(description).datasource(PROMETHEUS).unit(unit)
    found = [
        dashboard.DashboardLink(name).type(dm.DashboardLinkType.LINK).url(url).target_blank(True) for name, url in links
    ]
    return panel.links(found) if found else panel


def thresholds(*steps: tuple[float | None, str]) -> Any:
    """Thresholds from (value, colour); the first value is ``None``."""
    made = [dm.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(dm.ThresholdsMode.ABSOLUTE).steps(made)


SOFT = {"percentunit": 0.01, "currencyUSD": 0.01, "short": 0.1, "ops": 0.1, "reqps": 0.1}
"""How high an axis reaches at least: without it nothing but zeros makes an axis up to 100 (10,000 %)."""

OUTCOMES = {
    r"success|delivered|read|done|processed|accepted|2..": "green",
    r"(.* )?(failed|errors?|rejected|refused|dead|critical|invalid_\w+|5..)|bad .*": "red",
    r"warning|retr(y|ied)|timeout|rate_limited|4..": "yellow",
}  # fmt: skip
"""Colours by meaning: regular expressions over series names, as a whole."""


def zero(expr: str, **labels: str) -> str:
    """``expr``, or a single 0 with ``labels`` while nothing of the kind has ever happened."""
    nothing = "vector(0)"
    for name, value in labels.items():
        nothing = f'label_replace({nothing}, "{name}", "{value}", "", "")'
    return f"{expr} or on() {nothing}"


def _colours(panel: Any, colours: dict[str, str]) -> Any:
    for pattern, colour in colours.items():
        fixed = dm.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})
        panel = panel.override_by_regexp(f"/^({pattern})$/", [fixed])
    return panel


def _legend(width: int, *, shown: bool) -> Any:
    """Beside wide graphs as a table, below narrow ones as a line: a table below takes half of the graph."""
    legend = (
        common.VizLegendOptions().show_legend(shown).calcs(["lastNotNull", "max"] if width >= 12 else ["lastNotNull"])
    )
    if width >= 12:
        return legend.display_mode(cm.LegendDisplayMode.TABLE).placement(cm.LegendPlacement.RIGHT)
    return legend.display_mode(cm.LegendDisplayMode.LIST).placement(cm.LegendPlacement.BOTTOM)


# ---------------------------------------------------------------------------------------------------------------- panels
def series(
    title: str, description: str, unit: str, queries: Queries, *, width: int = 12, height: int = 8, stacked: bool = False,
    steps: Sequence[tuple[float | None, str]] = (), runbook: str = "", exemplars: bool = False, low: float | None = 0,
    high: float | None = None, colours: dict[str, str] | None = None, legend: bool = True,
) -> Panel:  # fmt: skip
    """Lines over time. ``steps`` are thresholds drawn as lines, ``runbook`` the alert that they belong to.

    A single query without a legend is named by the title.
    """
    panel = _common(timeseries.Panel(), title, description, unit, _runbook(runbook))
    queries = [(queries, title)] if isinstance(queries, str) else queries
    panel = (
        _targets(panel, queries, exemplars=exemplars).line_width(1).fill_opacity(25 if stacked else 8)
        .show_points(cm.VisibilityMode.NEVER).span_nulls(False)
        .legend(_legend(width, shown=legend))
        .tooltip(common.VizTooltipOptions().mode(cm.TooltipDisplayMode.MULTI).sort(cm.SortOrder.DESCENDING))
    )  # fmt: skip
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(cm.StackingMode.NORMAL))
    if steps:
        panel = panel.thresholds(thresholds(*steps)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(cm.GraphTresholdsStyleMode.DASHED)
        )
    if low is not None:
        panel = panel.min(low)
    if high is not None:
        panel = panel.max(high)
    elif unit in SOFT:
        panel = panel.axis_soft_max(max([SOFT[unit], *(value * 1.2 for value, _ in steps if value)]))
    return Panel(_colours(panel, colours or {}), width, height)


def number(
    title: str, description: str, unit: str, queries: Queries, *, width: int = 4, height: int = 4, decimals: int | None = None,
    steps: Sequence[tuple[float | None, str]] = ((None, "green"),), texts: dict[str, tuple[str, str]] | None = None,
    runbook: str = "", background: bool = False, size: int = 0, links: Sequence[tuple[str, str]] = (),
) -> Panel:  # fmt: skip
    """One value (or one a label) in large type; ``texts`` maps values to (word, colour), ``size`` is the type's."""
    panel = _common(stat.Panel(), title, description, unit, [*_runbook(runbook), *links])
    if size:
        panel = panel.text(common.VizTextDisplayOptions().title_size(max(size - 2, 12)).value_size(size))
    panel = (
        _targets(panel, queries).thresholds(thresholds(*steps))
        .color_mode(cm.BigValueColorMode.BACKGROUND if background else cm.BigValueColorMode.VALUE)
        .graph_mode(cm.BigValueGraphMode.NONE if texts else cm.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )  # fmt: skip
    if decimals is not None:
        panel = panel.decimals(decimals)
    if texts:
        options = {v: dm.ValueMappingResult(text=t, color=c, index=i) for i, (v, (t, c)) in enumerate(texts.items())}
        panel = panel.mappings([dm.ValueMap(options=options)])
    return Panel(panel, width, height)


def bars(title: str, description: str, unit: str, queries: Queries, *, width: int = 8, height: int = 8,
         steps: Sequence[tuple[float | None, str]] = ((None, "blue"),), high: float | None = None,
         decimals: int | None = None, runbook: str = "") -> Panel:  # fmt: skip
    """A bar a label, its value now."""
    panel = _targets(_common(bargauge.Panel(), title, description, unit, _runbook(runbook)), queries, instant=True)
    if decimals is not None:
        panel = panel.decimals(decimals)
    panel = (
        panel.orientation(cm.VizOrientation.HORIZONTAL).display_mode(cm.BarGaugeDisplayMode.GRADIENT).min(0)
        .thresholds(thresholds(*steps)).reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )  # fmt: skip
    return Panel(panel.max(high) if high is not None else panel, width, height)


def pie(title: str, description: str, unit: str, queries: Queries, *, width: int = 8, height: int = 8) -> Panel:
    """Shares of a whole."""
    panel = _targets(_common(piechart.Panel(), title, description, unit, ()), queries, instant=True)
    legend = (
        piechart.PieChartLegendOptions().display_mode(cm.LegendDisplayMode.TABLE).placement(cm.LegendPlacement.RIGHT)
        .show_legend(True).values([pm.PieChartLegendValues.PERCENT, pm.PieChartLegendValues.VALUE])
    )  # fmt: skip
    panel = panel.pie_type(pm.PieChartType.DONUT).legend(legend)
    return Panel(panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)), width, height)


def heat(title: str, description: str, unit: str, expr: str, *, width: int = 12, height: int = 8) -> Panel:
    """A histogram over time; ``expr`` sums buckets by ``le``."""
    panel = _common(heatmap.Panel(), title, description, unit, ())
    query = prometheus.Dataquery().expr(expr).ref_id("A").legend_format("{{le}}").range()
    return Panel(panel.with_target(query.format(pq.PromQueryFormat.HEATMAP)).calculate(False), width, height)


@dataclass(frozen=True)
class Column:
    """How a table shows a label or a value: its heading, unit, colours by value, and where a click leads."""

    name: str
    unit: str = "string"
    steps: Sequence[tuple[float | None, str]] = ()
    link: str = ""
    decimals: int | None = None

    def overrides(self) -> list[dm.DynamicConfigValue]:
        """What differs from the table's defaults."""
        made = [dm.DynamicConfigValue(id_val="unit", value=self.unit)]
        if self.decimals is not None:
            made.append(dm.DynamicConfigValue(id_val="decimals", value=self.decimals))
        if self.steps:
            steps = [{"value": value, "color": colour} for value, colour in self.steps]
            made.append(dm.DynamicConfigValue(id_val="thresholds", value={"mode": "absolute", "steps": steps}))
            made.append(dm.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}))
        if self.link:
            made.append(dm.DynamicConfigValue(id_val="links", value=[{"title": "Open", "url": self.link}]))
        return made


def rows(title: str, description: str, queries: Queries, columns: dict[str, Column], *, width: int = 12, height: int = 8,
         hide: Sequence[str] = (), source: dm.DataSourceRef = PROMETHEUS, runbook: str = "") -> Panel:  # fmt: skip
    """A table of labels and their values now; ``columns`` in their order, by label, ``Value`` or ``Value #A``."""
    panel = _common(table.Panel(), title, description, "string", _runbook(runbook)).datasource(source)
    pairs = [(queries, "")] if isinstance(queries, str) else list(queries)
    for position, (expr, _) in enumerate(pairs):
        letter = chr(ord("A") + position)
        query = (
            prometheus.Dataquery().expr(expr).ref_id(letter).instant().format(pq.PromQueryFormat.TABLE)
            if source is PROMETHEUS
            else _Made({"expr": expr, "refId": letter, "queryType": "instant", "format": "table"})
        )
        panel = panel.with_target(query)
    for column in columns.values():
        panel = panel.override_by_name(column.name, column.overrides())
    if len(pairs) > 1:
        panel = panel.with_transformation(dm.DataTransformerConfig(id_val="merge", options={}))
    organize = dm.DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": dict.fromkeys(("Time", *hide), True),
            "indexByName": {name: position for position, name in enumerate(columns)},
            "renameByName": {name: column.name for name, column in columns.items()},
        },
    )
    return Panel(panel.with_transformation(organize), width, height)


def states(title: str, description: str, queries: Queries, texts: dict[str, tuple[str, str]], *, width: int = 12,
           height: int = 8) -> Panel:  # fmt: skip
    """States over time as coloured bands."""
    panel = _targets(_common(statetimeline.Panel(), title, description, "short", ()), queries)
    options = {v: dm.ValueMappingResult(text=t, color=c, index=i) for i, (v, (t, c)) in enumerate(texts.items())}
    return Panel(panel.mappings([dm.ValueMap(options=options)]).show_value(cm.VisibilityMode.NEVER), width, height)


def lines(title: str, description: str, expr: str, *, width: int = 24, height: int = 12) -> Panel:
    """Log lines."""
    panel = (
        logs_panel.Panel().title(title).description(description).datasource(LOKI).show_time(True).wrap_log_message(True)
    )
    panel = panel.enable_log_details(True).sort_order(cm.LogsSortOrder.DESCENDING)
    return Panel(panel.with_target(loki.Dataquery().expr(expr).ref_id("A").query_type("range")), width, height)


def log_series(title: str, description: str, unit: str, queries: Queries, *, width: int = 12, height: int = 8,
               colours: dict[str, str] | None = None) -> Panel:  # fmt: skip
    """Stacked bars over time from log queries."""
    panel = (
        timeseries.Panel().title(title).description(description).datasource(LOKI).unit(unit).fill_opacity(60).line_width(0)
        .draw_style(cm.GraphDrawStyle.BARS).stacking(common.StackingConfig().mode(cm.StackingMode.NORMAL)).min(0)
        .axis_soft_max(SOFT[unit]).legend(_legend(width, shown=True)).interval("10s")
        .tooltip(common.VizTooltipOptions().mode(cm.TooltipDisplayMode.MULTI).sort(cm.SortOrder.DESCENDING))
    )  # fmt: skip
    pairs = [(queries, "")] if isinstance(queries, str) else list(queries)
    for position, (expr, legend) in enumerate(pairs):
        query = loki.Dataquery().expr(expr).ref_id(chr(ord("A") + position)).legend_format(legend).query_type("range")
        panel = panel.with_target(query)
    return Panel(_colours(panel, colours or {}), width, height)


def log_number(title: str, description: str, unit: str, expr: str, *, width: int = 4, height: int = 4,
               decimals: int | None = None) -> Panel:  # fmt: skip
    """One value from a log query over the whole time range."""
    panel = stat.Panel().title(title).description(description).datasource(LOKI).unit(unit)
    panel = panel.graph_mode(cm.BigValueGraphMode.NONE).thresholds(thresholds((None, "green")))
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    if decimals is not None:
        panel = panel.decimals(decimals)
    return Panel(panel.with_target(loki.Dataquery().expr(expr).ref_id("A").query_type("instant")), width, height)


def trace(title: str, description: str, query: str, *, width: int = 24, height: int = 14) -> Panel:
    """One trace as a waterfall; ``query`` is its id. The SDK has no such panel and no queries of Jaeger."""
    panel = (
        text.Panel()
        .title(title)
        .description(description)
        .datasource(JAEGER)
        .no_value("Choose a trace in the list above.")
    )
    target: Any = _Made({"query": query, "refId": "A", "service": "pytake-worker"})
    return Panel(_Retyped(panel.with_target(target), "traces"), width, height)


class _Retyped:
    """A panel whose type the SDK does not know."""

    def __init__(self, builder: Any, kind: str) -> None:
        self._builder, self._kind = builder, kind

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._builder, name)
        return lambda *values: _Retyped(method(*values), self._kind)

    def build(self) -> Any:
        """The model, with the type that it should have and no options."""
        model = self._builder.build()
        model.type_val, model.options = self._kind, {}
        return model


def words(title: str, markdown: str, *, width: int = 24, height: int = 5) -> Panel:
    """Text."""
    panel = text.Panel().title(title).description("What this page is for.").content(markdown).transparent(True)
    return Panel(panel, width, height)


def _runbook(alert: str) -> list[tuple[str, str]]:
    return [(f"Runbook: {alert}", f"${{runbooks}}/{alert}.md")] if alert else []
