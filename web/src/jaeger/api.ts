/** Jaeger's query API: the answers' shapes and the calls. */

export interface Tag {
  key: string;
  type?: string;
  value: string | number | boolean;
}
export interface Reference {
  refType: "CHILD_OF" | "FOLLOWS_FROM";
  traceID: string;
  spanID: string;
}
export interface SpanJson {
  traceID: string;
  spanID: string;
  operationName: string;
  references?: Reference[];
  /** Microseconds since 1970. */
  startTime: number;
  /** Microseconds. */
  duration: number;
  tags?: Tag[];
  logs?: { timestamp: number; fields: Tag[] }[];
  processID: string;
  warnings?: string[] | null;
}
export interface TraceJson {
  traceID: string;
  spans: SpanJson[];
  processes: Record<string, { serviceName: string; tags?: Tag[] }>;
  warnings?: string[] | null;
}
export interface Dependency {
  parent: string;
  child: string;
  callCount: number;
  /** Calls that failed. */
  errorCount?: number;
}
export interface MetricFamily {
  name: string;
  metrics: { labels: { name: string; value: string }[]; metricPoints: { gaugeValue?: { doubleValue: number | "NaN" }; timestamp: string }[] }[];
}
export interface UiConfig {
  grafanaUrl: string;
  lokiUid: string;
}

export class ApiError extends Error {}

async function get<T>(path: string, params: Record<string, string> = {}, signal?: AbortSignal): Promise<T> {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== "")).toString();
  const answer = await fetch(query ? `${path}?${query}` : path, { signal: signal ?? null, headers: { Accept: "application/json" } });
  const text = await answer.text();
  let body: { data?: T; errors?: { msg: string }[] | null };
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    throw new ApiError(`${path} answered ${answer.status}: ${text.slice(0, 200) || answer.statusText}`);
  }
  if (!answer.ok || (body.errors?.length && !body.data)) {
    throw new ApiError(body.errors?.map((error) => error.msg).join("; ") ?? `${path} answered ${answer.status}`);
  }
  return body.data as T;
}

export const services = (signal?: AbortSignal) => get<string[] | null>("/api/services", {}, signal).then((found) => [...(found ?? [])].sort());

export const operations = (service: string, signal?: AbortSignal) =>
  get<string[] | null>(`/api/services/${encodeURIComponent(service)}/operations`, {}, signal).then((found) => [...(found ?? [])].sort());

export const search = (params: Record<string, string>, signal?: AbortSignal) => get<TraceJson[] | null>("/api/traces", params, signal).then((found) => found ?? []);

export async function trace(id: string, signal?: AbortSignal): Promise<TraceJson> {
  const found = await get<TraceJson[] | null>(`/api/traces/${encodeURIComponent(id)}`, {}, signal);
  if (!found?.[0]) throw new ApiError(`trace ${id} was not found`);
  return found[0];
}

export const dependencies = (endTs: number, lookback: number, signal?: AbortSignal) =>
  get<Dependency[] | null>("/api/dependencies", { endTs: String(endTs), lookback: String(lookback), errors: "true" }, signal).then((found) => found ?? []);

/** Calls, errors or latencies of services; their answer is not wrapped in `data`. */
export async function metrics(kind: "calls" | "errors" | "latencies", services: string[], lookback: number): Promise<MetricFamily> {
  const query = new URLSearchParams({ endTs: String(Date.now()), lookback: String(lookback), step: String(Math.max(lookback / 60, 5000)) });
  for (const kind of ["server", "consumer"]) query.append("spanKind", kind);
  for (const service of services) query.append("service", service);
  const answer = await fetch(`/api/metrics/${kind}?${query.toString()}`);
  if (!answer.ok) throw new ApiError(`/api/metrics/${kind} answered ${answer.status}`);
  return (await answer.json()) as MetricFamily;
}

let known: Promise<UiConfig> | undefined;
/** What the server tells its pages; asked for once. */
export function uiConfig(): Promise<UiConfig> {
  known ??= fetch("/ui-config.json")
    .then((answer) => (answer.ok ? (answer.json() as Promise<UiConfig>) : { grafanaUrl: "", lokiUid: "loki" }))
    .catch(() => ({ grafanaUrl: "", lokiUid: "loki" }));
  return known;
}

/** Traces of an opened file: {@link parseUpload}, or OTLP's JSON, which the server turns into Jaeger's. */
export async function readUpload(name: string, text: string): Promise<TraceJson[]> {
  if (!/^\s*\{\s*"(resourceSpans|resource_spans)"/.test(text)) return parseUpload(name, text);
  const answer = await fetch("/api/transform", { method: "POST", body: text, headers: { "Content-Type": "application/json" } });
  const body = (await answer.json()) as { data?: TraceJson[]; errors?: { msg: string }[] | null };
  if (!answer.ok || !body.data) throw new ApiError(`${name}: ${body.errors?.map((error) => error.msg).join("; ") ?? answer.status}`);
  return body.data;
}

/** Traces of an opened file: Jaeger's own export, one trace, or a list of them. Throws with a reason a person can use. */
export function parseUpload(name: string, text: string): TraceJson[] {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new ApiError(`${name} is not JSON: ${(error as Error).message}`);
  }
  const list = Array.isArray(body) ? body : Array.isArray((body as { data?: unknown }).data) ? (body as { data: unknown[] }).data : [body];
  for (const item of list) {
    const found = item as Partial<TraceJson> | null;
    if (!found || !Array.isArray(found.spans) || typeof found.processes !== "object") {
      throw new ApiError(`${name} holds no traces: expected {"data": [{"traceID", "spans", "processes"}]} as Jaeger exports them`);
    }
  }
  return list as TraceJson[];
}
