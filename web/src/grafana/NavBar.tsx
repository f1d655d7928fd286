import { css } from "@emotion/css";
import type { GrafanaTheme2 } from "@grafana/data";
import { config } from "@grafana/runtime";
import { IconButton, useStyles2 } from "@grafana/ui";
import { Link, useLocation } from "react-router-dom";
import { otherTheme } from "./theme";

const styles = (theme: GrafanaTheme2) => ({
  bar: css({ display: "flex", alignItems: "center", gap: 4, height: 48, padding: "0 16px", background: theme.colors.background.primary, borderBottom: `1px solid ${theme.colors.border.weak}`, overflowX: "auto", flex: "none" }),
  name: css({ fontWeight: 600, marginRight: 12, color: theme.colors.text.maxContrast }),
  link: css({ padding: "4px 10px", borderRadius: theme.shape.radius.default, color: theme.colors.text.secondary, whiteSpace: "nowrap", "&[aria-current=page]": { color: theme.colors.text.primary, background: theme.colors.action.selected } }),
  space: css({ flex: 1 }),
});
const PLACES = [["/", "Home"], ["/dashboards", "Dashboards"], ["/explore", "Explore"], ["/alerting", "Alerting"]] as const;

export function NavBar() {
  const style = useStyles2(styles);
  const { pathname } = useLocation();
  return (
    <nav className={style.bar} aria-label="Main">
      <span className={style.name}>PyTake</span>
      {PLACES.map(([to, name]) => {
        const here = to === "/" ? pathname === "/" : pathname.startsWith(to);
        return <Link key={to} to={to} className={style.link} aria-current={here ? "page" : undefined}>{name}</Link>;
      })}
      <span className={style.space} />
      <IconButton name="palette" tooltip={config.theme2.isDark ? "Light theme" : "Dark theme"} onClick={otherTheme} />
      <IconButton name="signout" tooltip="Log out" onClick={() => location.assign("/logout")} />
    </nav>
  );
}
