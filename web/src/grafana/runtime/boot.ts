// Gives Grafana's published libraries what the full product would: services, registries, panel plugins.
import { EventBusSrv, locationUtil, setTimeZoneResolver, type ScopedVars } from "@grafana/data";
import { initPluginTranslations } from "@grafana/i18n";
import {
  setAppEvents, setBackendSrv, setChromeHeaderHeightHook, setDataSourceSrv, setEchoSrv, setPluginImportUtils,
  setReturnToPreviousHook, setRunRequest, setTemplateSrv, type BackendSrv, type EchoSrv, type TemplateSrv,
} from "@grafana/runtime";
import { sceneGraph, type SceneObject } from "@grafana/scenes";
import { getPlugin } from "../panels/plugins";
import { request } from "./http";
import { timeZone } from "./preferences";
import { fillRegistries } from "./registries";
import { runRequest } from "./runRequest";
import { sources } from "./sources";

interface Held { valueOf(): SceneObject }

const templates: TemplateSrv = {
  getVariables: () => [],
  containsTemplate: (text) => !!text && /\$\{?\w|\[\[/.test(text),
  updateTimeRange: () => undefined,
  replace(text = "", scopedVars?: ScopedVars, format?) {
    const held = scopedVars?.["__sceneObject"]?.value as Held | undefined;
    return held ? sceneGraph.interpolate(held.valueOf(), text, scopedVars, format as never) : text;
  },
};

const fetcher = (method: string) => (path: string, body?: unknown) =>
  request(path.startsWith("/") ? path : `/${path}`, { method, body: body ? JSON.stringify(body) : undefined });

export async function boot(): Promise<void> {
  fillRegistries();
  setAppEvents(new EventBusSrv());
  setTemplateSrv(templates);
  setDataSourceSrv(sources);
  setRunRequest(runRequest as never);
  setPluginImportUtils({ importPanelPlugin: (id) => Promise.resolve(getPlugin(id)), getPanelPluginFromCache: getPlugin });
  setBackendSrv({ get: fetcher("GET"), post: fetcher("POST"), put: fetcher("PUT"), delete: fetcher("DELETE") } as unknown as BackendSrv);
  setEchoSrv({ flush: () => undefined, addBackend: () => undefined, addEvent: () => undefined, onInteraction: () => () => undefined } as EchoSrv);
  setReturnToPreviousHook(() => () => undefined);
  setChromeHeaderHeightHook(() => 48);
  setTimeZoneResolver(timeZone);
  locationUtil.initialize({ config: { appSubUrl: "" } as never, getTimeRangeForUrl: () => ({ from: "now-1h", to: "now" }) as never, getVariablesUrlParams: () => ({}) });
  await initPluginTranslations("grafana");
  await initPluginTranslations("grafana-scenes");
}
