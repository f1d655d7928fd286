/** What to search for. Every field is a parameter of the address, under Jaeger's names. */

import { useEffect, useState, type FormEvent } from "react";

import { operations, services } from "../api";
import { useLoad } from "../hooks";

export const LOOKBACKS: Record<string, string> = { "5m": "5 minutes", "15m": "15 minutes", "1h": "hour", "3h": "3 hours", "6h": "6 hours", "12h": "12 hours", "24h": "24 hours", "2d": "2 days", "7d": "week" };

export interface Fields {
  service: string;
  operation: string;
  tags: string;
  lookback: string;
  minDuration: string;
  maxDuration: string;
  limit: string;
}

export const EMPTY: Fields = { service: "", operation: "", tags: "", lookback: "1h", minDuration: "", maxDuration: "", limit: "20" };

/** logfmt as a person types it (`http.status_code=500 error`) to the JSON object of the API; throws on what is neither. */
export function tagsToJson(text: string): string {
  const trimmed = text.trim();
  if (!trimmed || trimmed.startsWith("{")) return trimmed;
  const tags: Record<string, string> = {};
  for (const part of trimmed.match(/[^\s="]+(?:=(?:"(?:\\.|[^"])*"|[^\s"]*))?/g) ?? []) {
    const at = part.indexOf("=");
    const value = at < 0 ? "true" : part.slice(at + 1);
    tags[at < 0 ? part : part.slice(0, at)] = value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
  }
  return JSON.stringify(tags);
}

export function SearchForm({ fields, busy, onSearch, onUpload }: { fields: Fields; busy: boolean; onSearch: (fields: Fields) => void; onUpload: (files: FileList) => void }) {
  const [draft, setDraft] = useState(fields);
  useEffect(() => setDraft(fields), [fields]);
  const known = useLoad("services", services);
  const ops = useLoad(draft.service || null, (signal) => operations(draft.service, signal));
  const set = (name: keyof Fields) => (event: { target: { value: string } }) =>
    setDraft({ ...draft, [name]: event.target.value, ...(name === "service" ? { operation: "" } : {}) });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSearch(draft);
  };
  return (
    <form className="panel" onSubmit={submit}>
      <label>
        Service
        <select value={draft.service} onChange={set("service")} required>
          <option value="">{known.loading ? "…" : "choose"}</option>
          {[...new Set([...(known.data ?? []), ...(draft.service ? [draft.service] : [])])].map((name) => <option key={name}>{name}</option>)}
        </select>
      </label>
      {known.error && <p className="error">{known.error}</p>}
      <label>
        Operation
        <select value={draft.operation} onChange={set("operation")}>
          <option value="">all</option>
          {(ops.data ?? []).map((name) => <option key={name}>{name}</option>)}
        </select>
      </label>
      <label>
        Tags
        <input className="mono" value={draft.tags} onChange={set("tags")} placeholder='error=true http.response.status_code=500' />
      </label>
      <label>
        Within the last
        <select value={draft.lookback} onChange={set("lookback")}>
          {Object.entries(LOOKBACKS).map(([value, text]) => <option key={value} value={value}>{text}</option>)}
        </select>
      </label>
      <div className="two">
        <label>Longer than<input value={draft.minDuration} onChange={set("minDuration")} placeholder="1.2s, 100ms" pattern="\d+(\.\d+)?(ns|us|µs|ms|s|m|h)" /></label>
        <label>Shorter than<input value={draft.maxDuration} onChange={set("maxDuration")} placeholder="5s" pattern="\d+(\.\d+)?(ns|us|µs|ms|s|m|h)" /></label>
      </div>
      <label>
        At most
        <input type="number" min={1} max={1500} value={draft.limit} onChange={set("limit")} />
      </label>
      <button className="primary" disabled={busy}>{busy ? "Searching…" : "Find traces"}</button>
      <label>
        or open files
        <input type="file" accept=".json,application/json" multiple onChange={(event) => event.target.files && onUpload(event.target.files)} />
      </label>
    </form>
  );
}
