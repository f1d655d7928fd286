// Buckets of a heatmap: cumulative `le` series become counts of their own.
import { FieldType, getFieldDisplayName, type DataFrame } from "@grafana/data";

export interface Heat { times: number[]; buckets: string[]; counts: number[][]; max: number }

const edge = (text: string) => (text === "+Inf" ? Infinity : Number.parseFloat(text));

export function heatOf(series: DataFrame[], cumulative: boolean): Heat | undefined {
  const rows = series.flatMap((frame) => {
    const time = frame.fields.find((field) => field.type === FieldType.time);
    return frame.fields.filter((field) => field.type === FieldType.number).map((field) => ({
      name: field.labels?.["le"] ?? getFieldDisplayName(field, frame, series), at: new Map(time?.values.map((value, i) => [Number(value), Number(field.values[i] ?? 0)])),
    }));
  });
  if (!rows.length) return undefined;
  if (rows.every((row) => !Number.isNaN(edge(row.name)))) rows.sort((a, b) => edge(a.name) - edge(b.name));
  const times = [...new Set(rows.flatMap((row) => [...row.at.keys()]))].sort((a, b) => a - b);
  const raw = rows.map((row) => times.map((time) => row.at.get(time) ?? 0));
  const counts = cumulative ? raw.map((row, i) => row.map((value, j) => Math.max(0, value - (raw[i - 1]?.[j] ?? 0)))) : raw;
  const max = counts.reduce((most, row) => row.reduce((a, b) => Math.max(a, b), most), 0);
  return { times, buckets: rows.map((row) => row.name), counts, max };
}
