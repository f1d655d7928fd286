// One log line; it opens to its fields and to the ways on.
import { css, cx } from "@emotion/css";
import { dateTimeFormat, type GrafanaTheme2 } from "@grafana/data";
import { config } from "@grafana/runtime";
import { Button, IconButton, useStyles2 } from "@grafana/ui";
import { useState, type ReactNode } from "react";
import { Go } from "./Go";
import { metricsOfLabels, traceUrl, type Source } from "./jumps";
import { allOf, parsedOf, traceOf, type LogLine, type Where } from "./lines";
import type { Range } from "./state";

const COLORS: Record<string, string> = { critical: "purple", fatal: "purple", error: "red", warning: "orange", warn: "orange", info: "green", notice: "green", debug: "blue", trace: "light-blue" };
const styles = (theme: GrafanaTheme2) => ({
  row: css({ display: "flex", gap: 8, width: "100%", border: 0, borderLeft: "3px solid", background: "none", padding: "1px 6px", textAlign: "left", cursor: "pointer", color: "inherit", fontFamily: theme.typography.fontFamilyMonospace, fontSize: 12, lineHeight: "18px", "&:hover": { background: theme.colors.action.hover }, mark: { background: theme.colors.warning.main, color: theme.colors.warning.contrastText, borderRadius: 2 }, [theme.breakpoints.down("sm")]: { flexDirection: "column", gap: 0 } }),
  time: css({ flex: "none", color: theme.colors.text.secondary }),
  wrapped: css({ whiteSpace: "pre-wrap", overflowWrap: "anywhere", minWidth: 0 }),
  plain: css({ whiteSpace: "pre" }),
  here: css({ background: theme.colors.action.selected }),
  details: css({ margin: "4px 0 10px 14px", fontSize: 12, td: { padding: "1px 10px 1px 0", verticalAlign: "top" }, "td:nth-of-type(2)": { color: theme.colors.text.secondary }, "td:last-of-type": { overflowWrap: "anywhere", fontFamily: theme.typography.fontFamilyMonospace } }),
  ways: css({ display: "flex", gap: 8, flexWrap: "wrap", marginBottom: 4 }),
});

export interface Shown { time: boolean; labels: boolean; wrap: boolean; pretty: boolean }
export type Narrow = (name: string, value: string, op: "=" | "!=", where: Where) => void;
interface Props {
  line: LogLine; shown: Shown; marks?: RegExp; index: string[]; all: Source[]; range: Range; here?: boolean;
  narrow?: Narrow; context?: (line: LogLine) => void;
}

/** The text with what was looked for marked in it. */
export function marked(text: string, marks: RegExp | undefined): ReactNode {
  if (!marks) return text;
  const parts: ReactNode[] = [];
  let done = 0;
  for (const found of text.matchAll(marks)) {
    if (!found[0]) continue;
    parts.push(text.slice(done, found.index), <mark key={found.index}>{found[0]}</mark>);
    done = found.index + found[0].length;
  }
  return [...parts, text.slice(done)];
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function LogRow(props: Props) {
  const { line, shown, marks, here } = props;
  const style = useStyles2(styles);
  const [open, setOpen] = useState(false);
  return (
    <div data-testid="log-line">
      <button type="button" className={cx(style.row, here && style.here)} aria-expanded={open} aria-current={here || undefined} onClick={() => setOpen(!open)}
        style={{ borderLeftColor: config.theme2.visualization.getColorByName(COLORS[line.level] ?? "gray") }} title={line.level}>
        {shown.time && <span className={style.time}>{dateTimeFormat(line.time, { format: "YYYY-MM-DD HH:mm:ss.SSS" })}</span>}
        {shown.labels && <span className={style.time}>{Object.entries(line.labels).map((pair) => pair.join("=")).join(" ")}</span>}
        <span className={shown.wrap || shown.pretty ? style.wrapped : style.plain}>{marked(shown.pretty ? pretty(line.text) : line.text, marks)}</span>
      </button>
      {open && <Details {...props} />}
    </div>
  );
}

function Details({ line, index, all, range, narrow, context }: Props) {
  const style = useStyles2(styles);
  const trace = traceOf(line), fields = allOf(line, index);
  const labels = { ...Object.fromEntries(parsedOf(line)), ...line.labels };
  return (
    <div className={style.details}>
      <div className={style.ways}>
        {trace && <Go icon="gf-traces" to={traceUrl(all, trace, range)}>Open the trace</Go>}
        <Go icon="graph-bar" to={metricsOfLabels(all, labels, range)}>{`Metrics of ${labels["service"] ?? labels["service_name"] ?? labels["job"]}`}</Go>
        {context && <Button size="sm" variant="secondary" icon="gf-show-context" onClick={() => context(line)}>Lines around it</Button>}
        <Button size="sm" variant="secondary" icon="copy" onClick={() => void navigator.clipboard?.writeText(line.text)}>Copy</Button>
      </div>
      <table><tbody>{fields.map(([name, value, where]) => (
        <tr key={`${where}${name}`}>
          <td style={{ whiteSpace: "nowrap" }}>
            {narrow && <><IconButton name="search-plus" size="sm" tooltip={`Only lines with ${name}=${value}`} onClick={() => narrow(name, value, "=", where)} /><IconButton name="search-minus" size="sm" tooltip={`No lines with ${name}=${value}`} onClick={() => narrow(name, value, "!=", where)} /></>}
          </td>
          <td>{name}</td><td>{value}</td>
        </tr>
      ))}</tbody></table>
    </div>
  );
}
