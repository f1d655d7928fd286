// One kind of data source for all: queries go to /api/ds/query, variables ask the data source through its proxy.
import {
  DataSourceApi, type DataQueryRequest, type DataQueryResponse, type DataSourceInstanceSettings, type MetricFindValue,
  type ScopedVars, type TimeRange,
} from "@grafana/data";
import { getTemplateSrv, toDataQueryResponse } from "@grafana/runtime";
import type { DataQuery } from "@grafana/schema";
import { from, type Observable } from "rxjs";
import { get, HttpError, send } from "./http";
import { processEvents } from "./annotations";
import { labelRequest, type LabelRequest } from "./variables";

export interface ServerQuery extends DataQuery {
  expr?: string;
  query?: string;
  queryType?: string;
  legendFormat?: string;
  [more: string]: unknown;
}
interface Options { range?: TimeRange; scopedVars?: ScopedVars }

/** Values of a variable inside a query: several become a regular expression, single ones are escaped for PromQL. */
function inQuery(value: string | string[], variable: { multi?: boolean; includeAll?: boolean }): string {
  const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\\\$&");
  if (typeof value === "string") return variable.multi || variable.includeAll ? escaped(value) : value.replace(/["\\]/g, "\\$&");
  return value.length === 1 ? escaped(value[0]!) : `(${value.map(escaped).join("|")})`;
}

export class ServerDataSource extends DataSourceApi<ServerQuery> {
  annotations = { processEvents };

  constructor(readonly settings: DataSourceInstanceSettings) {
    super(settings);
  }

  override query(request: DataQueryRequest<ServerQuery>): Observable<DataQueryResponse> {
    const abort = new AbortController();
    const asked = request.targets.filter((target) => !target.hide).map((target) => this.prepare(target, request));
    const body = { queries: asked, from: String(request.range.from.valueOf()), to: String(request.range.to.valueOf()) };
    if (!asked.length) return from([{ data: [] }]);
    return from(this.ask(body, asked, abort.signal));
  }

  private async ask(body: object, asked: ServerQuery[], signal: AbortSignal): Promise<DataQueryResponse> {
    try {
      const data = await send<never>("POST", "/api/ds/query", body, signal);
      return toDataQueryResponse({ data } as never, asked);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      return { data: [], errors: [{ message: error.message, status: error.status }] };
    }
  }

  private prepare(target: ServerQuery, request: DataQueryRequest): ServerQuery {
    const fill = (text: string) => getTemplateSrv().replace(text, request.scopedVars, inQuery);
    const made: ServerQuery = { ...target, datasource: { uid: this.uid, type: this.type } };
    for (const name of ["expr", "query", "service", "operation", "tags"]) {
      if (typeof made[name] === "string") made[name] = fill(made[name]);
    }
    if (typeof made.legendFormat === "string" && made.legendFormat.includes("$")) {
      made.legendFormat = getTemplateSrv().replace(made.legendFormat, request.scopedVars);
    }
    return { ...made, intervalMs: request.intervalMs, maxDataPoints: request.maxDataPoints };
  }

  override async metricFindQuery(query: unknown, options?: Options): Promise<MetricFindValue[]> {
    const text = getTemplateSrv().replace(textOf(query), options?.scopedVars, inQuery);
    const wanted = labelRequest(text, this.type === "loki");
    if (!wanted) throw new Error(`${this.name}: "${text}" is no variable query known here; label_values(metric, label) is`);
    return this.labels(wanted, options?.range);
  }

  private async labels(wanted: LabelRequest, range?: TimeRange): Promise<MetricFindValue[]> {
    const params = new URLSearchParams(wanted.params);
    const unit = this.type === "loki" ? 1e6 : 1e-3;
    if (range) {
      params.set("start", String(Math.round(range.from.valueOf() * unit)));
      params.set("end", String(Math.round(range.to.valueOf() * unit)));
    }
    const answer = await get<{ data?: unknown }>(`/api/datasources/proxy/uid/${this.uid}/${wanted.path}?${params}`);
    return wanted.read(answer.data ?? []).map((value) => ({ text: value, value }));
  }

  override async testDatasource() {
    return get<{ status: string; message: string }>(`/api/datasources/uid/${this.uid}/health`);
  }
}

/** A variable's query: text, or the object that newer dashboards hold. */
function textOf(query: unknown): string {
  if (typeof query === "string") return query;
  const held = query as { query?: string; label?: string; stream?: string; type?: number } | null;
  if (held?.label) return `label_values(${held.stream ? `${held.stream}, ` : ""}${held.label})`;
  return held?.query ?? "";
}
