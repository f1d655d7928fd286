// What the alerting pages share: cards that fit on a phone, labels, links.
import { css } from "@emotion/css";
import { textUtil, type GrafanaTheme2 } from "@grafana/data";
import { Badge, useStyles2, type BadgeColor } from "@grafana/ui";
import type { Labels } from "./model";

export const COLORS: Record<string, BadgeColor> = { firing: "red", pending: "orange", silenced: "purple", inhibited: "darkgrey", critical: "red", warning: "orange", active: "purple", inactive: "green", recording: "blue", info: "blue", expired: "darkgrey" };

export const cardStyles = (theme: GrafanaTheme2) => ({
  list: css({ display: "flex", flexDirection: "column", gap: 8, marginTop: 8 }),
  card: css({ border: `1px solid ${theme.colors.border.weak}`, borderLeft: "3px solid", borderRadius: theme.shape.radius.default, background: theme.colors.background.primary, padding: "8px 12px", minWidth: 0, "&:focus-visible": { outline: `2px solid ${theme.colors.primary.main}` } }),
  head: css({ display: "flex", gap: 8, flexWrap: "wrap", alignItems: "center", h5: { margin: 0, overflowWrap: "anywhere" } }),
  space: css({ flex: 1 }),
  quiet: css({ color: theme.colors.text.secondary, fontSize: 12, overflowWrap: "anywhere" }),
  links: css({ display: "flex", gap: 12, flexWrap: "wrap", marginTop: 4, fontSize: 13, a: { color: theme.colors.text.link, textDecoration: "underline" } }),
  bar: css({ display: "flex", gap: 8, flexWrap: "wrap", alignItems: "center", marginTop: 8, "> div:first-of-type": { flex: "1 1 220px" } }),
  labels: css({ display: "flex", gap: 4, flexWrap: "wrap", marginTop: 4 }),
  label: css({ border: `1px solid ${theme.colors.border.weak}`, background: theme.colors.background.secondary, borderRadius: theme.shape.radius.default, padding: "0 6px", fontSize: 12, fontFamily: theme.typography.fontFamilyMonospace, overflowWrap: "anywhere", color: "inherit", textAlign: "left" }),
  code: css({ display: "block", whiteSpace: "pre-wrap", overflowWrap: "anywhere", margin: "4px 0", padding: 6, fontSize: 12 }),
  wide: css({ overflowX: "auto", maxWidth: "100%", "> [role=radiogroup]": { maxWidth: "none", minWidth: "max-content" }, "> [role=radiogroup] > *": { flex: "none" } }),
});

export const State = ({ name }: { name: string | undefined }) => (name ? <Badge text={name} color={COLORS[name] ?? "darkgrey"} /> : null);

export function LabelList({ labels, without = [], pick }: { labels: Labels; without?: string[]; pick?: (words: string) => void }) {
  const style = useStyles2(cardStyles);
  const shown = Object.entries(labels).filter(([name]) => !without.includes(name));
  return (
    <div className={style.labels}>{shown.map(([name, value]) => (pick
      ? <button key={name} type="button" className={style.label} title="Search for it" onClick={() => pick(`${name}=${value}`)}>{name}={value}</button>
      : <span key={name} className={style.label}>{name}={value}</span>))}
    </div>
  );
}

/** Annotations that are addresses; others are no links. */
export function Out({ to, children }: { to: string | undefined; children: string }) {
  if (!to || !/^(https?:|\/)/.test(to)) return null;
  return <a href={textUtil.sanitizeUrl(to)} target="_blank" rel="noreferrer">{children}</a>;
}
