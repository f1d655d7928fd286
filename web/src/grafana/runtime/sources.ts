// The data sources that the server has, as the scenes library asks for them.
import type { DataSourceApi, DataSourceInstanceSettings, DataSourceRef, ScopedVars } from "@grafana/data";
import { getTemplateSrv, type DataSourceSrv, type GetDataSourceListFilters } from "@grafana/runtime";
import { ServerDataSource } from "./datasource";
import { GRAFANA, GrafanaSource, grafanaSettings } from "./grafanaSource";
import { get } from "./http";

type Ref = DataSourceRef | string | null | undefined;

class Sources implements DataSourceSrv {
  private settings: DataSourceInstanceSettings[] = [];
  private made = new Map<string, ServerDataSource | GrafanaSource>();

  async reload(): Promise<void> {
    this.settings = (await get<DataSourceInstanceSettings[]>("/api/datasources")).map((source) => ({
      ...source,
      jsonData: source.jsonData ?? {},
      meta: {
        id: source.type, name: source.name, type: "datasource", module: "", baseUrl: "", metrics: source.type !== "alertmanager",
        info: { logos: { small: "", large: "" }, author: { name: "" }, description: "", links: [], screenshots: [], updated: "", version: "" },
      } as unknown as DataSourceInstanceSettings["meta"],
    }));
  }

  registerRuntimeDataSource(): void {
    throw new Error("data sources come from the server's provisioning files");
  }

  getList(filters: GetDataSourceListFilters = {}): DataSourceInstanceSettings[] {
    const types = filters.type === undefined ? undefined : [filters.type].flat();
    return this.settings.filter((source) =>
      (!filters.metrics || source.meta.metrics) && (!types || types.includes(source.type)) &&
      (!filters.pluginId || source.type === filters.pluginId) && (!filters.filter || filters.filter(source)));
  }

  getInstanceSettings(ref?: Ref, scopedVars?: ScopedVars): DataSourceInstanceSettings | undefined {
    const named = typeof ref === "string" ? ref : ref?.uid;
    const type = typeof ref === "object" ? ref?.type : undefined;
    if (named === GRAFANA || named === "grafana" || type === "grafana") return grafanaSettings;
    const wanted = named?.includes("$") ? getTemplateSrv().replace(named, scopedVars) : named;
    if (!wanted || wanted === "default") {
      return this.settings.find((source) => (type ? source.type === type : source.isDefault)) ?? this.settings[0];
    }
    return this.settings.find((source) => source.uid === wanted || source.name === wanted);
  }

  async get(ref?: Ref, scopedVars?: ScopedVars): Promise<DataSourceApi> {
    const settings = this.getInstanceSettings(ref, scopedVars);
    if (!settings) throw new Error(`Data source ${typeof ref === "string" ? ref : ref?.uid} was not found on this server`);
    let found = this.made.get(settings.uid);
    if (!found) this.made.set(settings.uid, (found = settings === grafanaSettings ? new GrafanaSource(settings) : new ServerDataSource(settings)));
    return found as unknown as DataSourceApi;
  }
}

export const sources = new Sources();
