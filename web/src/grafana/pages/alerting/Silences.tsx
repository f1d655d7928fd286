import { dateTimeFormat, dateTimeFormatTimeAgo } from "@grafana/data";
import { locationService } from "@grafana/runtime";
import { Alert, Button, FilterInput, RadioButtonGroup, useStyles2 } from "@grafana/ui";
import { useState } from "react";
import { send } from "../../runtime/http";
import { address, useDelivered, useSilences, type Silence } from "./api";
import { text } from "./model";
import { cardStyles, State } from "./parts";

const KINDS = ["active", "pending", "expired"] as const;

export function Silences() {
  const style = useStyles2(cardStyles);
  const { data, error, reload } = useSilences(), delivered = useDelivered();
  const [kind, setKind] = useState<(typeof KINDS)[number]>("active"), [words, setWords] = useState(""), [failed, setFailed] = useState("");
  const all = data ?? [], of = (state: string) => all.filter((one) => one.status.state === state);
  const shown = of(kind).filter((one) => `${one.comment} ${one.createdBy} ${one.matchers.map(text).join(" ")}`.toLowerCase().includes(words.toLowerCase())).sort((a, b) => b.endsAt.localeCompare(a.endsAt));
  const end = (one: Silence) => send("DELETE", address.silence(one.id), {}).then(() => { setFailed(""); reload(); delivered.reload(); }, (failure: Error) => setFailed(failure.message));
  return (
    <>
      {error && <Alert title="Alertmanager did not tell its silences">{error}</Alert>}
      {failed && <Alert title="The silence was not ended">{failed}</Alert>}
      <div className={style.bar}>
        <FilterInput placeholder="Search in silences" value={words} onChange={setWords} escapeRegex={false} />
        <div className={style.wide}><RadioButtonGroup aria-label="State" options={KINDS.map((value) => ({ value, label: `${value} ${of(value).length}` }))} value={kind} onChange={setKind} /></div>
        <Button icon="plus" onClick={() => locationService.push("/alerting/silence/new")}>New silence</Button>
      </div>
      <div className={style.list}>{shown.map((one) => {
        const quiet = (delivered.data ?? []).filter((alert) => alert.status.silencedBy.includes(one.id)).length;
        return (
          <article key={one.id} className={style.card} aria-label={one.comment}>
            <div className={style.head}>
              <State name={one.status.state} /><h5>{one.comment}</h5><span className={style.space} />
              {kind === "expired"
                ? <Button size="sm" variant="secondary" onClick={() => locationService.push(`/alerting/silence/${one.id}/edit`)}>Again</Button>
                : <>
                  <Button size="sm" variant="secondary" icon="pen" onClick={() => locationService.push(`/alerting/silence/${one.id}/edit`)}>Edit</Button>
                  <Button size="sm" variant="secondary" icon="times" onClick={() => void end(one)}>Expire</Button>
                </>}
            </div>
            <div className={style.labels}>{one.matchers.map((matcher, i) => <span key={i} className={style.label}>{text(matcher)}</span>)}</div>
            <div className={style.quiet}>by {one.createdBy} · {dateTimeFormat(one.startsAt)} to {dateTimeFormat(one.endsAt)} ({dateTimeFormatTimeAgo(one.endsAt)}){kind === "active" && ` · silences ${quiet} ${quiet === 1 ? "alert" : "alerts"}`}</div>
          </article>
        );
      })}</div>
      {data && !shown.length && <p>{kind === "active" ? "Nothing is silenced." : "There is none."}</p>}
    </>
  );
}
