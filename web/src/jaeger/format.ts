/** Durations, times, and a colour a service. */

export function duration(microseconds: number): string {
  const us = Math.abs(microseconds);
  const trim = (value: number, digits: number) => String(Number(value.toFixed(digits)));
  if (us < 1000) return `${trim(microseconds, us < 10 ? 1 : 0)}µs`;
  if (us < 1_000_000) return `${trim(microseconds / 1000, us < 10_000 ? 2 : us < 100_000 ? 1 : 0)}ms`;
  if (us < 60_000_000) return `${trim(microseconds / 1_000_000, 2)}s`;
  if (us < 3_600_000_000) return `${Math.floor(microseconds / 60_000_000)}m ${trim((microseconds % 60_000_000) / 1_000_000, 0)}s`;
  return `${Math.floor(microseconds / 3_600_000_000)}h ${trim((microseconds % 3_600_000_000) / 60_000_000, 0)}m`;
}

export const dateTime = (microseconds: number) =>
  new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(microseconds / 1000));

export const clock = (microseconds: number) => {
  const date = new Date(microseconds / 1000);
  return `${date.toLocaleTimeString(undefined, { hourCycle: "h23" })}.${String(date.getMilliseconds()).padStart(3, "0")}`;
};

/** A time of the day for an axis that is `span` microseconds long: seconds only where they tell. */
export const axisTime = (microseconds: number, span: number) =>
  span < 10_000_000
    ? clock(microseconds)
    : new Date(microseconds / 1000).toLocaleTimeString(undefined, { hourCycle: "h23", hour: "2-digit", minute: "2-digit", ...(span < 1_200_000_000 ? { second: "2-digit" } : {}) });

export function ago(microseconds: number): string {
  const seconds = (Date.now() - microseconds / 1000) / 1000;
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} days ago`;
}

const HUES = [211, 28, 145, 275, 340, 185, 50, 240, 8, 100, 310, 165];
const given = new Map<string, number>();

/** The same colour for the same service on every page; readable in both themes. */
export function color(service: string): string {
  let index = given.get(service);
  if (index === undefined) {
    let hash = 0;
    for (const char of service) hash = (hash * 31 + char.charCodeAt(0)) >>> 0;
    index = hash % HUES.length;
    const taken = new Set(given.values());
    for (let step = 0; step < HUES.length && taken.has(index); step++) index = (index + 1) % HUES.length;
    given.set(service, index);
  }
  return `hsl(${HUES[index]} 55% 52%)`;
}

const SECOND = 1_000_000;
const LONG_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400].map((seconds) => seconds * SECOND);

/** Round steps for an axis from 0 to `most` microseconds: decimal below a second, of the clock above. */
export function ticks(most: number, count: number): number[] {
  if (most <= 0) return [0];
  const raw = most / count;
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const steps = raw >= SECOND ? LONG_STEPS : [1, 2, 5, 10].map((factor) => factor * magnitude);
  const step = steps.find((candidate) => candidate >= raw) ?? raw;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
}
