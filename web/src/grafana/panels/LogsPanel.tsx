import { css, cx } from "@emotion/css";
import { dateTimeFormat, type PanelProps } from "@grafana/data";
import { config } from "@grafana/runtime";
import { useMemo, useState } from "react";
import { Empty } from "./Empty";
import { fieldsOf, linesOf, traceOf, type Line } from "./logLines";

interface Options { showTime?: boolean; showLabels?: boolean; wrapLogMessage?: boolean; sortOrder?: "Descending" | "Ascending"; enableLogDetails?: boolean; prettifyLogMessage?: boolean }

const list = css({ height: "100%", overflow: "auto", fontFamily: "'Roboto Mono', monospace", fontSize: 12, lineHeight: "18px" });
const row = css({ display: "flex", gap: 8, width: "100%", border: 0, borderLeft: "3px solid", background: "none", padding: "1px 6px", textAlign: "left", cursor: "pointer", color: "inherit", font: "inherit", ":hover": { background: "rgba(128,128,128,.14)" } });
const wrapped = css({ whiteSpace: "pre-wrap", overflowWrap: "anywhere" });
const plain = css({ whiteSpace: "pre" });
const details = css({ margin: "4px 0 8px 24px", td: { padding: "0 12px 0 0", verticalAlign: "top", overflowWrap: "anywhere" } });
const FIRST = 300;
const COLORS: Record<string, string> = { critical: "purple", fatal: "purple", error: "red", warning: "yellow", warn: "yellow", info: "green", debug: "blue" };

function Details({ line }: { line: Line }) {
  const trace = traceOf(line);
  return (
    <div className={details}>
      {trace && <a href={`/explore?source=jaeger&query=${trace}`} style={{ color: config.theme2.colors.text.link }}>Open the trace {trace}</a>}
      <table><tbody>
        {[...Object.entries(line.labels), ...fieldsOf(line)].map(([name, value], i) => <tr key={i}><td>{name}</td><td>{value}</td></tr>)}
      </tbody></table>
    </div>
  );
}

function Row({ line, options, timeZone }: { line: Line; options: Options; timeZone: string }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" className={row} aria-expanded={open} style={{ borderLeftColor: config.theme2.visualization.getColorByName(COLORS[line.level] ?? "gray") }} onClick={() => setOpen(!open)}>
        {options.showTime !== false && <span style={{ flex: "none", opacity: 0.7 }}>{dateTimeFormat(line.time, { timeZone, format: "YYYY-MM-DD HH:mm:ss.SSS" })}</span>}
        {options.showLabels && <span style={{ opacity: 0.7 }}>{Object.entries(line.labels).map((pair) => pair.join("=")).join(" ")}</span>}
        <span className={cx(options.wrapLogMessage === false ? plain : wrapped)}>{line.text}</span>
      </button>
      {open && options.enableLogDetails !== false && <Details line={line} />}
    </>
  );
}

export function LogsPanel({ data, options, timeZone, fieldConfig }: PanelProps<Options>) {
  const [most, setMost] = useState(FIRST);
  const lines = useMemo(() => {
    const sign = options.sortOrder === "Ascending" ? 1 : -1;
    return linesOf(data.series).sort((a, b) => sign * (a.time - b.time));
  }, [data.series, options.sortOrder]);
  if (!lines.length) return <Empty data={data} noValue={fieldConfig.defaults.noValue} />;
  return (
    <div className={list} data-testid="log-lines">
      {lines.slice(0, most).map((line) => <Row key={line.key} line={line} options={options} timeZone={timeZone} />)}
      {lines.length > most && <button type="button" onClick={() => setMost(most + FIRST)}>Show more ({lines.length - most} further lines)</button>}
    </div>
  );
}
