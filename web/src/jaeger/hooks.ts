import { useEffect, useState } from "react";

export interface Loaded<T> {
  data: T | undefined;
  error: string;
  loading: boolean;
}

/** Runs `load` whenever `key` changes; an answer that comes too late is thrown away. `null` as key loads nothing. */
export function useLoad<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<Loaded<T> & { key: string | null }>({ data: undefined, error: "", loading: false, key: null });
  useEffect(() => {
    if (key === null) return;
    const controller = new AbortController();
    setState((before) => ({ data: before.key === key ? before.data : undefined, error: "", loading: true, key }));
    load(controller.signal)
      .then((data) => setState({ data, error: "", loading: false, key }))
      .catch((error: Error) => {
        if (!controller.signal.aborted) setState({ data: undefined, error: error.message, loading: false, key });
      });
    return () => controller.abort();
    // The key stands for everything that `load` depends on.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key]);
  return state.key === key ? state : { data: undefined, error: "", loading: key !== null };
}
