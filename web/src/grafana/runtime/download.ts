// Data and text that the browser saves as files.
import { applyRawFieldOverrides, toCSV, type DataFrame } from "@grafana/data";

export function save(name: string, content: string, type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Frames as CSV: raw values, or as they are shown. */
export const csvOf = (frames: DataFrame[], formatted: boolean): string => toCSV(formatted ? frames : applyRawFieldOverrides(frames), { useExcelHeader: false });
