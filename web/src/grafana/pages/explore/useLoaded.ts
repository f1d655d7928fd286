import { useEffect, useState } from "react";
import { get } from "../../runtime/http";

export interface Loaded<T> { data?: T; error: string; loading: boolean }

/** What an address answers, asked again when it or `again` changes; nothing is asked of an empty one. */
export function useLoaded<T>(path: string, again?: unknown): Loaded<T> {
  const [held, setHeld] = useState<Loaded<T>>({ error: "", loading: !!path });
  useEffect(() => {
    if (!path) { setHeld({ error: "", loading: false }); return undefined; }
    const abort = new AbortController();
    setHeld((old) => ({ ...old, loading: true }));
    get<T>(path, abort.signal).then(
      (data) => setHeld({ data, error: "", loading: false }),
      (failure: Error) => { if (!abort.signal.aborted) setHeld({ error: failure.message, loading: false }); });
    return () => abort.abort();
  }, [path, again]);
  return held;
}

export const proxied = (uid: string, path: string, params: Record<string, string> = {}): string => {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== "")).toString();
  return `/api/datasources/proxy/uid/${encodeURIComponent(uid)}/${path}${query ? `?${query}` : ""}`;
};
