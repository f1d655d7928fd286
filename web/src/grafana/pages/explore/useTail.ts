// Lines as they arrive: Loki's tail, over the server's WebSocket proxy.
import { useEffect, useState } from "react";
import { linesOfStreams, type LogLine } from "./lines";
import { proxied } from "./useLoaded";

interface Message { streams?: Parameters<typeof linesOfStreams>[0]; dropped_entries?: unknown[] | null }
export interface Tail { lines: LogLine[]; words: string; open: boolean }
const MOST = 1000, DRAW_EVERY_MS = 250;

/** Newest first. Nothing is asked while `query` is empty; while `paused` the lines stay as they are. */
export function useTail(uid: string, query: string, paused: boolean): Tail {
  const [tail, setTail] = useState<Tail>({ lines: [], words: "", open: false });
  useEffect(() => {
    if (!query || paused) return undefined;
    const address = new URL(proxied(uid, "loki/api/v1/tail", { query, limit: "100" }), location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    let waiting: LogLine[] = [], dropped = 0, number = 0;
    const draw = setInterval(() => {
      if (!waiting.length) return;
      const fresh = waiting.sort((a, b) => b.time - a.time);
      waiting = [];
      setTail((old) => ({ open: true, words: dropped ? `${dropped} lines came too fast and were left out` : "", lines: [...fresh, ...old.lines].slice(0, MOST) }));
    }, DRAW_EVERY_MS);
    socket.onopen = () => setTail((old) => ({ ...old, words: "", open: true }));
    socket.onmessage = (event: MessageEvent<string>) => {
      const said = JSON.parse(event.data) as Message;
      dropped += said.dropped_entries?.length ?? 0;
      waiting.push(...linesOfStreams(said.streams ?? []).map((line) => ({ ...line, key: `tail-${number++}` })));
    };
    socket.onclose = (event) => setTail((old) => ({ ...old, open: false, words: `The live tail ended${event.reason ? `: ${event.reason}` : event.code === 1006 ? ": the server refused it or went away" : ""}.` }));
    return () => { socket.onclose = null; socket.close(); clearInterval(draw); };
  }, [uid, query, paused]);
  return tail;
}
