// From one signal to the next, with the time range kept: metrics -> trace -> logs -> metrics.
import { matchersOf, quoted, selectorOf } from "./logql";
import { exploreUrl, type Known, type Query, type Range } from "./state";

/** What the data source files say about traces (Grafana's `tracesToLogsV2`, `tracesToMetrics`). */
export interface TraceLinks {
  tracesToLogsV2?: { datasourceUid?: string; query?: string; spanStartTimeShift?: string; spanEndTimeShift?: string };
  tracesToMetrics?: { datasourceUid?: string; tags?: { key: string; value?: string }[]; queries?: { name?: string; query?: string }[] };
}
export type Source = Known & { jsonData?: object };

/** Names that stand for a service, by how exact they are. */
const SERVICE = ["service", "service_name", "job"];

const ofType = (sources: Source[], type: string, uid?: string) => sources.find((one) => one.type === type && (!uid || one.uid === uid)) ?? sources.find((one) => one.type === type);

function link(source: Source | undefined, query: Omit<Query, "refId">, range: Range): string | undefined {
  return source && exploreUrl({ datasource: source.uid, queries: [{ refId: "A", ...query }], range });
}

export const traceUrl = (sources: Source[], id: string, range: Range) => link(ofType(sources, "jaeger"), { query: id }, range);

/** The range, when it holds the trace; else one around the trace. Microseconds. */
export function around(range: Range, bounds: [number, number], trace: { start: number; duration: number }): Range {
  const from = trace.start / 1000, to = (trace.start + trace.duration) / 1000;
  // a trace may be younger than the moment at which "now" was looked at
  if (bounds[0] <= from && (range.to === "now" || to <= bounds[1])) return range;
  return { from: String(Math.floor(from - 60_000)), to: String(Math.ceil(to + 60_000)) };
}

export function logsOfTrace(sources: Source[], jaeger: Source | undefined, id: string, range: Range): string | undefined {
  const said = (jaeger?.jsonData as TraceLinks | undefined)?.tracesToLogsV2;
  const text = said?.query ?? '{service=~".+"} | trace_id="${__trace.traceId}"';
  return link(ofType(sources, "loki", said?.datasourceUid), { expr: text.replaceAll(/\$\{__(?:trace\.traceId|span\.traceId)\}/g, id) }, range);
}

/** The metrics of a span: the first query of the data source's `tracesToMetrics`, else its operation's rate. */
export function metricsOfSpan(sources: Source[], jaeger: Source | undefined, span: { service: string; operation: string; tags?: { key: string; value: unknown }[] }, range: Range): string | undefined {
  const said = (jaeger?.jsonData as TraceLinks | undefined)?.tracesToMetrics;
  const text = said?.queries?.find((one) => one.query)?.query ?? "sum(rate(traces_span_metrics_calls_total{$__tags}[$__rate_interval]))";
  const wanted = said?.tags?.length ? said.tags : [{ key: "service.name", value: "service_name" }];
  const values: Record<string, unknown> = { ...Object.fromEntries((span.tags ?? []).map((tag) => [tag.key, tag.value])), "service.name": span.service, service: span.service };
  const tags = wanted.filter((tag) => values[tag.key] !== undefined).map((tag) => `${tag.value || tag.key.replace(/\W/g, "_")}=${quoted(String(values[tag.key]))}`);
  tags.push(`span_name=${quoted(span.operation)}`);
  return link(ofType(sources, "prometheus", said?.datasourceUid), { expr: text.replace("$__tags", tags.join(", ")) }, range);
}

/** A service's request rate, by what a log line or a log query says of it. */
export function metricsOfLabels(sources: Source[], labels: Record<string, string>, range: Range): string | undefined {
  const name = SERVICE.map((key) => labels[key]).find(Boolean);
  if (!name) return undefined;
  const endpoint = labels["endpoint"] ? `, endpoint=${quoted(labels["endpoint"])}` : "";
  const expr = `sum by (endpoint, status) (rate(http_requests_total{job=${quoted(name)}${endpoint}}[$__rate_interval])) or on () sum(rate(process_cpu_seconds_total{job=${quoted(name)}}[$__rate_interval]))`;
  return link(ofType(sources, "prometheus"), { expr }, range);
}

export const metricsOfLogs = (sources: Source[], query: string, range: Range) =>
  metricsOfLabels(sources, Object.fromEntries(matchersOf(selectorOf(query)).filter((one) => one.op === "=").map((one) => [one.name, one.value])), range);

/** Log lines of the services that a PromQL query names; of all when it names none. */
export function logsOfMetrics(sources: Source[], query: string, range: Range): string | undefined {
  const named = matchersOf(query).filter((one) => SERVICE.includes(one.name) && (one.op === "=" || one.op === "=~"));
  const selector = named[0] ? `service${named[0].op}${quoted(named[0].value)}` : 'service=~".+"';
  return link(ofType(sources, "loki"), { expr: `{${selector}}` }, range);
}

/** The traces of a service. */
export function tracesOfLabels(sources: Source[], labels: Record<string, string>, range: Range): string | undefined {
  const service = SERVICE.map((key) => labels[key]).find(Boolean);
  return service ? link(ofType(sources, "jaeger"), { queryType: "search", service }, range) : undefined;
}
