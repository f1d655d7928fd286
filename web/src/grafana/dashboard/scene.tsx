// A dashboard as one scene: controls above, the grid or one full-screen panel below.
import { css } from "@emotion/css";
import type { GrafanaTheme2 } from "@grafana/data";
import {
  behaviors, dataLayers, SceneControlsSpacer, SceneDataLayerSet, SceneGridLayout, SceneObjectBase, SceneRefreshPicker, SceneTimePicker, SceneTimeRange,
  VariableValueSelectors, VizPanel, sceneGraph, type SceneComponentProps, type SceneObject, type SceneObjectState,
} from "@grafana/scenes";
import { Button, useStyles2 } from "@grafana/ui";
import { locationService } from "@grafana/runtime";
import { useLayoutEffect } from "react";
import { useLocation } from "react-router-dom";
import { reference, type AnnotationJson, type DashboardJson, type DashboardMeta, type PanelJson } from "./json";
import { prefer } from "../runtime/preferences";
import { opened } from "./active";
import { AnnotationSwitches } from "./AnnotationSwitches";
import { DashboardLinks } from "./DashboardLinks";
import { Drawers } from "./Drawers";
import { layoutOf } from "./layout";
import { grid } from "./repeats";
import { Toolbar } from "./Toolbar";
import { variableSet } from "./variables";

interface State extends SceneObjectState { json: DashboardJson; original: DashboardJson; meta: DashboardMeta; body: SceneGridLayout; controls: SceneObject[] }

const styles = (theme: GrafanaTheme2) => ({
  controls: css({ display: "flex", flexWrap: "wrap", gap: 8, alignItems: "flex-start", padding: "8px 0", position: "sticky", top: 0, zIndex: theme.zIndex.navbarFixed, background: theme.colors.background.canvas, [theme.breakpoints.down("md")]: { position: "static" } }),
  body: css({ flex: 1, display: "flex", flexDirection: "column", minHeight: 0, position: "relative" }),
  alone: css({ height: "calc(100vh - 130px)", minHeight: 240, display: "flex", flexDirection: "column", position: "relative" }),
});

/** Variables tell their news to active objects only: what lies between the dashboard and the one panel must be active. */
function activateAround(panel: SceneObject, top: SceneObject): () => void {
  const undo: (() => void)[] = [];
  for (let object = panel.parent; object && object !== top; object = object.parent) undo.push(object.activate());
  return () => undo.forEach((one) => one());
}

function DashboardView({ model }: SceneComponentProps<DashboardScene>) {
  const { body, controls, json } = model.useState();
  body.useState();
  const style = useStyles2(styles);
  const search = new URLSearchParams(useLocation().search);
  const wanted = search.get("viewPanel");
  const kiosk = search.has("kiosk");
  const panel = (wanted && model.panel(wanted)) || undefined;
  useLayoutEffect(() => (wanted && !panel ? body.activate() : undefined), [wanted, panel, body]);
  useLayoutEffect(() => (panel ? activateAround(panel, model) : undefined), [panel, model]);
  return (
    <>
      {!kiosk && (
        <div className={style.controls}>
          {panel && <Button icon="arrow-left" variant="secondary" onClick={() => locationService.partial({ viewPanel: null })}>All panels</Button>}
          {controls.map((control) => <control.Component key={control.state.key} model={control} />)}
          <AnnotationSwitches scene={model} /><DashboardLinks links={json.links ?? []} /><Toolbar uid={json.uid} />
        </div>
      )}
      {panel ? <div className={style.alone}><panel.Component model={panel} /></div> : <div className={style.body}><body.Component model={body} /></div>}
      <Drawers scene={model} />
    </>
  );
}

export class DashboardScene extends SceneObjectBase<State> {
  static Component = DashboardView;

  constructor(state: State) {
    super(state);
    this.addActivationHandler(() => {
      const close = opened(this);
      const zones = sceneGraph.getTimeRange(this).subscribeToState(({ timeZone }, before) => { if (timeZone && timeZone !== before.timeZone) prefer({ timezone: timeZone }); });
      return () => { close(); zones.unsubscribe(); };
    });
  }

  /** A panel by the id in the address: ``panel-3`` or ``3``. */
  panel(id: string): VizPanel | undefined {
    const key = id.startsWith("panel-") ? id : `panel-${id}`;
    return sceneGraph.findObject(this, (object) => object instanceof VizPanel && object.state.key === key) as VizPanel | undefined;
  }

  /** The JSON that a panel was made from. */
  panelJson(panel: VizPanel): PanelJson | undefined {
    const { loose, rows } = layoutOf(this.state.json.panels, () => [{ value: "", text: "" }]);
    const id = panel.state.key?.replace(/-clone-.*/, "");
    return [...loose, ...rows.flatMap((row) => row.children)].find(({ key }) => key === id)?.json;
  }
}

/** Annotations that have something to ask: a query, or the server's own. */
const isOwn = (json: AnnotationJson) => reference(json.datasource)?.uid === "-- Grafana --" || reference(json.datasource)?.type === "grafana";
const asks = (json: AnnotationJson) => isOwn(json) || !!(json.expr ?? json.target?.["expr"] ?? json.target?.["query"]);

function layer(json: AnnotationJson, index: number, uid: string) {
  const target = isOwn(json) ? { limit: 100, ...json.target, type: json.target?.["type"] === "tags" || json.type === "tags" ? "tags" : "dashboard", tags: json.target?.["tags"] ?? json.tags, dashboardUID: uid }
    : json.target ?? { refId: "Anno", expr: json.expr, interval: json.step, range: true };
  return new dataLayers.AnnotationsDataLayer({
    key: `annotation-${index}`, name: json.name, isEnabled: json.enable ?? true, isHidden: json.hide ?? !!json.builtIn,
    query: { ...json, enable: json.enable ?? true, iconColor: json.iconColor ?? "red", datasource: reference(json.datasource), target } as never,
  });
}

/** Every dashboard shows what was written to it. */
const BUILT_IN: AnnotationJson = { name: "Annotations", builtIn: 1, enable: true, hide: true, iconColor: "rgba(0, 211, 255, 1)", datasource: { type: "grafana", uid: "-- Grafana --" } };

export function sceneOf(json: DashboardJson, meta: DashboardMeta = {}, original = json): DashboardScene {
  const listed = (json.annotations?.list ?? []).filter(asks);
  const annotations = listed.some((one) => one.builtIn) ? listed : [BUILT_IN, ...listed];
  const controls: SceneObject[] = [
    new VariableValueSelectors({}), new SceneControlsSpacer(),
    new SceneTimePicker({ isOnCanvas: true }),
    new SceneRefreshPicker({ refresh: json.refresh || "", intervals: json.timepicker?.refresh_intervals ?? ["5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h"], isOnCanvas: true }),
  ];
  return new DashboardScene({
    json, original, meta, controls, body: grid(json.panels),
    $timeRange: new SceneTimeRange({ from: json.time?.from ?? "now-6h", to: json.time?.to ?? "now", timeZone: json.timezone && json.timezone !== "browser" ? json.timezone : undefined }),
    $variables: variableSet(json.templating?.list),
    $data: annotations.length ? new SceneDataLayerSet({ layers: annotations.map((one, i) => layer(one, i, json.uid)) }) : undefined,
    $behaviors: [new behaviors.CursorSync({ sync: json.graphTooltip ?? 0 })],
  });
}
