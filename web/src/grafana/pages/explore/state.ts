// What Explore shows is in the address, in Grafana's own form (`panes`), so that a link works in both.
export interface Query {
  refId: string;
  /** PromQL or LogQL. */
  expr?: string;
  /** A trace's id. */
  query?: string;
  /** Prometheus and Loki: "range" (default) or "instant". Jaeger: "search". */
  queryType?: string;
  legendFormat?: string;
  maxLines?: number;
  service?: string;
  operation?: string;
  tags?: string;
  minDuration?: string;
  maxDuration?: string;
  limit?: number;
}
/** Ends of a time range as Grafana writes them: `now-1h`, or milliseconds since 1970 as text. */
export interface Range { from: string; to: string }
export interface Pane { datasource: string; queries: Query[]; range: Range }
/** What is known of a data source here. */
export interface Known { uid: string; name: string; type: string; isDefault?: boolean }

export const LAST_HOUR: Range = { from: "now-1h", to: "now" };
export const TRACE_ID = /^[0-9a-f]{16,32}$/i;
const MOST = 2;

/** The panes that an address asks for; at least one. Unknown parts are left out, not refused. */
export function panesOf(params: URLSearchParams, known: Known[]): Pane[] {
  const all = [...inPanes(params), ...["left", "right"].flatMap((name) => inSide(params.get(name)))];
  const found = all.length ? all : [plain(params, known)];
  return found.slice(0, MOST).map((pane) => settled(pane, known));
}

/** The address of panes; `plain` ones of a single query are as readable as they can be. */
export function exploreUrl(...panes: Pane[]): string {
  const held = Object.fromEntries(panes.map((pane, i) => [i ? "right" : "left", { datasource: pane.datasource, queries: pane.queries, range: pane.range }]));
  return `/explore?${new URLSearchParams({ schemaVersion: "1", panes: JSON.stringify(held), orgId: "1" })}`;
}

/** The query that a data source starts with. */
export function emptyQuery(type: string, text = ""): Query {
  if (type !== "jaeger") return { refId: "A", expr: text };
  return TRACE_ID.test(text) ? { refId: "A", query: text.toLowerCase() } : { refId: "A", queryType: "search", service: text };
}

/** What a query says, on one line. */
export function wordsOf(query: Query): string {
  if (query.expr !== undefined) return query.expr;
  if (query.queryType !== "search") return query.query ?? "";
  const parts = [query.service, query.operation, query.tags, query.minDuration && `> ${query.minDuration}`, query.maxDuration && `< ${query.maxDuration}`];
  return parts.filter(Boolean).join(" · ");
}

export const asks = (query: Query): boolean => wordsOf(query).trim() !== "";

type Loose = Partial<Pane> & { range?: Partial<Range> };

function inPanes(params: URLSearchParams): Loose[] {
  const held = parsed(params.get("panes"));
  return isRecord(held) ? Object.values(held).filter(isRecord) : [];
}

/** `left=` of older versions: an object, or (older still) a list of from, to, data source and queries. */
function inSide(text: string | null): Loose[] {
  const held = parsed(text);
  if (Array.isArray(held)) {
    const [from, to, datasource, ...queries] = held as unknown[];
    return [{ datasource: String(datasource ?? ""), queries: queries.filter((one) => isRecord(one) && ("expr" in one || "query" in one)) as unknown as Query[], range: { from: String(from), to: String(to) } }];
  }
  return isRecord(held) ? [held] : [];
}

/** Short links: `source` and `query` of these pages, `expr` of a ruler's. */
function plain(params: URLSearchParams, known: Known[]): Loose {
  const text = params.get("query") ?? params.get("expr") ?? "";
  const named = params.get("source") ?? params.get("datasource") ?? "";
  const logs = !named && !params.has("query") && /(^|[\s(])\{/.test(text);
  const source = find(known, named) ?? known.find((one) => (logs ? one.type === "loki" : one.isDefault)) ?? known[0];
  return { datasource: source?.uid ?? "", queries: [emptyQuery(source?.type ?? "", text.trim())], range: { from: params.get("from") ?? LAST_HOUR.from, to: params.get("to") ?? LAST_HOUR.to } };
}

const find = (known: Known[], named: unknown) => (named ? known.find((one) => one.uid === named || one.name === named) : undefined);

function settled(pane: Loose, known: Known[]): Pane {
  const queries = (Array.isArray(pane.queries) ? pane.queries : []).filter(isRecord) as unknown as (Query & { datasource?: { uid?: string } | string })[];
  const own = queries[0]?.datasource;
  const source = find(known, pane.datasource) ?? find(known, typeof own === "object" ? own?.uid : own) ?? known.find((one) => one.isDefault) ?? known[0];
  const named = queries.map((query, i) => ({ ...query, datasource: undefined, refId: query.refId || letter(i) }));
  return {
    datasource: source?.uid ?? "", queries: named.length ? named : [emptyQuery(source?.type ?? "")],
    range: { from: String(pane.range?.from ?? LAST_HOUR.from), to: String(pane.range?.to ?? LAST_HOUR.to) },
  };
}

export const letter = (i: number): string => String.fromCharCode(65 + (i % 26));

function parsed(text: string | null): unknown {
  try {
    return text ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

const isRecord = (held: unknown): held is Record<string, unknown> => typeof held === "object" && held !== null && !Array.isArray(held);
