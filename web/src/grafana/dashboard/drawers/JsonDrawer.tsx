// A dashboard's JSON: read, copied, changed and saved where it does not come from a file.
import { css } from "@emotion/css";
import { Alert, Button, ClipboardButton, Drawer, Field, Input, TextArea } from "@grafana/ui";
import { useMemo, useState } from "react";
import { send } from "../../runtime/http";
import { save as download } from "../../runtime/download";
import type { DashboardJson, DashboardMeta } from "../json";

interface Props { json: DashboardJson; meta: DashboardMeta; close: () => void }

const tools = css({ display: "flex", gap: 8, flexWrap: "wrap", alignItems: "center" });
const column = css({ display: "flex", flexDirection: "column", gap: 8, height: "100%" });
const area = css({ flex: 1, minHeight: 320, fontFamily: "'Roboto Mono', monospace", fontSize: 12, whiteSpace: "pre" });

function parsed(text: string): DashboardJson | string {
  try {
    return JSON.parse(text) as DashboardJson;
  } catch (error) {
    return (error as Error).message;
  }
}

/** A dashboard that comes from a file may be kept under a name of its own. */
const copyOf = (json: DashboardJson): DashboardJson => ({ ...json, id: null, uid: "", version: 0, title: `${json.title} copy` });

export default function JsonDrawer({ json, meta, close }: Props) {
  const first = useMemo(() => JSON.stringify(json, null, 2), [json]);
  const [text, setText] = useState(first), [message, setMessage] = useState(""), [error, setError] = useState(""), [old, setOld] = useState(false);
  const made = useMemo(() => parsed(text), [text]);
  const wrong = typeof made === "string" ? made : "";
  const store = (dashboard: DashboardJson, overwrite: boolean) => {
    setError("");
    send<{ url: string }>("POST", "/api/dashboards/db", { dashboard, message, overwrite, folderUid: meta.folderUid ?? "" }).then(
      ({ url }) => location.assign(url),
      (failure: Error & { status?: number }) => { setError(failure.message); setOld(failure.status === 412); },
    );
  };
  const fixed = meta.provisioned || meta.canSave === false;
  return (
    <Drawer title="JSON model" subtitle={json.title} size="md" onClose={close}>
      <div className={column}>
        {meta.provisioned && <Alert severity="info" title="This dashboard comes from a file">Change the file, or save a copy here. `pytake dashboards` brings changes of a copy back to the file.</Alert>}
        {error && <Alert title="It was not saved">{error}</Alert>}
        {wrong && <Alert severity="warning" title="This is no JSON">{wrong}</Alert>}
        <TextArea aria-label="JSON model" className={area} value={text} spellCheck={false} onChange={(event) => setText(event.currentTarget.value)} />
        <div className={tools}>
          {meta.canSave !== false && <Field label="What was changed" noMargin><Input width={32} value={message} onChange={(event) => setMessage(event.currentTarget.value)} /></Field>}
          {!fixed && <Button disabled={!!wrong || text === first} onClick={() => typeof made !== "string" && store(made, old)}>{old ? "Overwrite the newer version" : "Save changes"}</Button>}
          {meta.canSave !== false && <Button variant="secondary" disabled={!!wrong} onClick={() => typeof made !== "string" && store(copyOf(made), false)}>Save a copy</Button>}
          <ClipboardButton variant="secondary" icon="copy" getText={() => text}>Copy</ClipboardButton>
          <Button variant="secondary" icon="download-alt" onClick={() => download(`${json.uid || "dashboard"}.json`, text, "application/json")}>Download</Button>
        </div>
      </div>
    </Drawer>
  );
}
