// A silence is made or changed here; Alertmanager says at once which alerts it would take.
import { css } from "@emotion/css";
import { dateTimeFormat } from "@grafana/data";
import { locationService } from "@grafana/runtime";
import { Alert, Button, Field, IconButton, Input, Select, TextArea, useStyles2 } from "@grafana/ui";
import { useEffect, useState, type FormEvent } from "react";
import { useParams, useSearchParams } from "react-router-dom";
import { get, send } from "../../runtime/http";
import { address, type Silence } from "./api";
import { parsed, text, type Delivered, type Matcher } from "./model";
import { cardStyles, LabelList } from "./parts";

const HOUR_MS = 3_600_000, TYPING_MS = 300;
const LENGTHS = [["30 min", 0.5], ["1 h", 1], ["4 h", 4], ["1 day", 24], ["1 week", 168]] as const;
const OPS = ["=", "!=", "=~", "!~"].map((value) => ({ label: value, value }));
const row = css({ display: "grid", gridTemplateColumns: "minmax(0, 1fr) 76px minmax(0, 1.4fr) 24px", gap: 6, marginBottom: 6, alignItems: "center" });
const form = css({ maxWidth: 760, paddingTop: 12 });
const times = css({ display: "flex", gap: 12, flexWrap: "wrap", "> *": { flex: "1 1 220px" } });

const op = (one: Matcher) => `${one.isEqual === false ? "!" : ""}${one.isRegex ? "~" : "="}`.replace(/^~$/, "=~").replace(/^!=$/, "!=");
const EMPTY: Matcher = { name: "", value: "", isRegex: false, isEqual: true };
/** As an input of type datetime-local takes it, in the browser's zone. */
const local = (at: number) => dateTimeFormat(at, { format: "YYYY-MM-DDTHH:mm", timeZone: "browser" });

export function SilenceForm() {
  const { id } = useParams();
  const [params] = useSearchParams();
  const [held, setHeld] = useState<Silence>(), [error, setError] = useState("");
  const [matchers, setMatchers] = useState<Matcher[]>(() => { const given = params.getAll("matcher").flatMap((one) => parsed(one) ?? []); return given.length ? given : [EMPTY]; });
  const [from, setFrom] = useState(() => local(Date.now())), [to, setTo] = useState(() => local(Date.now() + 2 * HOUR_MS));
  const [by, setBy] = useState(""), [comment, setComment] = useState(params.get("comment") ?? ""), [busy, setBusy] = useState(false);
  useEffect(() => { get<{ login: string }>("/api/user").then((me) => setBy((old) => old || me.login), () => undefined); }, []);
  useEffect(() => {
    if (!id) return;
    get<Silence>(address.silence(id)).then((one) => {
      setHeld(one); setMatchers(one.matchers); setComment(one.comment); setBy(one.createdBy);
      if (one.status.state !== "expired") { setFrom(local(Date.parse(one.startsAt))); setTo(local(Date.parse(one.endsAt))); }
    }, (failure: Error) => setError(failure.message));
  }, [id]);
  const change = (i: number, next: Partial<Matcher>) => setMatchers(matchers.map((one, at) => (at === i ? { ...one, ...next } : one)));
  const given = matchers.filter((one) => one.name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const past = held && held.status.state !== "expired" && local(Date.parse(held.startsAt)) === from;
    const silence = { id: held && held.status.state !== "expired" ? held.id : undefined, matchers: given, createdBy: by, comment, startsAt: past ? held.startsAt : new Date(from).toISOString(), endsAt: new Date(to).toISOString() };
    send("POST", address.silences(), silence).then(() => locationService.push("/alerting/silences"), (failure: Error) => { setBusy(false); setError(failure.message); });
  };
  return (
    <form className={form} onSubmit={submit} aria-label="Silence">
      <h4>{held ? (held.status.state === "expired" ? "Silence again" : "Change the silence") : "New silence"}</h4>
      {error && <Alert title="Alertmanager did not take it">{error}</Alert>}
      <Field label="Alerts with these labels" description="All must hold. =~ and !~ take expressions that fit the whole value.">
        <div>
          {matchers.map((one, i) => (
            <div key={i} className={row}>
              <Input required aria-label="Label" placeholder="label" value={one.name} onChange={(event) => change(i, { name: event.currentTarget.value.trim() })} />
              <Select aria-label="Operator" options={OPS} value={op(one)} onChange={(choice) => change(i, { isRegex: choice.value!.endsWith("~"), isEqual: !choice.value!.startsWith("!") })} />
              <Input aria-label="Value" placeholder="value" value={one.value} onChange={(event) => change(i, { value: event.currentTarget.value })} />
              <IconButton name="trash-alt" tooltip="Remove" disabled={matchers.length === 1} onClick={() => setMatchers(matchers.filter((_, at) => at !== i))} />
            </div>
          ))}
          <Button size="sm" variant="secondary" icon="plus" onClick={() => setMatchers([...matchers, EMPTY])}>Another label</Button>
        </div>
      </Field>
      <div className={times}>
        <Field label="From"><Input type="datetime-local" required value={from} aria-label="From" onChange={(event) => setFrom(event.currentTarget.value)} /></Field>
        <Field label="Until"><Input type="datetime-local" required min={from} value={to} aria-label="Until" onChange={(event) => setTo(event.currentTarget.value)} /></Field>
      </div>
      <div style={{ display: "flex", gap: 6, flexWrap: "wrap", marginBottom: 12 }}>
        {LENGTHS.map(([label, hours]) => <Button key={label} size="sm" variant="secondary" onClick={() => setTo(local(Math.max(Date.now(), Date.parse(from)) + hours * HOUR_MS))}>{label}</Button>)}
      </div>
      <Field label="Your name"><Input required value={by} aria-label="Your name" onChange={(event) => setBy(event.currentTarget.value)} /></Field>
      <Field label="Why"><TextArea required rows={2} value={comment} aria-label="Why" onChange={(event) => setComment(event.currentTarget.value)} /></Field>
      <Preview matchers={given} />
      <div style={{ display: "flex", gap: 8, marginTop: 12 }}>
        <Button type="submit" disabled={busy}>{held ? "Save" : "Silence"}</Button>
        <Button variant="secondary" onClick={() => locationService.push("/alerting/silences")}>Cancel</Button>
      </div>
    </form>
  );
}

/** Alerts that match now, by Alertmanager's own filter. */
function Preview({ matchers }: { matchers: Matcher[] }) {
  const style = useStyles2(cardStyles);
  const [taken, setTaken] = useState<Delivered[]>(), [error, setError] = useState("");
  const asked = matchers.length ? `${address.delivered()}?${new URLSearchParams(matchers.map((one) => ["filter", text(one)]))}` : "";
  useEffect(() => {
    if (!asked) { setTaken(undefined); return undefined; }
    const abort = new AbortController();
    const timer = setTimeout(() => { get<Delivered[]>(asked, abort.signal).then((list) => { setTaken(list); setError(""); }, (failure: Error) => { if (!abort.signal.aborted) setError(failure.message); }); }, TYPING_MS);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [asked]);
  if (error) return <Alert severity="warning" title="These labels cannot be looked for">{error}</Alert>;
  if (!taken) return null;
  return (
    <section aria-label="Affected alerts">
      <h6>{taken.length === 0 ? "No alert has these labels now" : `${taken.length} ${taken.length === 1 ? "alert has" : "alerts have"} these labels now`}</h6>
      {taken.slice(0, 20).map((one) => <div key={one.fingerprint} className={style.quiet}><b>{one.labels["alertname"]}</b> {one.annotations["summary"]}<LabelList labels={one.labels} without={["alertname"]} /></div>)}
      {taken.length > 20 && <p>and {taken.length - 20} more</p>}
    </section>
  );
}
