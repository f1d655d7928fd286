// Log lines: from frames and from a live tail, with the fields that are in them.
import { FieldType, type DataFrame } from "@grafana/data";
import { fieldsOf, traceOf, type Line } from "../../panels/logLines";

/** Nanoseconds as text: they do not fit into a number. */
export interface LogLine extends Line { ns: string }
export { traceOf };

const levelOf = (labels: Record<string, string>, text: string) =>
  (labels["level"] ?? labels["detected_level"] ?? /"level":\s*"(\w+)"|\blevel=(\w+)/.exec(text)?.slice(1).find(Boolean) ?? "unknown").toLowerCase();

export const lineOf = (ns: string, text: string, labels: Record<string, string>, i: number): LogLine =>
  ({ key: `${ns}-${i}-${labels["job"] ?? ""}-${text.length}`, ns, time: Number(ns.slice(0, -6)), text, labels, level: levelOf(labels, text) });

export function linesOf(series: DataFrame[]): LogLine[] {
  return series.flatMap((frame) => {
    const named = (name: string) => frame.fields.find((field) => field.name === name)?.values;
    const time = frame.fields.find((field) => field.type === FieldType.time)?.values, text = named("Line") ?? named("body"), labels = named("labels"), ns = named("tsNs");
    if (!time || !text) return [];
    return Array.from({ length: frame.length }, (_, i) => lineOf(String(ns?.[i] ?? `${time[i]}000000`), String(text[i]), (labels?.[i] ?? {}) as Record<string, string>, i));
  });
}

interface Stream { stream: Record<string, string>; values: [string, string][] }
export const linesOfStreams = (streams: Stream[]): LogLine[] => streams.flatMap(({ stream, values }) => values.map(([ns, text], i) => lineOf(ns, text, stream, i)));

/** Fields in the text: of JSON, or of logfmt. */
export function parsedOf(line: Line): [string, string][] {
  const json = fieldsOf(line);
  if (json.length || line.text.startsWith("{")) return json;
  return [...line.text.matchAll(/(?:^|\s)([A-Za-z_][\w.]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)/g)].map((m) => [m[1]!, m[2]!.replace(/^"(.*)"$/s, "$1")]);
}

export type Where = "index" | "metadata" | "parsed";
/** Everything a line says of itself, with where each name stands. */
export function allOf(line: Line, index: string[]): [string, string, Where][] {
  const labels = Object.entries(line.labels).map(([name, value]): [string, string, Where] => [name, value, index.includes(name) ? "index" : "metadata"]);
  const known = new Set(Object.keys(line.labels));
  return [...labels, ...parsedOf(line).filter(([name]) => !known.has(name)).map(([name, value]): [string, string, Where] => [name, value, "parsed"])];
}
