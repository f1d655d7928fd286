// Exemplars as dots on the plot; each leads to its trace.
import { css } from "@emotion/css";
import { dateTimeFormat, FieldType, getDisplayProcessor, type DataFrame } from "@grafana/data";
import { config } from "@grafana/runtime";
import { EventsCanvas, Tooltip, type UPlotConfigBuilder } from "@grafana/ui";
import { useCallback, useLayoutEffect, useRef } from "react";
import type uPlot from "uplot";
import { useRedraw } from "./redraw";

interface Props { builder: UPlotConfigBuilder; frames: DataFrame[]; aligned: DataFrame; timeZone: string }
interface Link { title: string; url: string }

const dot = css({ display: "block", width: 8, height: 8, background: "currentColor", transform: "rotate(45deg)", opacity: 0.8, ":hover, :focus": { opacity: 1, outline: "2px solid" } });
const rows = css({ td: { padding: "0 8px 0 0", overflowWrap: "anywhere" } });
const column = (frame: DataFrame, name: string) => frame.fields.find((field) => field.name === name)?.values ?? [];

export const isExemplars = (frame: DataFrame) => (frame.meta?.custom as { resultType?: string } | undefined)?.resultType === "exemplar";

function Words({ frame, row, aligned, timeZone }: { frame: DataFrame; row: number; aligned: DataFrame; timeZone: string }) {
  const unit = aligned.fields.find((field) => field.type === FieldType.number)?.config.unit;
  const { text, suffix = "" } = getDisplayProcessor({ field: { type: FieldType.number, config: { unit } }, theme: config.theme2 })(column(frame, "value")[row]);
  const labels = Object.entries(column(frame, "labels")[row] as Record<string, string>);
  return (
    <>
      <b>{dateTimeFormat(Number(column(frame, "time")[row]), { timeZone })}: {text}{suffix}</b>
      <table className={rows}><tbody>{labels.map(([name, value]) => <tr key={name}><td>{name}</td><td>{value}</td></tr>)}</tbody></table>
    </>
  );
}

/** The value axis of the lines: dots stand on the first one. */
const yScale = (plot: uPlot) => plot.series.find((one, i) => i > 0 && one.scale)?.scale;

export function Exemplars({ builder, frames, aligned, timeZone }: Props) {
  const plot = useRef<uPlot | null>(null);
  useLayoutEffect(() => { builder.addHook("init", (made) => { plot.current = made; }); }, [builder]);
  useRedraw(plot, frames, builder);
  const coordinates = useCallback((frame: DataFrame, row: number) => {
    const made = plot.current, scale = made && yScale(made);
    const time = Number(column(frame, "time")[row]);
    if (!scale || !made.scales[scale] || time < (made.scales["x"]?.min ?? 0) || time > (made.scales["x"]?.max ?? 0)) return undefined;
    const { min, max } = made.scales[scale];
    const value = Math.min(Math.max(Number(column(frame, "value")[row]), min ?? 0), max ?? 0);
    return { x: made.valToPos(time, "x"), y: made.valToPos(value, scale) };
  }, []);
  const marker = useCallback((frame: DataFrame, row: number) => {
    const link = column(frame, "link")[row] as Link | undefined;
    return (
      <Tooltip content={<Words frame={frame} row={row} aligned={aligned} timeZone={timeZone} />} placement="top">
        {link ? <a className={dot} href={link.url} aria-label={link.title} data-testid="exemplar" style={{ color: config.theme2.visualization.getColorByName("dark-orange") }} /> : <span className={dot} data-testid="exemplar" />}
      </Tooltip>
    );
  }, [aligned, timeZone]);
  return <EventsCanvas id="exemplars" config={builder} events={frames} renderEventMarker={marker} mapEventToXYCoords={coordinates} />;
}
