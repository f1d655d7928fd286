// Lines as they arrive: Loki's tail over the server's WebSocket proxy; where no socket is passed on, asked every two seconds.
import { useEffect, useState } from "react";
import { get } from "../../runtime/http";
import { linesOfStreams, type LogLine } from "./lines";
import { proxied } from "./useLoaded";

type Streams = Parameters<typeof linesOfStreams>[0];
interface Message { streams?: Streams; dropped_entries?: unknown[] | null }
interface Answer { data: { result: Streams } }
export interface Tail { lines: LogLine[]; words: string; open: boolean }
const MOST = 1000, DRAW_EVERY_MS = 250, ASK_EVERY_MS = 2000;

/** Newest first. Nothing is asked while `query` is empty; while `paused` the lines stay as they are. */
export function useTail(uid: string, query: string, paused: boolean): Tail {
  const [tail, setTail] = useState<Tail>({ lines: [], words: "", open: false });
  useEffect(() => {
    if (!query || paused) return undefined;
    let waiting: LogLine[] = [], words = "", number = 0, opened = false;
    const add = (streams: Streams) => waiting.push(...linesOfStreams(streams).map((line) => ({ ...line, key: `tail-${number++}` })));
    const draw = setInterval(() => {
      if (!waiting.length) return;
      const fresh = waiting.sort((a, b) => b.time - a.time);
      waiting = [];
      setTail((old) => ({ open: true, words, lines: [...fresh, ...old.lines].slice(0, MOST) }));
    }, DRAW_EVERY_MS);
    const abort = new AbortController();
    let ask: ReturnType<typeof setInterval> | undefined;
    const address = new URL(proxied(uid, "loki/api/v1/tail", { query, limit: "100" }), location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    let dropped = 0;
    socket.onopen = () => { opened = true; setTail((old) => ({ ...old, words: "", open: true })); };
    socket.onmessage = (event: MessageEvent<string>) => {
      const said = JSON.parse(event.data) as Message;
      dropped += said.dropped_entries?.length ?? 0;
      if (dropped) words = `${dropped} lines came too fast and were left out`;
      add(said.streams ?? []);
    };
    socket.onclose = (event) => {
      if (opened) { setTail((old) => ({ ...old, open: false, words: `The live tail ended${event.reason ? `: ${event.reason}` : ""}.` })); return; }
      words = "asked every 2 s: no live connection is passed on";
      setTail((old) => ({ ...old, open: true, words }));
      let since = BigInt(Date.now()) * 1_000_000n;
      ask = setInterval(() => {
        const params = { query, direction: "forward", limit: "500", start: String(since + 1n), end: `${Date.now() + 1000}000000` };
        get<Answer>(proxied(uid, "loki/api/v1/query_range", params), abort.signal).then(({ data }) => {
          for (const { values } of data.result) for (const [ns] of values) if (BigInt(ns) > since) since = BigInt(ns);
          add(data.result);
        }, (failure: Error) => { if (!abort.signal.aborted) setTail((old) => ({ ...old, words: failure.message })); });
      }, ASK_EVERY_MS);
    };
    return () => { socket.onclose = null; socket.close(); abort.abort(); clearInterval(draw); clearInterval(ask); };
  }, [uid, query, paused]);
  return tail;
}
