// LogQL: Grafana's grammar for the colours; completion of labels, values, stages and functions.
import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import { LanguageSupport, LRLanguage } from "@codemirror/language";
import { parser } from "@grafana/lezer-logql";
import { styleTags, tags } from "@lezer/highlight";
import { get } from "../../runtime/http";
import { selectorOf } from "./logql";

const RANGE = ["count_over_time", "rate", "bytes_rate", "bytes_over_time", "sum_over_time", "avg_over_time", "max_over_time", "min_over_time", "quantile_over_time", "first_over_time", "last_over_time", "absent_over_time", "rate_counter", "stddev_over_time"];
const AGGREGATIONS = ["sum", "avg", "count", "max", "min", "topk", "bottomk", "stddev", "sort", "sort_desc"];
const STAGES: [string, string][] = [
  ["json", "fields of JSON lines"], ["logfmt", "fields of logfmt lines"], ["pattern \"\"", "fields by a pattern"], ["regexp \"\"", "fields by an expression"], ["unpack", "fields that promtail packed"],
  ["line_format \"\"", "writes lines anew"], ["label_format", "renames fields"], ["unwrap", "a field becomes the sample"], ["drop", "leaves fields out"], ["keep", "keeps only these fields"], ["decolorize", "without colours"],
];
const FILTERS: [string, string][] = [["|=", "has"], ["!=", "has not"], ["|~", "matches"], ["!~", "matches not"]];

const language = LRLanguage.define({
  parser: parser.configure({ props: [styleTags({
    "LineComment": tags.comment, "String": tags.string, "Identifier LabelName": tags.labelName, "Number Duration Bytes": tags.number,
    "Sum Avg Count Max Min Topk Bottomk Stddev Stdvar Sort Sort_Desc CountOverTime Rate RateCounter BytesOverTime BytesRate AvgOverTime SumOverTime MinOverTime MaxOverTime StddevOverTime StdvarOverTime QuantileOverTime FirstOverTime LastOverTime AbsentOverTime": tags.function(tags.variableName),
    "Json Logfmt Unpack Pattern Regexp Unwrap LabelFormat LineFormat Decolorize Drop Keep By Without And Or Unless On Ignoring GroupLeft GroupRight Bool Offset": tags.keyword,
    "PipeExact PipeMatch Eq Neq Re Nre Pipe": tags.modifier, "⚠": tags.invalid,
  })] }),
  languageData: { closeBrackets: { brackets: ["(", "[", "{", '"', "`"] }, commentTokens: { line: "#" } },
});

interface Fields { fields?: { label: string; type: string }[] }

export function logqlLanguage(uid: string): LanguageSupport {
  const base = `/api/datasources/proxy/uid/${encodeURIComponent(uid)}/loki/api/v1`;
  const kept = new Map<string, Promise<string[]>>();
  const list = (path: string): Promise<string[]> => {
    let found = kept.get(path);
    if (!found) kept.set(path, (found = get<{ data?: string[] }>(`${base}/${path}`).then((answer) => answer.data ?? [], () => { kept.delete(path); return []; })));
    return found;
  };
  const fields = (selector: string) => get<Fields>(`${base}/detected_fields?${new URLSearchParams({ query: selector })}`).then((answer) => (answer.fields ?? []).map((one) => ({ label: one.label, detail: one.type })), () => []);
  return new LanguageSupport(language, language.data.of({ autocomplete: (context: CompletionContext) => complete(context, list, fields) }));
}

type List = (path: string) => Promise<string[]>;
const plain = (labels: string[], more: Partial<Completion> = {}): Completion[] => labels.map((label) => ({ label, ...more }));

/** What may stand at the cursor, by the text before it. */
export async function complete(context: CompletionContext, list: List, fields: (selector: string) => Promise<Completion[]>): Promise<CompletionResult | null> {
  const before = context.state.sliceDoc(0, context.pos);
  const value = /[{,]\s*([A-Za-z_]\w*)\s*(?:=~|!~|!=|=)\s*"([^"]*)$/.exec(before);
  if (value) return result(context.pos - value[2]!.length, plain(await list(`label/${value[1]}/values`)), /^[^"]*$/);
  const label = /[{,]\s*([A-Za-z_]\w*)?$/.exec(before);
  if (label && openBrace(before)) return result(context.pos - (label[1]?.length ?? 0), (await list("labels")).map((name) => ({ label: name, apply: `${name}="` })));
  const by = /\b(?:by|without)\s*\(\s*(?:\w+\s*,\s*)*(\w*)$/.exec(before);
  if (by) return result(context.pos - by[1]!.length, [...plain(await list("labels")), ...await fields(selectorOf(context.state.doc.toString()))]);
  const stage = /\|\s*(\w*)$/.exec(before);
  if (stage && before.includes("}")) {
    const found = await fields(selectorOf(before));
    return result(context.pos - stage[1]!.length, [...STAGES.map(([text, detail]) => ({ label: text, detail, boost: 1 })), ...found]);
  }
  const filter = /[}"`]\s+$/.exec(before);
  if (filter && !openBrace(before)) return result(context.pos, [...FILTERS.map(([text, detail]) => ({ label: text, detail, apply: `${text} "` })), { label: "|", detail: "a stage", apply: "| " }]);
  const word = /(?:^|[\s(])(\w+)$/.exec(before);
  if ((word || (context.explicit && !before.trim())) && !openBrace(before)) {
    return result(context.pos - (word?.[1]?.length ?? 0), [...plain(RANGE, { detail: "over a range" }), ...plain(AGGREGATIONS, { detail: "over series" }), { label: "{", detail: "a selector" }]);
  }
  return null;
}

const result = (from: number, options: Completion[], validFor: RegExp = /^\w*$/): CompletionResult | null => (options.length ? { from, options, validFor } : null);
const openBrace = (text: string) => text.lastIndexOf("{") > text.lastIndexOf("}");
