import { css } from "@emotion/css";
import { dateTimeFormatTimeAgo, type GrafanaTheme2 } from "@grafana/data";
import { FilterInput, IconButton, useStyles2 } from "@grafana/ui";
import { useState } from "react";
import { forget, keep, textOf, useHistory, type Ran } from "./history";
import type { Known } from "./state";

const styles = (theme: GrafanaTheme2) => ({
  box: css({ border: `1px solid ${theme.colors.border.weak}`, borderRadius: theme.shape.radius.default, padding: 8, marginTop: 8, maxHeight: 320, overflow: "auto", background: theme.colors.background.primary }),
  row: css({ display: "flex", gap: 8, alignItems: "center", padding: "2px 0" }),
  query: css({ flex: 1, minWidth: 0, textAlign: "left", background: "none", border: 0, color: "inherit", fontFamily: theme.typography.fontFamilyMonospace, fontSize: 12, whiteSpace: "pre-wrap", overflowWrap: "anywhere", padding: 4, "&:hover": { background: theme.colors.action.hover } }),
  small: css({ flex: "none", width: 110, fontSize: 12, color: theme.colors.text.secondary, [theme.breakpoints.down("sm")]: { width: 64 } }),
});

/** Queries that were run before; one click runs them again. */
export function History({ known, run }: { known: Known[]; run: (ran: Ran) => void }) {
  const style = useStyles2(styles);
  const all = useHistory();
  const [words, setWords] = useState("");
  const shown = all.filter((one) => textOf(one).toLowerCase().includes(words.toLowerCase()) && known.some((source) => source.uid === one.datasource))
    .sort((a, b) => Number(b.kept ?? false) - Number(a.kept ?? false) || b.at - a.at);
  return (
    <section className={style.box} aria-label="Query history">
      <FilterInput placeholder="Search in queries" value={words} onChange={setWords} escapeRegex={false} />
      {shown.map((one) => (
        <div key={`${one.datasource}${one.at}`} className={style.row}>
          <span className={style.small}>{known.find((source) => source.uid === one.datasource)?.name}<br />{dateTimeFormatTimeAgo(one.at)}</span>
          <button type="button" className={style.query} title="Run this query" onClick={() => run(one)}>{textOf(one)}</button>
          <IconButton name={one.kept ? "favorite" : "star"} tooltip={one.kept ? "Let it go" : "Keep it"} onClick={() => keep(one)} />
          <IconButton name="trash-alt" tooltip="Forget it" onClick={() => forget(one)} />
        </div>
      ))}
      {!shown.length && <p>{all.length ? "No query has these words." : "Queries that you run are listed here."}</p>}
    </section>
  );
}
