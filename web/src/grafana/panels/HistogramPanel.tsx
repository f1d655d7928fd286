// How often values fall into each bucket.
import { buildHistogram, FieldType, formattedValueToString, getDisplayProcessor, getFieldDisplayName, getHistogramFields, histogramFieldsToFrame, type DataFrame, type PanelProps } from "@grafana/data";
import { config } from "@grafana/runtime";
import { AxisPlacement, LegendDisplayMode, ScaleDirection, ScaleOrientation, type VizLegendOptions } from "@grafana/schema";
import { UPlotChart, UPlotConfigBuilder, VizLayout, VizLegend } from "@grafana/ui";
import { useMemo, useState } from "react";
import type uPlot from "uplot";
import { Empty, hasRows } from "./Empty";

interface Options { bucketCount?: number; bucketSize?: number; bucketOffset?: number; combine?: boolean; legend?: Partial<VizLegendOptions> }

/** Buckets: as the data has them, or counted here. */
function bucketsOf(series: DataFrame[], options: Options): DataFrame | undefined {
  if (series.length === 1 && getHistogramFields(series[0]!)) return series[0];
  const counted = buildHistogram(series, { combine: options.combine, bucketCount: options.bucketCount, bucketSize: options.bucketSize, bucketOffset: options.bucketOffset ?? 0 }, config.theme2);
  return counted ? histogramFieldsToFrame(counted, config.theme2) : undefined;
}

const colorOf = (index: number) => config.theme2.visualization.getColorByName(config.theme2.visualization.palette[index % config.theme2.visualization.palette.length]!);

function bars(plot: uPlot, low: number[], high: number[], counts: number[][]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  counts.forEach((row, series) => {
    ctx.fillStyle = colorOf(series);
    ctx.globalAlpha = counts.length > 1 ? 0.6 : 0.85;
    row.forEach((count, i) => {
      if (!count) return;
      const left = plot.valToPos(low[i]!, "x", true), right = plot.valToPos(high[i]!, "x", true), top = plot.valToPos(count, "y", true);
      ctx.fillRect(left + 1, top, Math.max(1, right - left - 2), plot.valToPos(0, "y", true) - top);
    });
  });
  ctx.restore();
}

interface Drawn { low: number[]; high: number[]; counts: number[][]; names: string[] }

function build({ low, high, counts, names }: Drawn, unit: string | undefined, timeZone: string, hover: (text: string) => void): UPlotConfigBuilder {
  const show = getDisplayProcessor({ field: { type: FieldType.number, config: { unit } }, theme: config.theme2 });
  const text = (value: number) => formattedValueToString(show(value));
  const most = Math.max(1, ...counts.flat());
  const builder = new UPlotConfigBuilder(timeZone);
  builder.addScale({ scaleKey: "x", isTime: false, orientation: ScaleOrientation.Horizontal, direction: ScaleDirection.Right, range: () => [low[0]!, high.at(-1)!] });
  builder.addScale({ scaleKey: "y", isTime: false, orientation: ScaleOrientation.Vertical, direction: ScaleDirection.Up, range: () => [0, most * 1.05] });
  builder.addAxis({ scaleKey: "x", isTime: false, placement: AxisPlacement.Bottom, theme: config.theme2, values: (_plot, splits) => splits.map(text) });
  builder.addAxis({ scaleKey: "y", placement: AxisPlacement.Left, theme: config.theme2 });
  builder.addSeries({ scaleKey: "y", theme: config.theme2, pathBuilder: () => null, pointSize: 0 } as never);
  builder.setCursor({ points: { show: false }, drag: { x: false, y: false }, y: false });
  builder.addHook("drawAxes", (plot) => bars(plot, low, high, counts));
  builder.addHook("setCursor", (plot) => {
    const { left = -1 } = plot.cursor, at = left < 0 ? -1 : low.findLastIndex((one) => one <= plot.posToVal(left, "x"));
    hover(at < 0 ? "" : `${text(low[at]!)} – ${text(high[at]!)}: ${counts.map((row, i) => `${counts.length > 1 ? `${names[i]} ` : ""}${row[at] ?? 0}`).join(", ")}`);
  });
  return builder;
}

export function HistogramPanel({ data, options, width, height, timeZone, fieldConfig }: PanelProps<Options>) {
  const [text, hover] = useState("");
  const drawn = useMemo((): Drawn | undefined => {
    const frame = hasRows(data) ? bucketsOf(data.series, options) : undefined;
    const fields = frame && getHistogramFields(frame);
    if (!frame || !fields) return undefined;
    return { low: fields.xMin.values as number[], high: fields.xMax.values as number[], counts: fields.counts.map((field) => field.values as number[]), names: fields.counts.map((field) => getFieldDisplayName(field, frame, data.series)) };
  }, [data, options]);
  const unit = fieldConfig.defaults.unit ?? data.series[0]?.fields.find((field) => field.type === FieldType.number)?.config.unit;
  const builder = useMemo(() => drawn && build(drawn, unit, timeZone, hover), [drawn, unit, timeZone]);
  if (!drawn?.low.length || !builder) return <Empty data={data} noValue={fieldConfig.defaults.noValue} />;
  const legend = options.legend?.showLegend === false ? null : (
    <VizLayout.Legend placement="bottom"><VizLegend placement="bottom" displayMode={options.legend?.displayMode ?? LegendDisplayMode.List} items={drawn.names.map((label, i) => ({ label, color: colorOf(i), yAxis: 1 }))} /></VizLayout.Legend>
  );
  return (
    <VizLayout width={width} height={height} legend={legend}>
      {(w: number, h: number) => (
        <div style={{ position: "relative" }} data-testid="histogram" data-buckets={drawn.low.length}>
          <UPlotChart config={builder} data={[drawn.low, drawn.low.map(() => 0)]} width={w} height={h} />
          {text && <div style={{ position: "absolute", top: 2, right: 4, pointerEvents: "none", padding: "0 6px", background: config.theme2.colors.background.elevated }}>{text}</div>}
        </div>
      )}
    </VizLayout>
  );
}
