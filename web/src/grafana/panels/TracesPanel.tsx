// One trace: its spans as bars over time.
import { css } from "@emotion/css";
import { getValueFormat, formattedValueToString, type DataFrame, type PanelProps } from "@grafana/data";
import { config } from "@grafana/runtime";
import { useMemo } from "react";
import { Empty } from "./Empty";

interface Span { id: string; parent: string; name: string; service: string; start: number; length: number; depth: number; failed: boolean }

const rowStyle = css({ display: "flex", alignItems: "center", height: 24, fontSize: 12 });
const nameStyle = css({ width: "38%", flex: "none", overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" });
const trackStyle = css({ position: "relative", flex: 1, height: 14 });

interface Tag { key: string; value: unknown }

function spansOf(frame: DataFrame): Span[] {
  const column = (name: string) => frame.fields.find((field) => field.name === name)?.values ?? [];
  const failed = (tags: unknown) => Array.isArray(tags) && (tags as Tag[]).some((tag) => (tag.key === "error" && tag.value !== false && tag.value !== "false") || (tag.key === "otel.status_code" && tag.value === "ERROR"));
  const all: Span[] = column("spanID").map((id, i) => ({
    id: String(id), parent: String(column("parentSpanID")[i] ?? ""), name: String(column("operationName")[i]), service: String(column("serviceName")[i]),
    start: Number(column("startTime")[i]), length: Number(column("duration")[i]), depth: 0, failed: failed(column("tags")[i]),
  }));
  const known = new Set(all.map((span) => span.id));
  const below = new Map<string, Span[]>();
  for (const span of all.sort((a, b) => a.start - b.start)) {
    const parent = known.has(span.parent) ? span.parent : "";
    below.set(parent, [...(below.get(parent) ?? []), span]);
  }
  const walk = (parent: string, depth: number): Span[] => (below.get(parent) ?? []).flatMap((span) => [{ ...span, depth }, ...walk(span.id, depth + 1)]);
  return walk("", 0);
}

const text = (ms: number) => formattedValueToString(getValueFormat("ms")(ms));

export function TracesPanel({ data, fieldConfig }: PanelProps) {
  const spans = useMemo(() => data.series.filter((frame) => frame.fields.some((field) => field.name === "spanID")).flatMap(spansOf), [data.series]);
  if (!spans.length) return <Empty data={data} noValue={fieldConfig.defaults.noValue} />;
  const from = Math.min(...spans.map((span) => span.start));
  const length = Math.max(...spans.map((span) => span.start + span.length)) - from || 1;
  const services = [...new Set(spans.map((span) => span.service))];
  const palette = config.theme2.visualization.palette;
  return (
    <div style={{ height: "100%", overflow: "auto" }} data-testid="trace">
      {spans.map((span) => {
        const color = config.theme2.visualization.getColorByName(palette[services.indexOf(span.service) % palette.length]!);
        return (
          <div key={span.id} className={rowStyle} title={`${span.service}: ${span.name} — ${text(span.length)} at ${text(span.start - from)}`}>
            <div className={nameStyle} style={{ paddingLeft: span.depth * 12 }}>
              {span.failed && <span style={{ color: config.theme2.colors.error.text }}>● </span>}<b>{span.service}</b> {span.name}
            </div>
            <div className={trackStyle}>
              <div style={{ position: "absolute", height: 12, background: color, left: `${(100 * (span.start - from)) / length}%`, width: `max(2px, ${(100 * span.length) / length}%)` }} />
            </div>
            <span style={{ width: 70, textAlign: "right", flex: "none" }}>{text(span.length)}</span>
          </div>
        );
      })}
    </div>
  );
}
