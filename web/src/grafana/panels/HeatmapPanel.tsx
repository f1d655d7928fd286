// A heatmap: buckets over time, drawn by a hook on uPlot.
import { dateTimeFormat, getValueFormat, formattedValueToString, type PanelProps, type TimeRange } from "@grafana/data";
import { config } from "@grafana/runtime";
import { AxisPlacement, ScaleDirection, ScaleOrientation } from "@grafana/schema";
import { UPlotChart, UPlotConfigBuilder } from "@grafana/ui";
import { useMemo, useState } from "react";
import type uPlot from "uplot";
import { Empty } from "./Empty";
import { heatOf, type Heat } from "./heat";

interface Options { color?: { scheme?: string; exponent?: number; fill?: string }; cellGap?: number; calculate?: boolean }

const DARK = ["#2b1b12", "#7f3b08", "#d8701b", "#fdb366", "#fff1d6"], LIGHT = ["#fff3e3", "#fdcf95", "#fd9a44", "#d65a0a", "#7f2f04"];

/** The colour of a share (0..1). */
function shade(share: number): string {
  const ramp = config.theme2.isDark ? DARK : LIGHT;
  return ramp[Math.min(ramp.length - 1, Math.floor(share * ramp.length))]!;
}

function drawCells(plot: uPlot, heat: Heat, options: Options): void {
  const step = heat.times.length > 1 ? heat.times[1]! - heat.times[0]! : 60_000;
  const gap = options.cellGap ?? 1, exponent = options.color?.exponent ?? 0.5;
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  heat.times.forEach((time, column) => {
    const left = plot.valToPos(time - step, "x", true), right = plot.valToPos(time, "x", true);
    heat.buckets.forEach((_, row) => {
      const count = heat.counts[row]![column]!;
      if (count <= 1e-9) return;
      const top = plot.valToPos(row + 1, "y", true), bottom = plot.valToPos(row, "y", true);
      ctx.fillStyle = shade((count / heat.max) ** exponent);
      ctx.fillRect(left, top, Math.max(1, right - left - gap), Math.max(1, bottom - top - gap));
    });
  });
  ctx.restore();
}

function build(props: PanelProps<Options>, heat: Heat, range: () => TimeRange, hover: (text: string) => void): UPlotConfigBuilder {
  const { timeZone, options, fieldConfig, onChangeTimeRange } = props;
  const format = getValueFormat(fieldConfig.defaults.unit ?? "short");
  const named = (bucket: string) => (Number.isFinite(Number(bucket)) ? formattedValueToString(format(Number(bucket))) : bucket);
  const builder = new UPlotConfigBuilder(timeZone);
  builder.addScale({ scaleKey: "x", isTime: true, orientation: ScaleOrientation.Horizontal, direction: ScaleDirection.Right, range: () => [range().from.valueOf(), range().to.valueOf()] });
  builder.addScale({ scaleKey: "y", isTime: false, orientation: ScaleOrientation.Vertical, direction: ScaleDirection.Up, range: () => [0, heat.buckets.length] });
  builder.addAxis({ scaleKey: "x", isTime: true, placement: AxisPlacement.Bottom, theme: config.theme2, timeZone });
  const every = Math.ceil(heat.buckets.length / Math.max(2, Math.floor(props.height / 34)));
  builder.addAxis({
    scaleKey: "y", placement: AxisPlacement.Left, theme: config.theme2, size: 64,
    splits: () => heat.buckets.map((_, i) => i + 1).filter((i) => i % every === 0),
    values: (_plot: uPlot, splits: number[]) => splits.map((split) => named(heat.buckets[split - 1] ?? "")),
  });
  builder.addSeries({ scaleKey: "y", theme: config.theme2, pathBuilder: () => null, pointSize: 0 } as never);
  builder.setCursor({ points: { show: false }, drag: { x: true, y: false, setScale: false } });
  builder.addHook("drawAxes", (plot) => drawCells(plot, heat, options));
  builder.addHook("setSelect", (plot) => {
    if (plot.select.width < 5) return;
    onChangeTimeRange({ from: plot.posToVal(plot.select.left, "x"), to: plot.posToVal(plot.select.left + plot.select.width, "x") });
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  });
  builder.addHook("setCursor", (plot) => {
    const { left = -1, top = -1 } = plot.cursor;
    if (left < 0) return hover("");
    const time = plot.posToVal(left, "x"), row = Math.floor(plot.posToVal(top, "y"));
    const column = heat.times.findIndex((one) => one >= time);
    const count = heat.counts[row]?.[column];
    hover(count === undefined ? "" : `${dateTimeFormat(heat.times[column]!, { timeZone })}  ≤ ${named(heat.buckets[row]!)}: ${Number(count.toPrecision(3))}`);
  });
  return builder;
}

export function HeatmapPanel(props: PanelProps<Options>) {
  const { data, width, height, timeRange } = props;
  const [text, hover] = useState("");
  const heat = useMemo(() => heatOf(data.series, data.request?.targets.some((target) => (target as { format?: string }).format === "heatmap") ?? true), [data]);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the plot is built anew for new data or another size only
  const builder = useMemo(() => heat && build(props, heat, () => timeRange, hover), [heat, timeRange, height]);
  if (!heat || !builder || !heat.times.length) return <Empty data={data} noValue={props.fieldConfig.defaults.noValue} />;
  const zeros = heat.times.map(() => 0);
  return (
    <div style={{ position: "relative" }}>
      <UPlotChart config={builder} data={[heat.times, zeros]} width={width} height={height} />
      {text && <div style={{ position: "absolute", top: 2, right: 4, pointerEvents: "none", padding: "0 6px", background: config.theme2.colors.background.elevated }}>{text}</div>}
    </div>
  );
}
