// Results as files.
import { applyRawFieldOverrides, toCSV, type DataFrame } from "@grafana/data";

export function save(name: string, type: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Rows as objects, a list for each frame's rows; labels beside the values. */
export const rowsOf = (frames: DataFrame[]): object[] => frames.flatMap((frame) =>
  Array.from({ length: frame.length }, (_, i) => Object.fromEntries([
    ...Object.entries(frame.fields.find((field) => field.labels)?.labels ?? {}),
    ...frame.fields.map((field) => [field.name, field.values[i] as unknown]),
  ])));

export const saveJson = (name: string, held: unknown) => save(`${name}.json`, "application/json", JSON.stringify(held, null, 2));
export const saveCsv = (name: string, frames: DataFrame[]) => save(`${name}.csv`, "text/csv", toCSV(applyRawFieldOverrides(frames)));
