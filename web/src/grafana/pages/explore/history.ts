// Queries that were run in this browser; kept ones stay until they are let go.
import { useSyncExternalStore } from "react";
import { wordsOf, type Query } from "./state";

export interface Ran { at: number; datasource: string; queries: Query[]; kept?: boolean }

const KEY = "pytake.explore.history", MOST = 100;
const listeners = new Set<() => void>();
let held: Ran[] | undefined;

function read(): Ran[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? (found as Ran[]).filter((one) => Array.isArray(one.queries)) : [];
  } catch {
    return [];
  }
}

function write(list: Ran[]): void {
  held = list;
  try {
    localStorage.setItem(KEY, JSON.stringify(list));
  } catch {
    // a full or forbidden store: the history then lasts as long as the page
  }
  listeners.forEach((tell) => tell());
}

const all = () => (held ??= read());
export const textOf = (ran: Pick<Ran, "queries">) => ran.queries.map(wordsOf).join("\n");
const same = (a: Ran, b: Ran) => a.datasource === b.datasource && textOf(a) === textOf(b);

export function remember(datasource: string, queries: Query[]): void {
  const made: Ran = { at: Date.now(), datasource, queries };
  if (!textOf(made).trim()) return;
  const before = all().find((one) => same(one, made));
  const rest = all().filter((one) => one !== before);
  const next = [{ ...made, kept: before?.kept }, ...rest];
  write([...next.slice(0, MOST), ...next.slice(MOST).filter((one) => one.kept)]);
}

export const keep = (ran: Ran): void => write(all().map((one) => (one === ran ? { ...one, kept: !one.kept } : one)));
export const forget = (ran: Ran): void => write(all().filter((one) => one !== ran));
export const useHistory = (): Ran[] => useSyncExternalStore((tell) => { listeners.add(tell); return () => listeners.delete(tell); }, all);
