// The server's own annotations as a data source: what people and deploy scripts wrote to /api/annotations.
import {
  DataSourceApi, FieldType, type AnnotationEvent, type AnnotationQuery, type DataFrame, type DataQueryRequest, type DataQueryResponse, type DataSourceInstanceSettings,
} from "@grafana/data";
import type { DataQuery } from "@grafana/schema";
import { getTemplateSrv } from "@grafana/runtime";
import { from, of, type Observable } from "rxjs";
import { get } from "./http";

interface Target extends DataQuery { type?: "dashboard" | "tags"; tags?: string[]; limit?: number; matchAny?: boolean; dashboardUID?: string; iconColor?: string }
type Held = AnnotationQuery<Target> & { type?: string; tags?: string[]; limit?: number; matchAny?: boolean; dashboardUID?: string };

export const GRAFANA = "-- Grafana --";

export class GrafanaSource extends DataSourceApi<Target> {
  override annotations = {
    prepareAnnotation: (json: Held) => json,
    prepareQuery: ({ target, type, tags, limit, matchAny, dashboardUID }: Held): Target => ({
      refId: "Anno", type: type === "tags" ? "tags" : "dashboard", tags, limit, matchAny, ...target, dashboardUID: target?.dashboardUID ?? dashboardUID,
    }),
    processEvents: (_json: AnnotationQuery, frames: DataFrame[]): Observable<AnnotationEvent[]> => of((frames[0]?.fields[0]?.values ?? []) as AnnotationEvent[]),
  };

  override query(request: DataQueryRequest<Target>): Observable<DataQueryResponse> {
    const target = request.targets[0];
    if (!target?.type) return of({ data: [] });
    const params = new URLSearchParams({ from: String(request.range.from.valueOf()), to: String(request.range.to.valueOf()), limit: String(target.limit ?? 100) });
    if (target.type === "dashboard") params.set("dashboardUID", target.dashboardUID ?? "");
    if (target.matchAny) params.set("matchAny", "true");
    for (const tag of target.type === "tags" ? target.tags ?? [] : []) params.append("tags", getTemplateSrv().replace(tag, request.scopedVars));
    return from(this.events(params));
  }

  private async events(params: URLSearchParams): Promise<DataQueryResponse> {
    const found = await get<AnnotationEvent[]>(`/api/annotations?${params}`);
    const events = found.map((event) => ({ ...event, isRegion: !!event.timeEnd && event.timeEnd !== event.time }));
    return { data: [{ refId: "Anno", length: events.length, fields: [{ name: "event", type: FieldType.other, config: {}, values: events }] }] };
  }

  override testDatasource() {
    return Promise.resolve({ status: "success", message: "" });
  }
}

export const grafanaSettings = {
  id: -1, uid: "grafana", name: GRAFANA, type: "grafana", access: "direct", jsonData: {}, readOnly: true,
  meta: { id: "grafana", name: GRAFANA, type: "datasource", module: "", baseUrl: "", info: { logos: { small: "", large: "" }, author: { name: "" }, description: "", links: [], screenshots: [], updated: "", version: "" } },
} as unknown as DataSourceInstanceSettings;
