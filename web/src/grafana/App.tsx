import { css, cx } from "@emotion/css";
import { ThemeContext, type GrafanaTheme2 } from "@grafana/data";
import { config, locationService, LocationServiceProvider } from "@grafana/runtime";
import { ErrorBoundaryAlert, GlobalStyles, ModalRoot, ModalsProvider, PortalContainer, TimeRangeProvider, useStyles2 } from "@grafana/ui";
import { lazy, Suspense, useLayoutEffect, useState } from "react";
import { Route, Router, Routes } from "react-router-dom";
import { NavBar } from "./NavBar";
import { Shortcuts } from "./Shortcuts";
import { DashboardPage } from "./pages/DashboardPage";
import { LoginPage } from "./pages/LoginPage";
import { SearchPage } from "./pages/SearchPage";

const ImportPage = lazy(() => import("./pages/ImportPage"));
const ExplorePage = lazy(() => import("./pages/explore/ExplorePage"));
const AlertingPage = lazy(() => import("./pages/alerting/AlertingPage"));

const styles = (theme: GrafanaTheme2) => ({
  app: css({ minHeight: "100vh", background: theme.colors.background.canvas, display: "flex", flexDirection: "column" }),
  main: css({ padding: "0 16px 16px", flex: 1, display: "flex", flexDirection: "column", [theme.breakpoints.down("sm")]: { padding: "0 8px 8px" } }),
});

function Pages() {
  const style = useStyles2(styles);
  const [at, setAt] = useState(locationService.getLocation());
  useLayoutEffect(() => locationService.getHistory().listen((next: typeof at) => setAt(next)), []);
  const bare = at.pathname === "/login" || new URLSearchParams(at.search).has("kiosk");
  return (
    <Router navigator={locationService.getHistory() as never} location={at}>
      <div className={style.app}>
        {!bare && <NavBar />}
        {at.pathname !== "/login" && <Shortcuts />}
        <div className={cx(style.main)}>
          <ErrorBoundaryAlert key={at.pathname}>
            <Suspense fallback={null}>
              <Routes>
                <Route path="/login" element={<LoginPage />} />
                <Route path="/" element={<DashboardPage home />} />
                <Route path="/d/:uid/*" element={<DashboardPage />} />
                <Route path="/dashboards" element={<SearchPage />} />
                <Route path="/dashboards/f/:uid/*" element={<SearchPage />} />
                <Route path="/dashboard/import" element={<ImportPage />} />
                <Route path="/explore" element={<ExplorePage />} />
                <Route path="/alerting/*" element={<AlertingPage />} />
                <Route path="*" element={<h2>There is no such page here.</h2>} />
              </Routes>
            </Suspense>
          </ErrorBoundaryAlert>
        </div>
      </div>
    </Router>
  );
}

export function App() {
  return (
    <ThemeContext.Provider value={config.theme2}>
      <GlobalStyles />
      <LocationServiceProvider service={locationService}>
        <TimeRangeProvider>
          <ModalsProvider>
            <Pages />
            <ModalRoot />
            <PortalContainer />
          </ModalsProvider>
        </TimeRangeProvider>
      </LocationServiceProvider>
    </ThemeContext.Provider>
  );
}
