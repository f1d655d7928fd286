import type { PanelData } from "@grafana/data";
import { Alert } from "@grafana/ui";
import { wordsOf, type Query } from "./state";

/** A query that failed: what was asked, and the server's own words. */
export function Refused({ name, queries, words }: { name: string; queries: Query[]; words: string }) {
  if (!words) return null;
  return (
    <Alert title={`${name} did not answer this query`} data-testid="query-error">
      <code style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{queries.map(wordsOf).join("\n")}</code>
      <div style={{ marginTop: 4 }}>{words}</div>
    </Alert>
  );
}

export function wordsOfErrors(...answers: (PanelData | undefined)[]): string {
  const errors = answers.flatMap((data) => data?.errors ?? (data?.error ? [data.error] : []));
  const words = [...new Set(errors.map((error) => error.message ?? error.data?.message ?? "").filter(Boolean))];
  return words.filter((one) => !words.some((other) => other !== one && one.includes(other))).join("\n");
}
