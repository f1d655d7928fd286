// Annotations on the plot: dashed lines and shaded spans, each with a flag that says what happened.
import { css } from "@emotion/css";
import { dateTimeFormat, textUtil, type DataFrame } from "@grafana/data";
import { config } from "@grafana/runtime";
import { EventsCanvas, TagList, Tooltip, type UPlotConfigBuilder } from "@grafana/ui";
import { useCallback, useLayoutEffect, useRef } from "react";
import type uPlot from "uplot";
import { useRedraw } from "./redraw";

interface Props { builder: UPlotConfigBuilder; frames: DataFrame[]; timeZone: string }

const flag = css({ display: "block", width: 0, height: 0, borderLeft: "5px solid transparent", borderRight: "5px solid transparent", borderBottom: "6px solid currentColor" });
const column = (frame: DataFrame, name: string) => frame.fields.find((field) => field.name === name)?.values ?? [];
const colorOf = (frame: DataFrame, row: number) => config.theme2.visualization.getColorByName(String(column(frame, "color")[row] ?? "red"));
const ends = (frame: DataFrame, row: number) => {
  const from = Number(column(frame, "time")[row]), to = Number(column(frame, "timeEnd")[row] ?? from);
  return { from, to: Number.isFinite(to) && column(frame, "isRegion")[row] ? to : from };
};

function draw(plot: uPlot, frames: DataFrame[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.setLineDash([5, 5]);
  ctx.lineWidth = 1;
  for (const frame of frames) {
    for (let row = 0; row < frame.length; row += 1) {
      const { from, to } = ends(frame, row);
      const left = plot.valToPos(from, "x", true), right = plot.valToPos(to, "x", true);
      ctx.strokeStyle = ctx.fillStyle = colorOf(frame, row);
      for (const x of right > left + 1 ? [left, right] : [left]) {
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
      }
      if (right <= left + 1) continue;
      ctx.globalAlpha = 0.1;
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      ctx.globalAlpha = 1;
    }
  }
  ctx.restore();
}

function Words({ frame, row, timeZone }: { frame: DataFrame; row: number; timeZone: string }) {
  const { from, to } = ends(frame, row);
  const said = (name: string) => String(column(frame, name)[row] ?? "");
  const tags = (column(frame, "tags")[row] ?? []) as string[];
  return (
    <>
      <b>{said("title") || said("name")}</b> <small>{dateTimeFormat(from, { timeZone })}{to > from && ` – ${dateTimeFormat(to, { timeZone })}`}</small>
      {said("text") !== said("title") && <div dangerouslySetInnerHTML={{ __html: textUtil.sanitize(said("text")) }} />}
      {said("login") && <small> by {said("login")}</small>}
      {tags.length > 0 && <TagList tags={tags} />}
    </>
  );
}

export function AnnotationMarks({ builder, frames, timeZone }: Props) {
  const held = useRef(frames);
  const plot = useRef<uPlot | null>(null);
  useLayoutEffect(() => {
    held.current = frames;
    plot.current?.redraw(false);
  }, [frames]);
  useLayoutEffect(() => {
    builder.addHook("init", (made) => { plot.current = made; });
    builder.addHook("draw", (made) => draw(made, held.current));
  }, [builder]);
  useRedraw(plot, frames, builder);
  const coordinates = useCallback((frame: DataFrame, row: number) => {
    const made = plot.current;
    if (!made) return undefined;
    const { from, to } = ends(frame, row), { min = 0, max = 0 } = made.scales["x"] ?? {};
    if (from > max! || to < min!) return undefined;
    return { x: made.valToPos(Math.max(from, min!), "x"), y: made.over.clientHeight + 4 };
  }, []);
  const marker = useCallback((frame: DataFrame, row: number) => (
    <Tooltip content={<Words frame={frame} row={row} timeZone={timeZone} />} placement="bottom" interactive>
      <span className={flag} tabIndex={0} role="note" aria-label={String(column(frame, "text")[row] || column(frame, "title")[row] || "Annotation")} data-testid="annotation" style={{ color: colorOf(frame, row) }} />
    </Tooltip>
  ), [timeZone]);
  return <EventsCanvas id="annotations" config={builder} events={frames} renderEventMarker={marker} mapEventToXYCoords={coordinates} />;
}
