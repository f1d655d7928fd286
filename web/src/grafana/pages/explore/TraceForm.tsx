// What traces to look for, or which one.
import { css } from "@emotion/css";
import { Combobox, Field, Input } from "@grafana/ui";
import { useState, type KeyboardEvent } from "react";
import { TRACE_ID, type Query } from "./state";
import { proxied, useLoaded } from "./useLoaded";

const form = css({ marginBottom: 8, display: "flex", gap: 8, flexWrap: "wrap", alignItems: "flex-end", "> *": { flex: "1 1 150px", minWidth: 0 } });
const DURATION = "\\d+(\\.\\d+)?(ns|us|µs|ms|s|m|h)";

interface Props { uid: string; query: Query; change: (query: Query) => void; run: (query: Query) => void }

export function TraceForm({ uid, query, change, run }: Props) {
  const [words, setWords] = useState(0);
  const search: Query = query.queryType === "search" ? query : { refId: query.refId, queryType: "search" };
  const services = useLoaded<{ data: string[] | null }>(proxied(uid, "api/services"));
  const operations = useLoaded<{ data: (string | { name: string })[] | null }>(search.service ? proxied(uid, "api/operations", { service: search.service }) : "");
  const names = [...new Set((operations.data?.data ?? []).map((one) => (typeof one === "string" ? one : one.name)))];
  const options = (list: string[], now?: string) => [...new Set([...list, ...(now ? [now] : [])])].sort().map((value) => ({ label: value, value }));
  const text = (name: "tags" | "minDuration" | "maxDuration" | "limit") => ({
    value: String(search[name] ?? ""),
    onChange: (event: { currentTarget: { value: string } }) => change({ ...search, [name]: name === "limit" ? Number(event.currentTarget.value) || undefined : event.currentTarget.value || undefined }),
    onKeyDown: (event: KeyboardEvent) => { if (event.key === "Enter") run(search); },
  });
  const byId = (event: { currentTarget: { value: string } }) => {
    const id = event.currentTarget.value.trim();
    if (TRACE_ID.test(id)) { setWords(words + 1); run({ refId: query.refId, query: id.toLowerCase() }); }
  };
  return (
    <div className={form} role="group" aria-label={`Query ${query.refId}`}>
      <Field label="Service" noMargin error={services.error} invalid={!!services.error}>
        <Combobox id={`service-${uid}`} options={options(services.data?.data ?? [], search.service)} value={search.service ?? null} placeholder="all" loading={services.loading}
          onChange={(choice) => run({ ...search, service: choice.value, operation: undefined })} />
      </Field>
      <Field label="Operation" noMargin>
        <Combobox id={`operation-${uid}`} isClearable options={options(names, search.operation)} value={search.operation ?? null} placeholder="all" disabled={!search.service}
          onChange={(choice) => run({ ...search, operation: choice?.value })} />
      </Field>
      <Field label="Tags" noMargin><Input {...text("tags")} placeholder="error=true http.response.status_code=500" aria-label="Tags" /></Field>
      <Field label="Longer than" noMargin><Input {...text("minDuration")} placeholder="100ms" pattern={DURATION} aria-label="Longer than" /></Field>
      <Field label="Shorter than" noMargin><Input {...text("maxDuration")} placeholder="5s" pattern={DURATION} aria-label="Shorter than" /></Field>
      <Field label="At most" noMargin><Input {...text("limit")} type="number" min={1} max={1500} placeholder="20" aria-label="At most" /></Field>
      <Field label="or a trace's id" noMargin><Input key={`${query.query}${words}`} defaultValue={query.query ?? ""} placeholder="32 hexadecimal digits" aria-label="Trace id" onBlur={byId} onKeyDown={(event) => { if (event.key === "Enter") byId(event); }} /></Field>
    </div>
  );
}
