// Lines of a log, out of the frames that Loki's answers become.
import { FieldType, type DataFrame } from "@grafana/data";

export interface Line { key: string; time: number; text: string; labels: Record<string, string>; level: string }

const TRACE = /"?trace_id"?[=:]\s*"?([0-9a-f]{16,32})/;

export function linesOf(series: DataFrame[]): Line[] {
  return series.flatMap((frame) => {
    const named = (...names: string[]) => frame.fields.find((field) => names.includes(field.name));
    const time = frame.fields.find((field) => field.type === FieldType.time);
    const line = named("Line", "body", "message") ?? frame.fields.find((field) => field.type === FieldType.string);
    if (!time || !line) return [];
    const labels = named("labels"), id = named("id");
    return line.values.map((text: unknown, i) => {
      const own = (labels?.values[i] ?? line.labels ?? {}) as Record<string, string>;
      return { key: `${String(id?.values[i] ?? "")}#${i}`, time: Number(time.values[i]), text: String(text), labels: own, level: levelOf(own, String(text)) };
    });
  });
}

const levelOf = (labels: Record<string, string>, text: string) =>
  (labels["level"] ?? labels["detected_level"] ?? /"level":\s*"(\w+)"/.exec(text)?.[1] ?? "unknown").toLowerCase();

/** The trace that a line belongs to, by its label or its text. */
export const traceOf = (line: Line): string | undefined => line.labels["trace_id"] || TRACE.exec(line.text)?.[1];

/** Fields of a JSON line, as text. */
export function fieldsOf(line: Line): [string, string][] {
  try {
    const held: unknown = JSON.parse(line.text);
    if (typeof held !== "object" || held === null) return [];
    return Object.entries(held).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
  } catch {
    return [];
  }
}
