// Who is told, with what, and whether that works.
import { Alert, Badge, useStyles2 } from "@grafana/ui";
import { useSearchParams } from "react-router-dom";
import { address, useConfig, usePolled } from "./api";
import { integrationsOf, type Route } from "./model";
import { cardStyles } from "./parts";

interface Counted { data: { result: { metric: { integration?: string }; value: [number, string] }[] } }

const users = (route: Route | undefined, name: string): number => (route ? Number(route.receiver === name) + (route.routes ?? []).reduce((sum, child) => sum + users(child, name), 0) : 0);
const byKind = (answer: Counted | undefined) => new Map((answer?.data.result ?? []).map((one) => [one.metric.integration ?? "", Math.round(Number(one.value[1]))]));

export function ContactPoints() {
  const style = useStyles2(cardStyles);
  const { data, error } = useConfig();
  const sent = byKind(usePolled<Counted>(address.now("sum by (integration) (increase(alertmanager_notifications_total[1d]))")).data);
  const failed = byKind(usePolled<Counted>(address.now("sum by (integration) (increase(alertmanager_notifications_failed_total[1d]))")).data);
  const wanted = useSearchParams()[0].get("name");
  if (error) return <Alert title="Alertmanager did not tell its configuration">{error}</Alert>;
  const config = data?.alertmanager_config;
  const list = [...(config?.receivers ?? [])].sort((a, b) => Number(b.name === wanted) - Number(a.name === wanted));
  return (
    <>
      <p className={style.quiet} style={{ marginTop: 8 }}>These are on. Ways to send whose setting is not given are left out of the running configuration.</p>
      <div className={style.list}>{list.map((receiver) => {
        const ways = integrationsOf(receiver), routes = users(config?.route, receiver.name);
        return (
          <article key={receiver.name} className={style.card} aria-label={receiver.name} style={{ borderLeftColor: ways.length ? "#1a7f4b" : "gray" }}>
            <div className={style.head}><h5>{receiver.name}</h5>{!ways.length && <Badge text="sends to nobody" color="darkgrey" />}<span className={style.quiet}>{routes ? `used by ${routes} ${routes === 1 ? "route" : "routes"}` : "no route leads here"}</span></div>
            {ways.map((way, i) => (
              <div key={i} className={style.head} style={{ marginTop: 4 }}>
                <Badge text={way.kind} color="blue" /><span style={{ overflowWrap: "anywhere" }}>{way.to}</span>
                <span className={style.quiet}>{way.resolved ? "also when it is over" : "only while it fires"}{sent.has(way.kind) && ` · ${way.kind}: ${sent.get(way.kind)} sent in a day`}</span>
                {(failed.get(way.kind) ?? 0) > 0 && <Badge text={`${failed.get(way.kind)} failed`} color="red" />}
              </div>
            ))}
          </article>
        );
      })}</div>
    </>
  );
}
