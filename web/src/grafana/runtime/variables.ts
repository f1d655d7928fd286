// Variable queries of Prometheus and Loki: label_values(), label_names(), metrics(), query_result().
export interface LabelRequest {
  path: string;
  params: [string, string][];
  read: (data: unknown) => string[];
}

const words = (data: unknown) => (Array.isArray(data) ? data.map(String) : []);

/** What to ask for a variable's query; undefined when it is in no known form. */
export function labelRequest(query: string, loki: boolean): LabelRequest | undefined {
  const text = query.trim();
  const api = loki ? "loki/api/v1" : "api/v1";
  const values = /^label_values\(\s*(?:(.*),)?\s*([\w.:-]+)\s*\)$/s.exec(text);
  if (values) {
    const selector = values[1]?.trim();
    const key = loki ? "query" : "match[]";
    return { path: `${api}/label/${encodeURIComponent(values[2]!)}/values`, params: selector ? [[key, selector]] : [], read: words };
  }
  if (/^label_names\(\s*\)$/.test(text)) return { path: `${api}/labels`, params: [], read: words };
  const metrics = /^metrics\((.*)\)$/s.exec(text);
  if (metrics && !loki) {
    const wanted = new RegExp(metrics[1]!.trim() || ".*");
    return { path: `${api}/label/__name__/values`, params: [], read: (data) => words(data).filter((name) => wanted.test(name)) };
  }
  const result = /^query_result\((.*)\)$/s.exec(text);
  if (result && !loki) return { path: `${api}/query`, params: [["query", result[1]!]], read: samples };
  return undefined;
}

interface Sample { metric: Record<string, string>; value: [number, string] }

/** Samples as Grafana's query_result() writes them: name{labels} value time. */
function samples(data: unknown): string[] {
  const rows = ((data as { result?: Sample[] }).result ?? []);
  return rows.map(({ metric, value }) => {
    const labels = Object.entries(metric).filter(([name]) => name !== "__name__");
    const inside = labels.map(([name, text]) => `${name}="${text}"`).join(",");
    return `${metric["__name__"] ?? ""}{${inside}} ${value[1]} ${value[0] * 1000}`;
  });
}
