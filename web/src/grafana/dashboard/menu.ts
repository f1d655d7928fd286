// The menu of a panel: full screen, its data as CSV, its query in Explore.
import { applyRawFieldOverrides, toCSV, type DataFrame, type PanelMenuItem } from "@grafana/data";
import { locationService } from "@grafana/runtime";
import { sceneGraph, type SceneObject, type VizPanelMenu } from "@grafana/scenes";
import { reference, type PanelJson } from "./json";

function download(name: string, frames: DataFrame[]): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([toCSV(applyRawFieldOverrides(frames))], { type: "text/csv" }));
  link.download = `${name}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Leads to Explore with the panel's first query, its variables filled in, its time kept. */
function explore(panel: SceneObject, json: PanelJson): void {
  const target = json.targets?.[0] as { expr?: string; query?: string; datasource?: never } | undefined;
  const range = sceneGraph.getTimeRange(panel).state;
  const uid = sceneGraph.interpolate(panel, reference(target?.datasource ?? json.datasource)?.uid ?? "");
  const query = sceneGraph.interpolate(panel, target?.expr ?? target?.query ?? "", undefined, "regex");
  locationService.push(`/explore?${new URLSearchParams({ source: uid, query, from: range.from, to: range.to })}`);
}

export const menuOf = (json: PanelJson) => (menu: VizPanelMenu) => {
  const panel = menu.parent!;
  const items: PanelMenuItem[] = [{ text: "View", iconClassName: "eye", onClick: () => locationService.partial({ viewPanel: `panel-${json.id}` }) }];
  if (json.targets?.length) {
    items.push({ text: "Explore", iconClassName: "compass", onClick: () => explore(panel, json) });
    items.push({ text: "Download CSV", iconClassName: "download-alt", onClick: () => download(json.title ?? "panel", sceneGraph.getData(panel).state.data?.series ?? []) });
  }
  menu.setState({ items });
};
