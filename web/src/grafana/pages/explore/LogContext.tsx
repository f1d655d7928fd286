// The lines of the same stream before and after one line.
import { css } from "@emotion/css";
import { Button, Modal } from "@grafana/ui";
import { useEffect, useRef, useState } from "react";
import type { Source } from "./jumps";
import { linesOfStreams, type LogLine } from "./lines";
import { streamOf } from "./logql";
import { LogRow, type Shown } from "./LogRow";
import type { Range } from "./state";
import { proxied, useLoaded } from "./useLoaded";

interface Answer { data: { result: Parameters<typeof linesOfStreams>[0] } }
const STEP = 20, HOURS_NS = 6n * 3_600_000_000_000n;

const wide = css({ width: "min(1200px, 96vw)" });

interface Props { uid: string; line: LogLine; index: string[]; shown: Shown; all: Source[]; range: Range; close: () => void }

export function LogContext({ uid, line, index, shown, all, range, close }: Props) {
  const [before, setBefore] = useState(STEP), [after, setAfter] = useState(STEP);
  const query = streamOf(line.labels, index), at = BigInt(line.ns);
  const ask = (direction: string, start: bigint, end: bigint, limit: number) => proxied(uid, "loki/api/v1/query_range", { query, direction, start: String(start), end: String(end), limit: String(limit) });
  // an end is not part of the range, a start is
  const older = useLoaded<Answer>(ask("backward", at - HOURS_NS, at, before)), newer = useLoaded<Answer>(ask("forward", at, at + HOURS_NS, after + 1));
  const order = (a: LogLine, b: LogLine) => (BigInt(a.ns) < BigInt(b.ns) ? -1 : 1);
  const found = (answer: typeof older) => linesOfStreams(answer.data?.data.result ?? []).sort(order);
  const next = found(newer).filter((one) => !(one.ns === line.ns && one.text === line.text));
  const row = (one: LogLine, here = false) => <LogRow key={`${one.key}${here}`} line={one} shown={{ ...shown, time: true, wrap: true }} index={index} all={all} range={range} here={here} />;
  const box = useRef<HTMLDivElement>(null);
  // newer browsers give a promise back, which is nothing to clean up
  useEffect(() => { void box.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "center" }); }, [older.data]);
  return (
    <Modal title={`Around this line of ${query}`} isOpen onDismiss={close} className={wide}>
      <div ref={box} data-testid="log-context" style={{ maxHeight: "65vh", overflow: "auto" }}>
        {older.error && <p>{older.error}</p>}
        <Button size="sm" variant="secondary" fill="text" disabled={older.loading} onClick={() => setBefore(before + 2 * STEP)}>More before</Button>
        {found(older).map((one) => row(one))}
        {row(line, true)}
        {next.map((one) => row(one))}
        <Button size="sm" variant="secondary" fill="text" disabled={newer.loading} onClick={() => setAfter(after + 2 * STEP)}>More after</Button>
        {newer.error && <p>{newer.error}</p>}
      </div>
    </Modal>
  );
}
