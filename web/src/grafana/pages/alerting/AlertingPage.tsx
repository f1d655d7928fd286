// Alerting: what fires, what is silenced, who is told and what happened; at the addresses that Grafana has.
import { Tab, TabsBar } from "@grafana/ui";
import { locationService } from "@grafana/runtime";
import { useEffect } from "react";
import { Navigate, Route, Routes as Switch, useLocation, useSearchParams } from "react-router-dom";
import { Alerts } from "./Alerts";
import { ContactPoints } from "./ContactPoints";
import { History } from "./History";
import { Routes } from "./Routes";
import { RuleList } from "./RuleList";
import { SilenceForm } from "./SilenceForm";
import { Silences } from "./Silences";

const TABS = [["alerts", "Alerts"], ["list", "Rules"], ["silences", "Silences"], ["routes", "Routes"], ["notifications", "Contact points"], ["history", "History"]] as const;

export default function AlertingPage() {
  const { pathname } = useLocation();
  const tab = useSearchParams()[0].get("tab");
  useEffect(() => { document.title = "Alerting - PyTake"; }, []);
  const here = pathname.split("/")[2] ?? "alerts";
  return (
    <>
      <div style={{ overflowX: "auto", overflowY: "hidden" }}>
        <TabsBar>
          {TABS.map(([path, label]) => <Tab key={path} label={label} href={`/alerting/${path}`} active={here === path || (path === "silences" && here === "silence")} onChangeTab={(event) => { event.preventDefault(); locationService.push(`/alerting/${path}`); }} />)}
        </TabsBar>
      </div>
      <Switch>
        <Route index element={tab ? <Navigate to={`/alerting/${tab}`} replace /> : <Alerts />} />
        <Route path="alerts" element={<Alerts />} />
        <Route path="groups" element={<Alerts />} />
        <Route path="list" element={<RuleList />} />
        <Route path="silences" element={<Silences />} />
        <Route path="silence/new" element={<SilenceForm />} />
        <Route path="silence/:id/edit" element={<SilenceForm key={pathname} />} />
        <Route path="routes" element={<Routes />} />
        <Route path="notifications" element={<ContactPoints />} />
        <Route path="history" element={<History />} />
        <Route path="*" element={<p>There is no such page here.</p>} />
      </Switch>
    </>
  );
}
