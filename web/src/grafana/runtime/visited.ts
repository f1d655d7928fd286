// Dashboards that were open in this browser lately, newest first.
const KEY = "pytake.visited";
const MOST = 30;

export function visited(): string[] {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "[]") as string[];
  } catch {
    return [];
  }
}

export function visit(uid: string): void {
  localStorage.setItem(KEY, JSON.stringify([uid, ...visited().filter((one) => one !== uid)].slice(0, MOST)));
}
