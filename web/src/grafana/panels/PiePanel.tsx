// Shares of a whole, as a pie or a ring with a legend.
import { css } from "@emotion/css";
import { type DisplayValue, type FieldDisplay, type PanelProps } from "@grafana/data";
import { LegendDisplayMode, type VizLegendOptions } from "@grafana/schema";
import { VizLayout, VizLegend, type VizLegendItem } from "@grafana/ui";
import { useState } from "react";
import { Empty } from "./Empty";
import { displayValues, hasNumbers, type ValueOptions } from "./values";

interface Options extends ValueOptions { pieType?: "pie" | "donut"; legend?: Partial<VizLegendOptions> & { values?: string[] } }
interface SliceProps { rows: FieldDisplay[]; total: number; size: number; ring: boolean }

const center = css({ display: "flex", alignItems: "center", justifyContent: "center", height: "100%" });

function slice(from: number, to: number, r: number, inner: number): string {
  const end = Math.min(to, from + 0.99999);
  const at = (share: number, radius: number) => `${radius * Math.sin(share * 2 * Math.PI)} ${-radius * Math.cos(share * 2 * Math.PI)}`;
  const big = end - from > 0.5 ? 1 : 0;
  return `M ${at(from, r)} A ${r} ${r} 0 ${big} 1 ${at(end, r)} L ${at(end, inner)} A ${inner} ${inner} 0 ${big} 0 ${at(from, inner)} Z`;
}

function Slices({ rows, total, size, ring }: SliceProps) {
  const r = size / 2 - 4;
  const starts = rows.map((_, i) => rows.slice(0, i).reduce((sum, row) => sum + row.display.numeric, 0) / total);
  return (
    <svg width={size} height={size} viewBox={`${-size / 2} ${-size / 2} ${size} ${size}`} role="img" aria-label="shares">
      {rows.map((row, i) => (
        <path key={i} d={slice(starts[i]!, starts[i]! + row.display.numeric / total, r, ring ? r * 0.62 : 0)} fill={row.display.color}>
          <title>{`${row.display.title}: ${row.display.text}${row.display.suffix ?? ""} (${((100 * row.display.numeric) / total).toFixed(1)} %)`}</title>
        </path>
      ))}
    </svg>
  );
}

export function PiePanel(props: PanelProps<Options>) {
  const { options, width, height, data } = props;
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  if (!hasNumbers(props)) return <Empty data={data} noValue={props.fieldConfig.defaults.noValue} />;
  const all = displayValues(props).filter((row) => row.display.numeric >= 0);
  const rows = all.filter((row) => !hidden.has(row.display.title ?? ""));
  const total = rows.reduce((sum, row) => sum + row.display.numeric, 0) || 1;
  const columns = options.legend?.values ?? [];
  const values = (row: FieldDisplay): DisplayValue[] => columns.map((column) => column === "percent"
    ? { title: "Percent", numeric: row.display.numeric / total, text: `${((100 * row.display.numeric) / total).toFixed(0)}%` }
    : { ...row.display, title: "Value", color: undefined });
  const items: VizLegendItem[] = all.map((row) => ({
    label: row.display.title ?? "", color: row.display.color, yAxis: 1, disabled: hidden.has(row.display.title ?? ""), getDisplayValues: () => values(row),
  }));
  const toggle = (label: string) => setHidden((old) => new Set(old.has(label) ? [...old].filter((one) => one !== label) : [...old, label]));
  const placement = options.legend?.placement ?? "right";
  const legend = options.legend?.showLegend === false ? null : (
    <VizLayout.Legend placement={placement}>
      <VizLegend items={items} placement={placement} displayMode={options.legend?.displayMode ?? LegendDisplayMode.List} onLabelClick={(item) => toggle(item.label)} />
    </VizLayout.Legend>
  );
  return (
    <VizLayout width={width} height={height} legend={legend}>
      {(w: number, h: number) => <div className={center}><Slices rows={rows} total={total} size={Math.max(20, Math.min(w, h))} ring={options.pieType === "donut"} /></div>}
    </VizLayout>
  );
}
