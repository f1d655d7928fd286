// The menu of a panel: full screen, link, picture, its query in Explore, what it asked and got.
import { type PanelMenuItem } from "@grafana/data";
import { locationService } from "@grafana/runtime";
import { sceneGraph, type SceneObject, type VizPanel, type VizPanelMenu } from "@grafana/scenes";
import { reference, type PanelJson } from "./json";

/** Leads to Explore with the panel's first query, its variables filled in, its time kept. */
export function explore(panel: SceneObject, json: PanelJson): void {
  const target = json.targets?.[0] as { expr?: string; query?: string; datasource?: never } | undefined;
  const range = sceneGraph.getTimeRange(panel).state;
  const uid = sceneGraph.interpolate(panel, reference(target?.datasource ?? json.datasource)?.uid ?? "");
  const query = sceneGraph.interpolate(panel, target?.expr ?? target?.query ?? "", undefined, "regex");
  locationService.push(`/explore?${new URLSearchParams({ source: uid, query, from: range.from, to: range.to })}`);
}

const inspect = (key: string, tab: string) => () => locationService.partial({ inspect: key, inspectTab: tab });

export const menuOf = (json: PanelJson) => (menu: VizPanelMenu) => {
  const panel = menu.parent as VizPanel, key = panel.state.key!;
  const items: PanelMenuItem[] = [
    { text: "View", iconClassName: "eye", shortcut: "v", onClick: () => locationService.partial({ viewPanel: key }) },
    { text: "Share", iconClassName: "share-alt", shortcut: "p s", onClick: () => locationService.partial({ shareView: key }) },
  ];
  if (json.targets?.length) {
    items.push({ text: "Explore", iconClassName: "compass", shortcut: "x", onClick: () => explore(panel, json) });
    items.push({
      text: "Inspect", iconClassName: "info-circle", shortcut: "i", onClick: inspect(key, "data"), subMenu: [
        { text: "Data", onClick: inspect(key, "data") }, { text: "Query", onClick: inspect(key, "query") }, { text: "Panel JSON", onClick: inspect(key, "json") },
      ],
    });
  } else items.push({ text: "Panel JSON", iconClassName: "info-circle", onClick: inspect(key, "json") });
  menu.setState({ items });
};
