// Dashed lines where an annotation stands, drawn on the plot.
import type { DataFrame } from "@grafana/data";
import { config } from "@grafana/runtime";
import type { UPlotConfigBuilder } from "@grafana/ui";
import { useLayoutEffect, useRef } from "react";
import type uPlot from "uplot";

interface Props { builder: UPlotConfigBuilder; frames: DataFrame[]; timeZone: string }

function draw(plot: uPlot, frames: DataFrame[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.setLineDash([5, 5]);
  ctx.lineWidth = 2;
  for (const frame of frames) {
    const column = (name: string) => frame.fields.find((field) => field.name === name)?.values;
    column("time")?.forEach((time, i) => {
      const x = plot.valToPos(Number(time), "x", true);
      ctx.strokeStyle = config.theme2.visualization.getColorByName(String(column("color")?.[i] ?? "red"));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    });
  }
  ctx.restore();
}

export function AnnotationMarks({ builder, frames }: Props) {
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
  return null;
}
