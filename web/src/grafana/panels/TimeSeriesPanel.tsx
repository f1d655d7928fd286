// Lines over time, with a tooltip, zoom by dragging, and marks for annotations.
import { dateTimeFormat, DashboardCursorSync, formattedValueToString, getFieldDisplayName, type DataFrame, type LinkModel, type PanelProps } from "@grafana/data";
import { config } from "@grafana/runtime";
import { LegendDisplayMode, SortOrder, TooltipDisplayMode, type VizLegendOptions, type VizTooltipOptions } from "@grafana/schema";
import { SeriesTable, TimeSeries, TooltipPlugin2, usePanelContext, type SeriesTableRowProps, type UPlotConfigBuilder } from "@grafana/ui";
import { useMemo } from "react";
import { AnnotationMarks } from "./AnnotationMarks";
import { Empty } from "./Empty";
import { Exemplars, isExemplars } from "./Exemplars";
import { lineFrames } from "./frames";

interface Options { legend?: Partial<VizLegendOptions>; tooltip?: Partial<VizTooltipOptions>; timezone?: string[] }
const LEGEND: VizLegendOptions = { showLegend: true, displayMode: LegendDisplayMode.List, placement: "bottom", calcs: [] };
const X_ONE = 0, X_ALL = 1;

interface TipProps { frame: DataFrame; at: (number | null)[]; active: number | null; options?: Partial<VizTooltipOptions>; timeZone: string; links: LinkModel[] }

/** Data links of one point, with its value and labels filled in. */
const linksOf = (frame: DataFrame, series: number, row: number): LinkModel[] => frame.fields[series]?.getLinks?.({ valueRowIndex: row }) ?? [];

function Tip({ frame, at, active, options, timeZone, links }: TipProps) {
  const single = options?.mode !== TooltipDisplayMode.Multi;
  const rows = frame.fields.flatMap((field, i) => {
    const index = at[i];
    if (i === 0 || index === null || index === undefined || field.config.custom?.hideFrom?.tooltip || field.config.custom?.hideFrom?.viz) return [];
    const value = field.values[index];
    if (value === null || value === undefined || (single && active !== null && active !== i)) return [];
    const shown = field.display?.(value);
    const row: SeriesTableRowProps = {
      label: getFieldDisplayName(field, frame), isActive: active === i, value: shown ? formattedValueToString(shown) : String(value),
      color: shown?.color ?? config.theme2.visualization.getColorByName(field.config.color?.fixedColor ?? "gray"),
    };
    return [{ row, value: Number(value) }];
  });
  if (options?.sort === SortOrder.Descending) rows.sort((a, b) => b.value - a.value);
  if (options?.sort === SortOrder.Ascending) rows.sort((a, b) => a.value - b.value);
  const index = at.find((one) => one !== null && one !== undefined) ?? 0;
  return (
    <div style={{ padding: 8 }}>
      <SeriesTable timestamp={dateTimeFormat(frame.fields[0]!.values[index], { timeZone })} series={rows.map(({ row }) => row)} />
      {links.map((link, i) => <a key={i} href={link.href} target={link.target} onClick={link.onClick} style={{ display: "block", color: config.theme2.colors.text.link }}>{link.title}</a>)}
    </div>
  );
}

export function TimeSeriesPanel(props: PanelProps<Options>) {
  const { data, width, height, timeRange, timeZone, options, onChangeTimeRange } = props;
  const { sync, eventsScope } = usePanelContext();
  const frames = useMemo(() => lineFrames(data.series), [data.series]);
  const [dots, marks] = useMemo(() => [(data.annotations ?? []).filter(isExemplars), (data.annotations ?? []).filter((frame) => !isExemplars(frame))], [data.annotations]);
  const legend = useMemo(() => ({ ...LEGEND, ...options.legend }), [options.legend]);
  if (!frames.length) return <Empty data={data} noValue={props.fieldConfig.defaults.noValue} />;
  const cursor = sync?.() ?? DashboardCursorSync.Off;
  const plugins = (builder: UPlotConfigBuilder, aligned: DataFrame) => (
    <>
      {options.tooltip?.mode !== TooltipDisplayMode.None && (
        <TooltipPlugin2
          config={builder} hoverMode={options.tooltip?.mode === TooltipDisplayMode.Multi ? X_ALL : X_ONE} clientZoom syncMode={cursor} syncScope={eventsScope}
          queryZoom={({ from, to }) => onChangeTimeRange({ from, to })} maxWidth={options.tooltip?.maxWidth}
          getDataLinks={(series, row) => linksOf(aligned, series, row)}
          render={(_plot, at, active, pinned, _dismiss, _range, _synced, links) => <Tip frame={aligned} at={at} active={active} options={options.tooltip} timeZone={timeZone} links={pinned ? links : []} />}
        />
      )}
      <AnnotationMarks builder={builder} frames={marks} timeZone={timeZone} />
      <Exemplars builder={builder} frames={dots} aligned={aligned} timeZone={timeZone} />
    </>
  );
  return (
    <TimeSeries frames={frames} structureRev={data.structureRev} width={width} height={height} timeRange={timeRange}
      timeZone={options.timezone?.length ? options.timezone : timeZone} legend={legend} options={options}>
      {plugins}
    </TimeSeries>
  );
}
