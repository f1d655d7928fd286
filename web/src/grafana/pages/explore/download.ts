// Results as files.
import type { DataFrame } from "@grafana/data";
import { csvOf, save } from "../../runtime/download";

/** Rows as objects, a list for each frame's rows; labels beside the values. */
export const rowsOf = (frames: DataFrame[]): object[] => frames.flatMap((frame) =>
  Array.from({ length: frame.length }, (_, i) => Object.fromEntries([
    ...Object.entries(frame.fields.find((field) => field.labels)?.labels ?? {}),
    ...frame.fields.map((field) => [field.name, field.values[i] as unknown]),
  ])));

export const saveJson = (name: string, held: unknown) => save(`${name}.json`, JSON.stringify(held, null, 2), "application/json");
export const saveCsv = (name: string, frames: DataFrame[]) => save(`${name}.csv`, csvOf(frames, false), "text/csv");
