// Alerts over time: a line each, and the changes of their states.
import { dateTimeFormat } from "@grafana/data";
import { EmbeddedScene, SceneControlsSpacer, SceneFlexItem, SceneFlexLayout, sceneGraph, SceneQueryRunner, SceneRefreshPicker, SceneTimePicker, SceneTimeRange, VizPanel } from "@grafana/scenes";
import { Alert, Select, useStyles2 } from "@grafana/ui";
import { useEffect, useMemo, useState } from "react";
import { useSearchParams } from "react-router-dom";
import { get } from "../../runtime/http";
import { sources } from "../../runtime/sources";
import { address, usePolled, type Rules } from "./api";
import type { Labels } from "./model";
import { cardStyles, LabelList, State } from "./parts";

const NORMAL = 0, PENDING = 1, FIRING = 2;
const STATES = [{ type: "value", options: { [NORMAL]: { text: "normal", color: "rgba(128, 128, 128, 0.2)", index: 2 }, [PENDING]: { text: "pending", color: "orange", index: 0 }, [FIRING]: { text: "firing", color: "red", index: 1 } } }];

function sceneOf(name: string, from: string, to: string): EmbeddedScene {
  const wanted = name ? `alertname=${JSON.stringify(name)}, ` : "";
  const by = name ? "" : "by (alertname) ";
  const group = by || "without (alertstate) ";
  const state = (which: string, value: number) => `max ${group}(ALERTS{${wanted}alertstate="${which}"}) * ${value}`;
  // the series ends with the alert: from then on it is normal, which a line has to say
  const over = `max ${group}(last_over_time(ALERTS{${wanted}alertstate=~".+"}[$__range])) * ${NORMAL}`;
  const source = sources.getInstanceSettings({ type: "prometheus" });
  const panel = new VizPanel({
    pluginId: "state-timeline", title: "States", hoverHeader: true,
    $data: new SceneQueryRunner({ datasource: { uid: source?.uid, type: "prometheus" }, queries: [{ refId: "A", range: true, expr: `(${state("firing", FIRING)}) or (${state("pending", PENDING)}) or (${over})`, legendFormat: name ? "" : "{{alertname}}" }], maxDataPoints: 600 }),
    options: { mergeValues: true, showValue: "auto", rowHeight: 0.8 }, fieldConfig: { defaults: { mappings: STATES as never, noValue: "No alert in this range" }, overrides: [] },
  });
  return new EmbeddedScene({
    $timeRange: new SceneTimeRange({ from, to }), controls: [new SceneControlsSpacer(), new SceneTimePicker({ isOnCanvas: true }), new SceneRefreshPicker({ isOnCanvas: true, refresh: "" })],
    body: new SceneFlexLayout({ direction: "column", children: [new SceneFlexItem({ minHeight: 300, height: 300, body: panel })] }),
  });
}

interface Frame { schema: { fields: { name: string }[] }; data: { values: unknown[][] } }
interface Line { previous: string; current: string; ruleTitle: string; labels: Labels }
const NAMES: Record<string, string> = { Normal: "normal", Pending: "pending", Alerting: "firing" };

export function History() {
  const style = useStyles2(cardStyles);
  const [params, setParams] = useSearchParams();
  const name = params.get("alertname") ?? "";
  const from = params.get("from") ?? "now-24h", to = params.get("to") ?? "now";
  const rules = usePolled<Rules>(address.rules());
  const names = useMemo(() => [...new Set((rules.data?.data.groups ?? []).flatMap((group) => group.rules.filter((rule) => rule.type === "alerting").map((rule) => rule.name)))].sort(), [rules.data]);
  // the range at the time of making: the scene writes later ones into the address
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const scene = useMemo(() => sceneOf(name, from, to), [name]);
  const { value, from: rawFrom, to: rawTo } = sceneGraph.getTimeRange(scene).useState();
  useEffect(() => {
    if (rawFrom !== from || rawTo !== to) setParams((old) => { old.set("from", rawFrom); old.set("to", rawTo); return old; }, { replace: true });
  }, [rawFrom, rawTo, from, to, setParams]);
  return (
    <>
      <div className={style.bar}>
        <Select isClearable aria-label="Alert" placeholder="All alerts" options={[...new Set([...names, ...(name ? [name] : [])])].map((one) => ({ label: one, value: one }))} value={name || null} onChange={(choice) => setParams(choice?.value ? { alertname: choice.value, from: rawFrom, to: rawTo } : { from: rawFrom, to: rawTo })} />
      </div>
      <scene.Component model={scene} />
      <Changes name={name} from={value.from.valueOf()} to={value.to.valueOf()} />
    </>
  );
}

function Changes({ name, from, to }: { name: string; from: number; to: number }) {
  const style = useStyles2(cardStyles);
  const [frame, setFrame] = useState<Frame>(), [error, setError] = useState("");
  useEffect(() => {
    const abort = new AbortController();
    const asked = { from: String(from), to: String(to), limit: "200", ...(name ? { alertname: name } : {}) };
    get<Frame>(address.history(asked), abort.signal).then((found) => { setFrame(found); setError(""); }, (failure: Error) => { if (!abort.signal.aborted) setError(failure.message); });
    return () => abort.abort();
  }, [name, from, to]);
  const column = (which: string) => frame?.data.values[frame.schema.fields.findIndex((field) => field.name === which)] ?? [];
  const lines = column("line").map((line) => (typeof line === "string" ? JSON.parse(line) : line) as Line), times = column("time") as number[];
  if (error) return <Alert title="The history could not be read">{error}</Alert>;
  return (
    <section aria-label="Changes of state" style={{ marginTop: 12 }}>
      <h5>Changes of state</h5>
      {frame && !lines.length && <p>No alert changed its state in this range.</p>}
      {lines.map((line, i) => (
        <div key={i} style={{ padding: "4px 0" }}>
          <div className={style.head}><span className={style.quiet}>{dateTimeFormat(times[i]!)}</span><b>{line.ruleTitle}</b><State name={NAMES[line.previous] ?? line.previous} />to<State name={NAMES[line.current] ?? line.current} /></div>
          <LabelList labels={line.labels} without={["alertname"]} />
        </div>
      ))}
    </section>
  );
}
