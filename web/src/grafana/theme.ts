// Dark and light: themes are built once at the start, so another one needs a new page.
import { config } from "@grafana/runtime";
import { prefer } from "./runtime/preferences";

export function otherTheme(): void {
  const theme = config.theme2.isDark ? "light" : "dark";
  localStorage.setItem("pytake.theme", theme);
  prefer({ theme });
  const url = new URL(location.href);
  url.searchParams.delete("theme");
  location.replace(url);
}
