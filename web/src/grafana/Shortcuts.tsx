// What keys do, and the dialog that lists it.
import { css } from "@emotion/css";
import { config, locationService } from "@grafana/runtime";
import { SceneGridRow, sceneGraph } from "@grafana/scenes";
import { Modal } from "@grafana/ui";
import { useEffect, useState } from "react";
import { activeScene } from "./dashboard/active";
import { explore } from "./dashboard/menu";
import { listen, type Actions } from "./runtime/keys";
import { otherTheme } from "./theme";

const HELP: [string, [string, string][]][] = [
  ["Everywhere", [["?", "this list"], ["/", "search for dashboards"], ["g h", "home"], ["g d", "dashboards"], ["g e", "Explore"], ["g a", "alerting"], ["c t", "dark or light"], ["Escape", "leave what is open"]]],
  ["Dashboard", [["d r", "refresh"], ["d k", "kiosk"], ["d s", "JSON model"], ["d c", "close all rows"], ["d e", "open all rows"], ["p l", "share the dashboard"]]],
  ["Time", [["t z", "zoom out"], ["t ←", "back"], ["t →", "forth"]]],
  ["Panel under the mouse", [["v", "full screen"], ["i", "inspect"], ["x", "explore"], ["p s", "share"]]],
];
const lists = css({ display: "grid", gridTemplateColumns: "repeat(auto-fit, minmax(240px, 1fr))", gap: 16, td: { padding: "2px 12px 2px 0" } });

const hovered = () => document.querySelector<HTMLElement>("[data-viz-panel-key]:hover")?.dataset["vizPanelKey"];
const open = (changed: Record<string, string | null>) => () => locationService.partial(changed);
/** Leaves the innermost of what is open. */
function leave(): void {
  const search = new URLSearchParams(locationService.getLocation().search);
  const innermost = ["editview", "shareView", "inspect", "viewPanel", "kiosk"].find((name) => search.has(name));
  if (innermost) locationService.partial({ [innermost]: null, ...(innermost === "inspect" && { inspectTab: null }) });
}

function onTime(change: (from: number, to: number) => [number, number]): void {
  const scene = activeScene();
  if (!scene) return;
  const range = sceneGraph.getTimeRange(scene), { from, to } = range.state.value;
  const [first, last] = change(from.valueOf(), to.valueOf());
  locationService.partial({ from: String(Math.round(first)), to: String(Math.round(last)) });
}

function rows(collapsed: boolean): void {
  const scene = activeScene();
  if (!scene) return;
  for (const child of scene.state.body.state.children) {
    if (child instanceof SceneGridRow && (child.state.isCollapsed ?? false) !== collapsed) child.onCollapseToggle();
  }
}

function onPanel(act: (key: string) => void): void {
  const key = hovered();
  if (key && activeScene()?.panel(key)) act(key);
}

function explorePanel(key: string): void {
  const scene = activeScene(), panel = scene?.panel(key), json = panel && scene?.panelJson(panel);
  if (panel && json?.targets?.length) explore(panel, json);
}

function actionsOf(help: () => void): Actions {
  const go = (path: string) => () => locationService.push(path);
  const anywhere: Actions = {
    "?": help, "/": go("/dashboards"), "ctrl+k": go("/dashboards"), "g h": go("/"), "g d": go("/dashboards"), "g e": go("/explore"), "g a": go("/alerting"), "c t": otherTheme, Escape: leave,
  };
  const scene = activeScene();
  if (!scene) return anywhere;
  return {
    ...anywhere, "d r": () => sceneGraph.getTimeRange(scene).onRefresh(), "d k": open({ kiosk: "true" }), "d s": open({ editview: "json-model" }), "d c": () => rows(true), "d e": () => rows(false), "p l": open({ shareView: "link" }),
    "t z": () => onTime((from, to) => [from - (to - from) / 2, to + (to - from) / 2]), "t ArrowLeft": () => onTime((from, to) => [from - (to - from) / 2, to - (to - from) / 2]),
    "t ArrowRight": () => onTime((from, to) => [from + (to - from) / 2, to + (to - from) / 2]),
    v: () => onPanel((key) => locationService.partial({ viewPanel: new URLSearchParams(location.search).has("viewPanel") ? null : key })),
    i: () => onPanel((key) => locationService.partial({ inspect: key, inspectTab: "data" })), x: () => onPanel(explorePanel), "p s": () => onPanel((key) => locationService.partial({ shareView: key })),
  };
}

export function Shortcuts() {
  const [shown, show] = useState(false);
  useEffect(() => listen(() => actionsOf(() => show(true))), []);
  return (
    <Modal title="Keys" isOpen={shown} onDismiss={() => show(false)}>
      <div className={lists}>
        {HELP.map(([title, keys]) => (
          <section key={title}>
            <h5>{title}</h5>
            <table><tbody>{keys.map(([key, does]) => <tr key={key}><td><kbd style={{ color: config.theme2.colors.text.maxContrast }}>{key}</kbd></td><td>{does}</td></tr>)}</tbody></table>
          </section>
        ))}
      </div>
    </Modal>
  );
}
