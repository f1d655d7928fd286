// One kind of data source for all: queries go to /api/ds/query, variables ask the data source through its proxy.
import {
  DataSourceApi, type DataFrame, type DataQueryRequest, type DataQueryResponse, type DataSourceInstanceSettings, type MetricFindValue,
  type ScopedVars, type TimeRange,
} from "@grafana/data";
import { getTemplateSrv, toDataQueryResponse } from "@grafana/runtime";
import type { DataQuery } from "@grafana/schema";
import { of, Observable } from "rxjs";
import { batches } from "./batch";
import { get, HttpError } from "./http";
import { processEvents } from "./annotations";
import { exemplarFrame } from "./exemplars";
import { labelRequest, type LabelRequest } from "./variables";

export interface ServerQuery extends DataQuery {
  expr?: string;
  query?: string;
  queryType?: string;
  legendFormat?: string;
  [more: string]: unknown;
}
/** What was sent for the newest requests, for the inspector: by request id. */
export const sentQueries = new Map<string, { body: object; took: number }>();
const KEPT = 100;

interface Options { range?: TimeRange; scopedVars?: ScopedVars }

/** Values of a variable inside a query: several become a regular expression, single ones are escaped for PromQL. */
function inQuery(value: string | string[], variable: { multi?: boolean; includeAll?: boolean }): string {
  const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\\\$&");
  if (typeof value === "string") return variable.multi || variable.includeAll ? escaped(value) : value.replace(/["\\]/g, "\\$&");
  return value.length === 1 ? escaped(value[0]!) : `(${value.map(escaped).join("|")})`;
}

/** As in Grafana the value column of each of several tables has its query's letter, so that joined rows keep them all. */
function tellTablesApart(answer: DataQueryResponse, asked: ServerQuery[]): DataQueryResponse {
  const tables = new Set(asked.filter((target) => target["format"] === "table").map((target) => target.refId));
  if (tables.size < 2) return answer;
  const data = (answer.data as DataFrame[]).map((frame) => !tables.has(frame.refId ?? "") ? frame : {
    ...frame, fields: frame.fields.map((field) => (field.name === "Value" ? { ...field, name: `Value #${frame.refId}` } : field)),
  });
  return { ...answer, data };
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
    if (!asked.length) return of({ data: [] });
    const answer = this.ask(body, asked, request, abort.signal);
    return new Observable((seen) => {
      answer.then((one) => { seen.next(one); seen.complete(); }, (error: unknown) => seen.error(error));
      return () => abort.abort();
    });
  }

  private async ask(body: { from: string; to: string }, asked: ServerQuery[], request: DataQueryRequest, signal: AbortSignal): Promise<DataQueryResponse> {
    const began = performance.now();
    const dots = this.exemplars(asked, request, signal);
    try {
      const data = await batches.ask(this.uid, asked, body.from, body.to);
      remember(request.requestId, body, performance.now() - began);
      const answer = tellTablesApart(toDataQueryResponse({ data } as never, asked), asked);
      return { ...answer, data: [...answer.data, ...(await dots)] };
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      return { data: [], errors: [{ message: error.message, status: error.status }] };
    }
  }

  /** Dots for the queries that ask for them; without them the lines are drawn all the same. */
  private async exemplars(asked: ServerQuery[], { range }: DataQueryRequest, signal: AbortSignal): Promise<DataFrame[]> {
    const wanted = asked.filter((target) => target["exemplar"] && this.type === "prometheus" && target.expr);
    const times = { __rate_interval: "5m", __interval: "1m", __range: "1h" };
    const found = await Promise.all(wanted.map((target) => {
      const expr = Object.entries(times).reduce((text, [name, value]) => text.replaceAll(`$${name}`, value).replaceAll(`\${${name}}`, value), target.expr!);
      return exemplarFrame(this.settings, target.refId, expr, range.from.valueOf(), range.to.valueOf(), signal).catch(() => undefined);
    }));
    return found.filter((frame) => frame !== undefined);
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

function remember(id: string, body: object, took: number): void {
  sentQueries.delete(id);
  sentQueries.set(id, { body, took });
  if (sentQueries.size > KEPT) sentQueries.delete(sentQueries.keys().next().value!);
}

/** A variable's query: text, or the object that newer dashboards hold. */
function textOf(query: unknown): string {
  if (typeof query === "string") return query;
  const held = query as { query?: string; label?: string; stream?: string; type?: number } | null;
  if (held?.label) return `label_values(${held.stream ? `${held.stream}, ` : ""}${held.label})`;
  return held?.query ?? "";
}
