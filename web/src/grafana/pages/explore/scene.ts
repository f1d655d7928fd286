// The part of a pane that Grafana's scenes library keeps: time range, refresh, query runners.
import { behaviors, SceneObjectBase, SceneQueryRunner, SceneRefreshPicker, SceneTimePicker, SceneTimeRange, VizPanel, type SceneObjectState } from "@grafana/scenes";
import { counts } from "./logql";
import { asks, type Known, type Query, type Range } from "./state";

interface State extends SceneObjectState {
  time: SceneTimePicker;
  refresh: SceneRefreshPicker;
  /** What the lines, the graph or the table are made of. */
  main?: SceneQueryRunner;
  /** Newest values of a metric query. */
  now?: SceneQueryRunner;
  graph?: VizPanel;
}

export class ExploreScene extends SceneObjectBase<State> {}

/** Milliseconds as the scenes library takes them. */
const moment = (text: string) => (/^\d+$/.test(text) ? new Date(Number(text)).toISOString() : text);
const asMs = (text: string) => (/^\d{4}-/.test(text) ? String(Date.parse(text)) : text);

export const rangeOf = (scene: ExploreScene): Range => {
  const { from, to } = scene.state.$timeRange!.state;
  return { from: asMs(from), to: asMs(to) };
};

export function setRange(scene: ExploreScene, range: Range): void {
  const now = rangeOf(scene);
  if (now.from === range.from && now.to === range.to) return;
  const made = timeRange(range);
  scene.state.$timeRange!.setState({ from: made.state.from, to: made.state.to, value: made.state.value });
}

const timeRange = (range: Range) => new SceneTimeRange({ from: moment(range.from), to: moment(range.to) });

const COLORS: [string, string][] = [["critical|fatal", "purple"], ["error", "red"], ["warn.*", "orange"], ["info|notice", "green"], ["debug", "blue"], ["trace", "light-blue"]];
const LEVELS = COLORS.map(([level, color]) => ({ matcher: { id: "byRegexp", options: `/^(${level})$/i` }, properties: [{ id: "color", value: { mode: "fixed", fixedColor: color } }] }));
const BARS = { drawStyle: "bars", fillOpacity: 80, lineWidth: 0, barWidthFactor: 0.9, stacking: { mode: "normal", group: "A" }, showPoints: "never" };
const BARS_SHOWN = 120;
const LINES = { fillOpacity: 8, lineWidth: 1.5, showPoints: "auto" };

export function sceneOf(source: Known, queries: Query[], range: Range, refresh: string): ExploreScene {
  const datasource = { uid: source.uid, type: source.type };
  const asked = queries.filter(asks);
  const run = (made: object[], points = Math.min(1500, Math.max(200, innerWidth - 100))) => (made.length ? new SceneQueryRunner({ datasource, queries: made as never, maxDataPointsFromWidth: false, maxDataPoints: points }) : undefined);
  const common = {
    $timeRange: timeRange(range), $behaviors: [new behaviors.CursorSync({ sync: 1 })],
    time: new SceneTimePicker({ isOnCanvas: true }), refresh: new SceneRefreshPicker({ isOnCanvas: true, refresh }),
  };
  if (source.type === "prometheus") {
    const ranged = run(asked.filter((one) => one.queryType !== "instant").map((one) => ({ ...one, range: true, instant: false, exemplar: true })));
    const now = run(asked.map((one) => ({ ...one, range: false, instant: true, format: "table" })));
    return new ExploreScene({ ...common, main: ranged, now, graph: ranged && panel("Graph", LINES, ranged) });
  }
  if (source.type !== "loki" || !asked.length) return new ExploreScene(common);
  if (asked.every((one) => counts(one.expr ?? ""))) {
    const main = run(asked);
    return new ExploreScene({ ...common, main, graph: panel("Graph", LINES, main) });
  }
  const lines = asked.filter((one) => !counts(one.expr ?? ""));
  const volume = run(lines.map((one) => ({ refId: `volume-${one.refId}`, expr: `sum by (detected_level) (count_over_time(${one.expr} [$__interval]))`, legendFormat: "{{detected_level}}" })), BARS_SHOWN);
  return new ExploreScene({ ...common, main: run(lines), graph: panel("Log volume", BARS, volume, LEVELS) });
}

function panel(title: string, custom: object, data: SceneQueryRunner | undefined, overrides: object[] = []): VizPanel {
  const own = data?.parent ? data.clone() : data;
  return new VizPanel({
    pluginId: "timeseries", title, $data: own, hoverHeader: true, displayMode: "transparent",
    options: { tooltip: { mode: "multi", sort: "desc" }, legend: { showLegend: true, displayMode: "list", placement: "bottom", calcs: [] } },
    fieldConfig: { defaults: { custom, min: custom === BARS ? 0 : undefined }, overrides: overrides as never },
  });
}
