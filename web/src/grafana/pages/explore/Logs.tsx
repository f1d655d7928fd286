// Log lines: how many over time, the lines with their fields, and the lines that arrive now.
import { css } from "@emotion/css";
import { LoadingState, type GrafanaTheme2 } from "@grafana/data";
import { Button, InlineSwitch, useStyles2 } from "@grafana/ui";
import { useMemo, useState } from "react";
import { Fields } from "./Fields";
import { Go } from "./Go";
import { metricsOfLogs, type Source } from "./jumps";
import { linesOf, type LogLine } from "./lines";
import { LogContext } from "./LogContext";
import { counts, narrowed, searched } from "./logql";
import { LogRow, type Narrow, type Shown } from "./LogRow";
import { resultStyles, useBounds, useData } from "./Metrics";
import { Refused, wordsOfErrors } from "./Refused";
import { rangeOf, type ExploreScene } from "./scene";
import { exploreUrl, type Pane } from "./state";
import { useTail } from "./useTail";
import { proxied, useLoaded } from "./useLoaded";

const styles = (theme: GrafanaTheme2) => ({
  bars: css({ height: 150, position: "relative", display: "flex", flexDirection: "column" }),
  sides: css({ display: "flex", gap: 8, alignItems: "flex-start", [theme.breakpoints.down("md")]: { flexDirection: "column" } }),
  lines: css({ flex: 1, minWidth: 0, width: "100%", overflowX: "auto" }),
});
const FIRST = 200;
const SWITCHES: [keyof Shown, string][] = [["time", "Time"], ["labels", "Labels"], ["wrap", "Wrap"], ["pretty", "Pretty JSON"]];

interface Props { scene: ExploreScene; pane: Pane; source: Source; all: Source[]; rerun: (expr: string) => void }

export function Logs({ scene, pane, source, all, rerun }: Props) {
  const style = useStyles2(styles), result = useStyles2(resultStyles);
  const { main, graph } = scene.useState();
  const data = useData(main), bounds = useBounds(scene), range = rangeOf(scene);
  const query = pane.queries.find((one) => one.expr && !counts(one.expr))?.expr ?? "";
  const [live, setLive] = useState(false), [paused, setPaused] = useState(false), [oldest, setOldest] = useState(false), [fields, setFields] = useState(innerWidth > 900);
  const [shown, setShown] = useState<Shown>({ time: true, labels: false, wrap: true, pretty: false }), [most, setMost] = useState(FIRST), [around, setAround] = useState<LogLine>();
  const tail = useTail(source.uid, live ? query : "", paused);
  const labels = useLoaded<{ data?: string[] }>(proxied(source.uid, "loki/api/v1/labels")).data?.data;
  const index = useMemo(() => labels ?? [], [labels]);
  const asked = useMemo(() => linesOf(data?.series ?? []).sort((a, b) => (oldest ? 1 : -1) * (a.time - b.time)), [data, oldest]);
  const words = wordsOfErrors(data), lines = live ? tail.lines : asked, marks = useMemo(() => searched(query), [query]);
  if (words) return <Refused name={source.name} queries={pane.queries} words={words} />;
  const narrow: Narrow = (name, value, op, where) => rerun(narrowed(query, name, value, op, where));
  const over = `sum by (detected_level) (count_over_time(${query} [$__interval]))`;
  return (
    <>
      {!live && graph && <div className={result.box}><div className={style.bars}><graph.Component model={graph} /></div></div>}
      <section className={result.box} aria-label="Log lines">
        <div className={result.head}>
          <h5>{live ? "Live" : "Log lines"}</h5>
          <span className={result.quiet} role="status">{lines.length} lines{live && (tail.words ? ` · ${tail.words}` : paused ? " · paused" : tail.open ? " · listening" : " · connecting")}</span>
          <Button size="sm" variant={live ? "destructive" : "secondary"} icon={live ? "square-shape" : "play"} onClick={() => { setLive(!live); setPaused(false); }}>{live ? "Stop" : "Live"}</Button>
          {live && <Button size="sm" variant="secondary" icon={paused ? "play" : "pause"} onClick={() => setPaused(!paused)}>{paused ? "Go on" : "Pause"}</Button>}
          {!live && <Button size="sm" variant="secondary" icon="sort-amount-down" onClick={() => setOldest(!oldest)}>{oldest ? "Oldest first" : "Newest first"}</Button>}
          <Button size="sm" variant="secondary" icon="list-ul" aria-pressed={fields} onClick={() => setFields(!fields)}>Fields</Button>
          {SWITCHES.map(([name, label]) => <InlineSwitch key={name} id={`${name}-${pane.datasource}`} label={label} showLabel transparent value={shown[name]} onChange={() => setShown({ ...shown, [name]: !shown[name] })} />)}
          <Go icon="graph-bar" to={metricsOfLogs(all, query, range)}>Metrics of this service</Go>
          <Go icon="calculator-alt" to={exploreUrl({ ...pane, queries: [{ refId: "A", expr: over, legendFormat: "{{detected_level}}" }], range })}>Count over time</Go>
        </div>
        <div className={style.sides}>
          {fields && query && <Fields uid={source.uid} query={query} bounds={bounds} lines={lines} index={index} narrow={narrow} />}
          <div className={style.lines} data-testid="log-lines">
            {lines.slice(0, most).map((line) => <LogRow key={line.key} line={line} shown={shown} marks={marks} index={index} all={all} range={range} narrow={narrow} context={setAround} />)}
            {lines.length > most && <Button size="sm" variant="secondary" fill="text" onClick={() => setMost(most + FIRST)}>Show more ({lines.length - most} further lines)</Button>}
            {!live && !lines.length && data?.state === LoadingState.Done && <p>No line in this range is like that.</p>}
          </div>
        </div>
      </section>
      {around && <LogContext uid={source.uid} line={around} index={index} shown={shown} all={all} range={range} close={() => setAround(undefined)} />}
    </>
  );
}
