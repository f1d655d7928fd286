// Drawers that the address opens, loaded when they are wanted.
import { locationService } from "@grafana/runtime";
import { lazy, Suspense } from "react";
import { useLocation } from "react-router-dom";
import type { DashboardScene } from "./scene";

const InspectDrawer = lazy(() => import("./drawers/InspectDrawer"));
const ShareDrawer = lazy(() => import("./drawers/ShareDrawer"));
const JsonDrawer = lazy(() => import("./drawers/JsonDrawer"));

export function Drawers({ scene }: { scene: DashboardScene }) {
  const search = new URLSearchParams(useLocation().search);
  const { json, meta } = scene.state;
  const inspected = search.get("inspect"), shared = search.get("shareView");
  const panel = inspected ? scene.panel(inspected) : undefined;
  const sharedPanel = shared && shared !== "link" ? scene.panel(shared) : undefined;
  return (
    <Suspense fallback={null}>
      {panel && <InspectDrawer panel={panel} json={scene.panelJson(panel)} tab={search.get("inspectTab") ?? "data"} />}
      {shared && <ShareDrawer scene={scene} uid={json.uid} panel={sharedPanel?.state.key} title={sharedPanel?.state.title ?? json.title} />}
      {search.get("editview") === "json-model" && <JsonDrawer json={scene.state.original} meta={meta} close={() => locationService.partial({ editview: null })} />}
    </Suspense>
  );
}
