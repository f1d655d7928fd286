// A dashboard from a file, from pasted JSON, or by its public number, with the data sources it shall use.
import { css } from "@emotion/css";
import { locationService } from "@grafana/runtime";
import { Alert, Button, Field, FileDropzone, Input, Select, TextArea } from "@grafana/ui";
import { useEffect, useMemo, useState } from "react";
import type { DashboardJson } from "../dashboard/json";
import { get, send } from "../runtime/http";
import { sources } from "../runtime/sources";

interface Wanted { name: string; label?: string; type: string; pluginId?: string; value?: string; description?: string }
type Shared = DashboardJson & { __inputs?: Wanted[] };
interface Folder { uid: string; title: string }

const page = css({ maxWidth: 720, margin: "0 auto", width: "100%", display: "flex", flexDirection: "column", gap: 12 });
const line = css({ display: "flex", gap: 8, alignItems: "flex-end" });
const TYPES = { accept: { "application/json": [".json"], "text/plain": [".txt"] }, multiple: false };

/** The dashboard in a text: as exported, or as the API answers it. */
function read(text: string): Shared | string {
  if (!text.trim()) return "";
  try {
    const held = JSON.parse(text) as Shared & { dashboard?: Shared };
    const found = held.dashboard ?? held;
    return found && typeof found === "object" && (found.panels || (found as { rows?: unknown }).rows || found.title) ? found : "This JSON is no dashboard: it has no title and no panels.";
  } catch (error) {
    return `This is no JSON: ${(error as Error).message}`;
  }
}

function Details({ json, back }: { json: Shared; back: () => void }) {
  const inputs = useMemo(() => json.__inputs ?? [], [json]);
  const fitting = (wanted: Wanted) => sources.getList({ filter: (source) => !wanted.pluginId || source.type === wanted.pluginId });
  const [title, setTitle] = useState(json.title ?? ""), [uid, setUid] = useState(json.uid ?? ""), [folder, setFolder] = useState("");
  const [chosen, choose] = useState<Record<string, string>>(() => Object.fromEntries(inputs.map((wanted) => [wanted.name, wanted.type === "datasource" ? fitting(wanted)[0]?.uid ?? "" : wanted.value ?? ""])));
  const [folders, setFolders] = useState<Folder[]>([]), [error, setError] = useState(""), [exists, setExists] = useState(false);
  useEffect(() => { get<Folder[]>("/api/folders").then(setFolders, () => setFolders([])); }, []);
  const store = () => {
    setError("");
    const given = inputs.map(({ name, type, pluginId }) => ({ name, type, pluginId, value: chosen[name] ?? "" }));
    send<{ importedUrl: string }>("POST", "/api/dashboards/import", { dashboard: { ...json, title, uid, id: null }, inputs: given, folderUid: folder, overwrite: exists }).then(
      ({ importedUrl }) => locationService.push(importedUrl),
      (failure: Error & { status?: number }) => { setError(failure.message); setExists(failure.status === 412); },
    );
  };
  return (
    <>
      <Field label="Name" noMargin><Input value={title} onChange={(event) => setTitle(event.currentTarget.value)} /></Field>
      <Field label="Unique identifier (uid)" description="Part of the address; made by the server when empty." noMargin><Input value={uid} onChange={(event) => setUid(event.currentTarget.value)} /></Field>
      <Field label="Folder" noMargin><Select aria-label="Folder" options={[{ label: "General", value: "" }, ...folders.map((one) => ({ label: one.title, value: one.uid }))]} value={folder} onChange={(choice) => setFolder(choice.value ?? "")} /></Field>
      {inputs.map((wanted) => (
        <Field key={wanted.name} label={wanted.label ?? wanted.name} description={wanted.description} noMargin>
          {wanted.type === "datasource"
            ? <Select aria-label={wanted.label ?? wanted.name} placeholder={`a data source of type ${wanted.pluginId ?? "any"}`} options={fitting(wanted).map((source) => ({ label: source.name, value: source.uid }))} value={chosen[wanted.name]} onChange={(choice) => choose({ ...chosen, [wanted.name]: choice.value ?? "" })} />
            : <Input value={chosen[wanted.name] ?? ""} onChange={(event) => choose({ ...chosen, [wanted.name]: event.currentTarget.value })} />}
        </Field>
      ))}
      {error && <Alert title="It was not imported">{error}</Alert>}
      <div className={line}>
        <Button onClick={store} disabled={!title} variant={exists ? "destructive" : "primary"}>{exists ? "Import (overwrite)" : "Import"}</Button>
        <Button variant="secondary" onClick={back}>Back</Button>
      </div>
    </>
  );
}

export default function ImportPage() {
  const [text, setText] = useState(""), [number, setNumber] = useState(""), [error, setError] = useState(""), [json, setJson] = useState<Shared>();
  useEffect(() => { document.title = "Import - PyTake"; }, []);
  const load = (from: string) => {
    const found = read(from);
    setError(typeof found === "string" ? found || "There is nothing to load yet." : "");
    if (typeof found !== "string") setJson(found);
  };
  const fetchPublic = () => {
    const id = /(\d+)(?:[-/]|$)/.exec(number)?.[1];
    if (!id) return setError("The number of a public dashboard, or its address, is wanted.");
    return get<{ json?: Shared }>(`/api/gnet/dashboards/${id}`).then(
      (answer) => (answer.json ? setJson(answer.json) : setError("The answer has no dashboard in it.")), (failure: Error) => setError(failure.message),
    );
  };
  return (
    <div className={page}>
      <h2>Import a dashboard</h2>
      {error && <Alert title="It cannot be loaded">{error}</Alert>}
      {json ? <Details json={json} back={() => setJson(undefined)} /> : (
        <>
          <FileDropzone options={{ ...TYPES, onDrop: (files: File[]) => { void files[0]?.text().then((content) => { setText(content); load(content); }); } }} readAs="readAsText" />
          <div className={line}>
            <Field label="Public dashboard: number or address" noMargin><Input width={40} value={number} placeholder="1860" onChange={(event) => setNumber(event.currentTarget.value)} /></Field>
            <Button variant="secondary" onClick={() => void fetchPublic()}>Fetch</Button>
          </div>
          <Field label="JSON of a dashboard" noMargin><TextArea rows={12} aria-label="JSON of a dashboard" value={text} onChange={(event) => setText(event.currentTarget.value)} /></Field>
          <div><Button onClick={() => load(text)}>Load</Button></div>
        </>
      )}
    </div>
  );
}
