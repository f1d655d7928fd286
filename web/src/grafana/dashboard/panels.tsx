// Panels and rows of a dashboard as scene objects.
import type { FieldConfigSource } from "@grafana/data";
import {
  SceneDataTransformer, SceneGridItem, SceneGridLayout, SceneGridRow, SceneQueryRunner, SceneTimeRange, VizPanel, VizPanelMenu, type SceneGridItemLike,
} from "@grafana/scenes";
import { successor } from "../panels/plugins";
import { reference, type PanelJson } from "./json";
import { PanelLinks } from "./links";
import { menuOf } from "./menu";

const NO_QUERY = new Set(["text", "row", "dashlist", "news"]);

/** The lowest threshold has no bound in JSON. */
function bounds(config: FieldConfigSource | undefined): FieldConfigSource {
  const defaults = { ...config?.defaults };
  if (defaults.thresholds?.steps) {
    defaults.thresholds = { ...defaults.thresholds, steps: defaults.thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity })) };
  }
  return { defaults, overrides: config?.overrides ?? [] };
}

function dataOf(json: PanelJson) {
  if (NO_QUERY.has(json.type) || !json.targets?.length) return undefined;
  const first = json.targets.find((target) => target.datasource)?.datasource;
  const runner = new SceneQueryRunner({
    queries: json.targets, datasource: reference(json.datasource) ?? reference(first), minInterval: json.interval ?? undefined,
    maxDataPoints: json.maxDataPoints ?? undefined, maxDataPointsFromWidth: true,
  });
  return json.transformations?.length ? new SceneDataTransformer({ $data: runner, transformations: json.transformations }) : runner;
}

export function vizPanel(json: PanelJson): VizPanel {
  const links = json.links ?? [];
  return new VizPanel({
    key: `panel-${json.id}`, pluginId: successor(json.type), title: json.title ?? "", description: json.description, options: (json.options ?? {}) as never,
    fieldConfig: bounds(json.fieldConfig) as never, pluginVersion: json.pluginVersion, displayMode: json.transparent ? "transparent" : "default", $data: dataOf(json),
    $timeRange: json.timeFrom ? new SceneTimeRange({ from: `now-${json.timeFrom}`, to: "now" }) : undefined,
    titleItems: links.length ? new PanelLinks({ links }) : undefined, menu: new VizPanelMenu({ $behaviors: [menuOf(json)] }),
    extendPanelContext: (_panel, context) => { context.canAddAnnotations = () => false; },
  });
}

function item(json: PanelJson): SceneGridItemLike {
  const { x = 0, y = 0, w = 12, h = 8 } = json.gridPos ?? {};
  return new SceneGridItem({ key: `grid-item-${json.id}`, x, y, width: w, height: h, body: vizPanel(json) });
}

/** Every panel and row with a number of its own: builders leave those of rows out, and files repeat some. */
function numbered(panels: PanelJson[]): PanelJson[] {
  const all = panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
  const used = new Set<number>();
  let next = all.reduce((most, panel) => Math.max(most, panel.id || 0), 0);
  const own = (panel: PanelJson): PanelJson => {
    const id = panel.id && !used.has(panel.id) ? panel.id : ++next;
    used.add(id);
    return { ...panel, id, panels: panel.panels?.map(own) };
  };
  return panels.map(own);
}

/** The grid: panels after an open row belong to it, a closed row holds its own. */
export function grid(panels: PanelJson[] = []): SceneGridLayout {
  const list = numbered(panels);
  const children: SceneGridItemLike[] = [];
  let row: SceneGridRow | undefined;
  for (const json of list.sort((a, b) => (a.gridPos?.y ?? 0) - (b.gridPos?.y ?? 0) || (a.gridPos?.x ?? 0) - (b.gridPos?.x ?? 0))) {
    if (json.type === "row") {
      row = new SceneGridRow({ key: `row-${json.id}`, title: json.title ?? "", y: json.gridPos?.y ?? 0, isCollapsed: json.collapsed ?? false, children: (json.panels ?? []).map(item) });
      children.push(row);
    } else if (row && !row.state.isCollapsed) row.setState({ children: [...row.state.children, item(json)] });
    else children.push(item(json));
  }
  return new SceneGridLayout({ isDraggable: false, isResizable: false, isLazy: true, children });
}
