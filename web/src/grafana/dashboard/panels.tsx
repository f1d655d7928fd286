// A panel of a dashboard as a scene object.
import type { FieldConfigSource } from "@grafana/data";
import { SceneDataTransformer, SceneQueryRunner, SceneTimeRange, VizPanel, VizPanelMenu } from "@grafana/scenes";
import { locationService } from "@grafana/runtime";
import { successor } from "../panels/plugins";
import { reference, type PanelJson } from "./json";
import { PanelLinks } from "./links";
import { menuOf } from "./menu";

const NO_QUERY = new Set(["text", "row", "dashlist", "news", "alertlist"]);

/** The lowest threshold has no bound in JSON. */
function bounds(config: FieldConfigSource | undefined): FieldConfigSource {
  const defaults = { ...config?.defaults };
  if (defaults.thresholds?.steps) {
    defaults.thresholds = { ...defaults.thresholds, steps: defaults.thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity })) };
  }
  return { defaults, overrides: config?.overrides ?? [] };
}

/** About one point a pixel, known before the panel is drawn, so that its query need not wait for that. */
function pointsOf({ gridPos }: PanelJson): number {
  const share = window.innerWidth < 768 ? 1 : (gridPos?.w ?? 12) / 24;
  return Math.max(100, Math.round((window.innerWidth * share) / 50) * 50);
}

function dataOf(json: PanelJson) {
  if (NO_QUERY.has(json.type) || !json.targets?.length) return undefined;
  const first = json.targets.find((target) => target.datasource)?.datasource;
  const runner = new SceneQueryRunner({
    queries: json.targets, datasource: reference(json.datasource) ?? reference(first), minInterval: json.interval ?? undefined,
    maxDataPoints: json.maxDataPoints ?? pointsOf(json),
  });
  return json.transformations?.length ? new SceneDataTransformer({ $data: runner, transformations: json.transformations }) : runner;
}

export function vizPanel(json: PanelJson, key: string): VizPanel {
  const links = json.links ?? [];
  return new VizPanel({
    key, pluginId: successor(json.type), title: json.title ?? "", description: json.description, options: (json.options ?? {}) as never,
    fieldConfig: bounds(json.fieldConfig) as never, pluginVersion: json.pluginVersion, displayMode: json.transparent ? "transparent" : "default", $data: dataOf(json),
    $timeRange: json.timeFrom ? new SceneTimeRange({ from: `now-${json.timeFrom}`, to: "now" }) : undefined,
    titleItems: links.length ? new PanelLinks({ links }) : undefined, menu: new VizPanelMenu({ $behaviors: [menuOf(json)] }),
    extendPanelContext: (_panel, context) => {
      context.canAddAnnotations = () => false;
      context.onOpenInspector = () => locationService.partial({ inspect: key, inspectTab: "query" });
    },
  });
}
