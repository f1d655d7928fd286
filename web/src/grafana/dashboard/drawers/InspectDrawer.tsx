// What a panel asked, what it got, and its JSON.
import { css } from "@emotion/css";
import { cacheFieldDisplayNames, type DataFrame, type PanelData } from "@grafana/data";
import { locationService } from "@grafana/runtime";
import { SceneDataTransformer, sceneGraph, type VizPanel } from "@grafana/scenes";
import { Alert, Button, Drawer, InlineSwitch, Select, Tab, TabsBar } from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";
import { useMemo, useState } from "react";
import { csvOf, save } from "../../runtime/download";
import type { PanelJson } from "../json";
import { sentQueries } from "../../runtime/datasource";
import { useSize } from "../../runtime/useSize";

const TABS = [["data", "Data"], ["query", "Query"], ["json", "Panel JSON"]] as const;
const tools = css({ display: "flex", gap: 8, flexWrap: "wrap", alignItems: "center", padding: "8px 0" });
const code = css({ whiteSpace: "pre-wrap", overflowWrap: "anywhere", maxHeight: "100%", overflow: "auto", flex: 1 });
const column = css({ display: "flex", flexDirection: "column", height: "100%", minHeight: 300 });
const close = () => locationService.partial({ inspect: null, inspectTab: null });

function Data({ panel, data }: { panel: VizPanel; data: PanelData }) {
  const [picked, pick] = useState(0);
  const [formatted, format] = useState(true), [transformed, transform] = useState(true);
  const [ref, size] = useSize<HTMLDivElement>();
  const source = sceneGraph.getData(panel);
  const raw = source instanceof SceneDataTransformer ? source.state.$data?.state.data : undefined;
  const series = useMemo(() => {
    const shown = panel.applyFieldConfig(transformed || !raw ? data : raw).series;
    cacheFieldDisplayNames(shown);
    return shown;
  }, [panel, data, raw, transformed]);
  const frame: DataFrame | undefined = series[Math.min(picked, series.length - 1)];
  const name = (one: DataFrame, i: number) => one.name ?? one.fields.find((field) => field.labels)?.config.displayNameFromDS ?? `${one.refId ?? "Frame"} ${i + 1}`;
  return (
    <div className={column}>
      <div className={tools}>
        {series.length > 1 && <Select width={40} aria-label="Frame" options={series.map((one, i) => ({ label: name(one, i), value: i }))} value={Math.min(picked, series.length - 1)} onChange={(choice) => pick(choice.value ?? 0)} />}
        <InlineSwitch label="Formatted data" showLabel value={formatted} onChange={() => format(!formatted)} />
        {raw && <InlineSwitch label="Apply transformations" showLabel value={transformed} onChange={() => transform(!transformed)} />}
        <Button icon="download-alt" variant="secondary" disabled={!frame} onClick={() => save(`${panel.state.title || "panel"}.csv`, csvOf(frame ? [frame] : [], formatted), "text/csv")}>Download CSV</Button>
      </div>
      <div ref={ref} style={{ flex: 1, minHeight: 200 }}>
        {!frame ? "No data" : size.width > 0 && <TableNG data={frame} {...size} fieldConfig={{ defaults: {}, overrides: [] }} timeRange={data.timeRange} />}
      </div>
    </div>
  );
}

function Query({ panel, data }: { panel: VizPanel; data: PanelData }) {
  const request = data.request;
  const sent = request && sentQueries.get(request.requestId);
  const errors = data.errors ?? (data.error ? [data.error] : []);
  const executed = data.series.flatMap((frame) => (frame.meta?.executedQueryString ? [`${frame.refId ?? ""}: ${frame.meta.executedQueryString}`] : []));
  const rows = data.series.reduce((sum, frame) => sum + frame.length, 0);
  return (
    <div className={column}>
      {errors.map((error, i) => <Alert key={i} title={error.message ?? "The query failed"} severity="error" />)}
      <div className={tools}>
        <span>{data.series.length} frames, {rows} rows</span>
        {sent && <span>answered in {Math.round(sent.took)} ms</span>}
        <Button icon="sync" variant="secondary" onClick={() => sceneGraph.getTimeRange(panel).onRefresh()}>Refresh</Button>
      </div>
      <pre className={code} data-testid="inspect-query">
        {[...new Set(executed)].join("\n")}{executed.length ? "\n\n" : ""}POST /api/ds/query{"\n"}{JSON.stringify(sent?.body ?? request?.targets ?? {}, null, 2)}
      </pre>
    </div>
  );
}

function Json({ panel, json }: { panel: VizPanel; json?: PanelJson }) {
  const text = useMemo(() => JSON.stringify(json, null, 2), [json]);
  return (
    <div className={column}>
      <div className={tools}><Button icon="download-alt" variant="secondary" onClick={() => save(`${panel.state.title || "panel"}.json`, text, "application/json")}>Download JSON</Button></div>
      <pre className={code} data-testid="inspect-json">{text}</pre>
    </div>
  );
}

export default function InspectDrawer({ panel, json, tab }: { panel: VizPanel; json?: PanelJson; tab: string }) {
  const { data } = sceneGraph.getData(panel).useState();
  const title = sceneGraph.interpolate(panel, panel.state.title, undefined, "text");
  const tabs = (
    <TabsBar>
      {TABS.map(([id, label]) => <Tab key={id} label={label} active={id === tab} onChangeTab={() => locationService.partial({ inspectTab: id })} />)}
    </TabsBar>
  );
  return (
    <Drawer title={`Inspect: ${title}`} size="md" onClose={close} tabs={tabs}>
      {tab === "json" ? <Json panel={panel} json={json} /> : !data ? "No data" : tab === "query" ? <Query panel={panel} data={data} /> : <Data panel={panel} data={data} />}
    </Drawer>
  );
}
