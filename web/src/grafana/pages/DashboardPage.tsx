import { UrlSyncContextProvider } from "@grafana/scenes";
import { Alert, LoadingPlaceholder } from "@grafana/ui";
import { useEffect, useState } from "react";
import { useParams } from "react-router-dom";
import type { DashboardJson, DashboardMeta } from "../dashboard/json";
import { migrated } from "../dashboard/migrate";
import { sceneOf, type DashboardScene } from "../dashboard/scene";
import { get } from "../runtime/http";
import { visit } from "../runtime/visited";

interface Answer { dashboard: DashboardJson; meta: DashboardMeta }

export function DashboardPage({ home = false }: { home?: boolean }) {
  const { uid = "" } = useParams();
  const [scene, setScene] = useState<DashboardScene>();
  const [error, setError] = useState("");
  useEffect(() => {
    const abort = new AbortController();
    setScene(undefined);
    setError("");
    get<Answer>(home ? "/api/dashboards/home" : `/api/dashboards/uid/${encodeURIComponent(uid)}`, abort.signal).then(
      ({ dashboard, meta }) => {
        document.title = `${dashboard.title} - PyTake`;
        visit(dashboard.uid);
        setScene(sceneOf(migrated(dashboard), meta, dashboard));
      },
      (failure: Error) => { if (!abort.signal.aborted) setError(failure.message); },
    );
    return () => abort.abort();
  }, [uid, home]);
  if (error) return <Alert title="The dashboard could not be opened">{error}</Alert>;
  if (!scene) return <LoadingPlaceholder text="Loading the dashboard" />;
  return <UrlSyncContextProvider scene={scene} key={scene.state.key ?? uid} updateUrlOnInit createBrowserHistorySteps><scene.Component model={scene} /></UrlSyncContextProvider>;
}
