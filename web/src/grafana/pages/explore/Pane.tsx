// One side of Explore: a data source, its queries, a time range, what was found.
import { css } from "@emotion/css";
import { LoadingState, type GrafanaTheme2 } from "@grafana/data";
import { Button, Dropdown, Menu, Select, useStyles2 } from "@grafana/ui";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { TraceJson } from "../../../jaeger/api";
import { rowsOf, saveCsv, saveJson } from "./download";
import { save } from "../../runtime/download";
import { Go } from "./Go";
import { History } from "./History";
import { remember } from "./history";
import { logsOfMetrics, type Source } from "./jumps";
import { counts } from "./logql";
import { Logs } from "./Logs";
import { Metrics } from "./Metrics";
import { HINT, QueryRow } from "./QueryRow";
import { rangeOf, sceneOf, setRange, type ExploreScene } from "./scene";
import { asks, emptyQuery, letter, type Pane as Held, type Query } from "./state";
import { Traces } from "./Traces";

const styles = (theme: GrafanaTheme2) => ({
  pane: css({ flex: "1 1 0", minWidth: 0, padding: "10px 0" }),
  bar: css({ display: "flex", flexWrap: "wrap", gap: 8, alignItems: "center", marginBottom: 8 }),
  space: css({ flex: 1, [theme.breakpoints.down("sm")]: { display: "none" } }),
  actions: css({ display: "flex", gap: 8, flexWrap: "wrap", alignItems: "center" }),
});

interface Props { pane: Held; all: Source[]; change: (pane: Held) => void; split?: () => void; close?: () => void; name: string }

export function Pane({ pane, all, change, split, close, name }: Props) {
  const style = useStyles2(styles);
  const source = all.find((one) => one.uid === pane.datasource)!;
  const [draft, setDraft] = useState(pane.queries), [revision, setRevision] = useState(0), [history, setHistory] = useState(false), [traces, setTraces] = useState<TraceJson[]>([]);
  const asked = JSON.stringify(pane.queries);
  const given = useCallback((queries: Query[]) => { setDraft(queries); setRevision((old) => old + 1); }, []);
  useEffect(() => given(JSON.parse(asked) as Query[]), [asked, given]);
  const scene = useScene(source, asked, pane, change);
  const run = (queries: Query[]) => {
    remember(source.uid, queries);
    given(queries);
    if (JSON.stringify(queries) === asked) scene.state.$timeRange!.onRefresh();
    else change({ ...pane, queries, range: rangeOf(scene) });
  };
  const set = (i: number, query: Query) => draft.map((one, at) => (at === i ? query : one));
  const pick = (uid: string) => {
    const next = all.find((one) => one.uid === uid)!;
    const kept = next.type === source.type ? draft : [emptyQuery(next.type)];
    change({ datasource: uid, queries: kept, range: rangeOf(scene) });
  };
  const found = useCallback((held: TraceJson[]) => setTraces(held), []);
  const asksNow = pane.queries.some(asks), tracing = source.type === "jaeger";
  const lines = source.type === "loki" && pane.queries.some((one) => one.expr && !counts(one.expr));
  return (
    <section className={style.pane} aria-label={name}>
      <div className={style.bar}>
        <Select width={22} aria-label="Data source" options={all.map((one) => ({ label: one.name, value: one.uid }))} value={source.uid} onChange={(choice) => pick(choice.value!)} />
        {split && <Button size="md" variant="secondary" icon="columns" onClick={split}>Split</Button>}
        {close && <Button size="md" variant="secondary" icon="times" onClick={close}>Close</Button>}
        <span className={style.space} />
        <scene.state.time.Component model={scene.state.time} /><scene.state.refresh.Component model={scene.state.refresh} />
      </div>
      {draft.map((query, i) => (
        <QueryRow key={query.refId} source={source} query={query} revision={revision} only={draft.length === 1} change={(next) => setDraft(set(i, next))} run={(next) => run(set(i, next))} remove={() => run(draft.filter((_, at) => at !== i))} />
      ))}
      <div className={style.actions}>
        <Button icon="play" onClick={() => run(draft)}>Run query</Button>
        {!tracing && <Button variant="secondary" icon="plus" onClick={() => setDraft([...draft, { refId: free(draft), expr: "" }])}>Add query</Button>}
        <Button variant="secondary" icon="history" aria-expanded={history} onClick={() => setHistory(!history)}>History</Button>
        {asksNow && <Download scene={scene} traces={tracing ? traces : undefined} lines={lines} />}
        {source.type === "prometheus" && asksNow && <Go icon="gf-logs" to={logsOfMetrics(all, pane.queries[0]!.expr ?? "", rangeOf(scene))}>Logs</Go>}
      </div>
      {history && <History known={all} run={(ran) => { setHistory(false); if (ran.datasource === source.uid) run(ran.queries); else { remember(ran.datasource, ran.queries); change({ datasource: ran.datasource, queries: ran.queries, range: rangeOf(scene) }); } }} />}
      {!asksNow && !history && <p style={{ marginTop: 24, opacity: 0.7 }}>{tracing ? "Choose a service, or give a trace's id." : `Enter runs the query, Shift+Enter starts a line, Ctrl+Space completes. ${HINT[source.type]}`}</p>}
      {asksNow && (tracing ? <Traces scene={scene} pane={pane} source={source} all={all} found={found} />
        : lines ? <Logs key={source.uid} scene={scene} pane={pane} source={source} all={all} rerun={(expr) => run(pane.queries.map((one, i) => (i ? one : { ...one, expr })))} />
          : <Metrics scene={scene} pane={pane} source={source} all={all} />)}
    </section>
  );
}

const free = (queries: Query[]): string => Array.from({ length: 26 }, (_, i) => letter(i)).find((one) => !queries.some((query) => query.refId === one)) ?? "Z";

/** The scene of these queries; what is done to its time range goes into the address, and the other way round. */
function useScene(source: Source, asked: string, pane: Held, change: (pane: Held) => void): ExploreScene {
  const now = useRef({ pane, change }), refresh = useRef("");
  useEffect(() => { now.current = { pane, change }; });
  // the range at the time of making; later ones are set below
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const scene = useMemo(() => sceneOf(source, JSON.parse(asked) as Query[], pane.range, refresh.current), [source, asked]);
  useEffect(() => setRange(scene, { from: pane.range.from, to: pane.range.to }), [scene, pane.range.from, pane.range.to]);
  useEffect(() => {
    const stop = scene.activate();
    const watch = scene.state.$timeRange!.subscribeToState((next, old) => {
      if (next.from !== old.from || next.to !== old.to) now.current.change({ ...now.current.pane, range: rangeOf(scene) });
    });
    const keep = scene.state.refresh.subscribeToState((next) => { refresh.current = next.refresh; });
    return () => { watch.unsubscribe(); keep.unsubscribe(); stop(); };
  }, [scene]);
  return scene;
}

function Download({ scene, traces, lines }: { scene: ExploreScene; traces?: TraceJson[]; lines: boolean }) {
  const frames = () => (scene.state.main ?? scene.state.now)?.state.data?.series ?? [];
  const ready = () => traces !== undefined || (scene.state.main ?? scene.state.now)?.state.data?.state !== LoadingState.Loading;
  const name = traces ? "traces" : lines ? "logs" : "metrics";
  const menu = () => (
    <Menu>
      {!traces && <Menu.Item label="CSV" icon="table" disabled={!ready()} onClick={() => saveCsv(name, frames())} />}
      <Menu.Item label="JSON" icon="brackets-curly" onClick={() => saveJson(name, traces ? { data: traces } : rowsOf(frames()))} />
      {lines && <Menu.Item label="Text" icon="file-alt" onClick={() => save("logs.txt", rowsOf(frames()).map((row) => (row as { Line?: string }).Line ?? "").join("\n"), "text/plain")} />}
    </Menu>
  );
  return <Dropdown overlay={menu}><Button variant="secondary" icon="download-alt">Download</Button></Dropdown>;
}
