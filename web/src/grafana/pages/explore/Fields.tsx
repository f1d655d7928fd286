// Fields that the server found in the lines; one opens to its values among the lines on the page.
import { css } from "@emotion/css";
import type { GrafanaTheme2 } from "@grafana/data";
import { FilterInput, IconButton, useStyles2 } from "@grafana/ui";
import { useMemo, useState } from "react";
import { allOf, type LogLine, type Where } from "./lines";
import type { Narrow } from "./LogRow";
import { proxied, useLoaded } from "./useLoaded";

const styles = (theme: GrafanaTheme2) => ({
  box: css({ flex: "0 0 240px", minWidth: 0, maxHeight: 640, overflow: "auto", fontSize: 12, borderRight: `1px solid ${theme.colors.border.weak}`, paddingRight: 8, [theme.breakpoints.down("md")]: { flex: "none", width: "100%", maxHeight: 220, borderRight: 0 } }),
  name: css({ display: "flex", width: "100%", justifyContent: "space-between", gap: 8, background: "none", border: 0, color: "inherit", font: "inherit", padding: "2px 0", textAlign: "left", "> span:first-of-type": { overflowWrap: "anywhere" }, "> span:last-of-type": { color: theme.colors.text.secondary, flex: "none" }, "&:hover": { background: theme.colors.action.hover } }),
  value: css({ display: "flex", gap: 4, alignItems: "center", padding: "1px 0 1px 12px", "> span": { flex: 1, minWidth: 0, overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" } }),
});
interface Detected { fields?: { label: string; type: string; cardinality: number }[] | null }
interface Props { uid: string; query: string; bounds: [number, number]; lines: LogLine[]; index: string[]; narrow: Narrow }
const TOP = 10;

export function Fields({ uid, query, bounds, lines, index, narrow }: Props) {
  const style = useStyles2(styles);
  const [open, setOpen] = useState<string>(), [words, setWords] = useState("");
  const found = useLoaded<Detected>(proxied(uid, "loki/api/v1/detected_fields", { query, start: `${bounds[0]}000000`, end: `${bounds[1]}000000` }));
  const counted = useMemo(() => count(lines, index), [lines, index]);
  const known = new Map((found.data?.fields ?? []).map((one) => [one.label, `${one.type} · ${one.cardinality}`]));
  for (const [name, { values }] of counted) if (!known.has(name)) known.set(name, String(values.size));
  const names = [...known].filter(([name]) => name.toLowerCase().includes(words.toLowerCase())).sort(([a], [b]) => a.localeCompare(b));
  return (
    <aside className={style.box} aria-label="Fields">
      <FilterInput placeholder="Search fields" value={words} onChange={setWords} escapeRegex={false} />
      {found.error && <p>{found.error}</p>}
      {names.map(([name, kind]) => (
        <div key={name}>
          <button type="button" className={style.name} aria-expanded={open === name} onClick={() => setOpen(open === name ? undefined : name)}><span>{name}</span><span>{kind}</span></button>
          {open === name && values(counted.get(name)).map(([value, times, share, where]) => (
            <div key={value} className={style.value} title={value}>
              <span>{value}</span><small>{times} · {share} %</small>
              <IconButton name="search-plus" size="xs" tooltip={`Only ${name}=${value}`} onClick={() => narrow(name, value, "=", where)} />
              <IconButton name="search-minus" size="xs" tooltip={`Not ${name}=${value}`} onClick={() => narrow(name, value, "!=", where)} />
            </div>
          ))}
          {open === name && !counted.has(name) && <div className={style.value}>in none of the lines shown</div>}
        </div>
      ))}
    </aside>
  );
}

interface Counted { where: Where; values: Map<string, number> }

function count(lines: LogLine[], index: string[]): Map<string, Counted> {
  const found = new Map<string, Counted>();
  for (const line of lines) {
    for (const [name, value, where] of allOf(line, index)) {
      const one = found.get(name) ?? { where, values: new Map<string, number>() };
      one.values.set(value, (one.values.get(value) ?? 0) + 1);
      found.set(name, one);
    }
  }
  return found;
}

function values(held: Counted | undefined): [string, number, number, Where][] {
  if (!held) return [];
  const total = [...held.values.values()].reduce((sum, times) => sum + times, 0);
  return [...held.values].sort((a, b) => b[1] - a[1]).slice(0, TOP).map(([value, times]) => [value, times, Math.round((100 * times) / total), held.where]);
}
