// Reading and changing LogQL text: stream selectors, filters, whether it counts.

/** A LogQL query that counts gives numbers, not lines. */
export const counts = (query: string): boolean => !/^\s*\{/.test(query);

/** The first stream selector, with its braces. */
export function selectorOf(query: string): string {
  const from = query.indexOf("{");
  if (from < 0) return "";
  for (let i = from, quote = ""; i < query.length; i++) {
    const char = query[i]!;
    if (quote) {
      if (char === "\\" && quote === '"') i++;
      else if (char === quote) quote = "";
    } else if (char === '"' || char === "`") quote = char;
    else if (char === "}") return query.slice(from, i + 1);
  }
  return "";
}

export interface Match { name: string; op: string; value: string }

/** Matchers of a selector, of PromQL or LogQL. */
export function matchersOf(selector: string): Match[] {
  return [...selector.matchAll(/([A-Za-z_][\w.:]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|`[^`]*`)/g)].map((m) => ({ name: m[1]!, op: m[2]!, value: unquoted(m[3]!) }));
}

function unquoted(text: string): string {
  if (text.startsWith("`")) return text.slice(1, -1);
  try {
    return String(JSON.parse(text));
  } catch {
    return text.slice(1, -1);
  }
}

export const quoted = (text: string): string => JSON.stringify(text);

/** The query with one more condition: in the selector for a label of the index, as a filter behind the parsers for others. */
export function narrowed(query: string, name: string, value: string, op: "=" | "!=", where: "index" | "metadata" | "parsed"): string {
  const selector = selectorOf(query);
  const condition = `${name}${op}${quoted(value)}`;
  if (where === "index") {
    const rest = matchersOf(selector).filter((one) => !(one.name === name && (one.value === value || op === "=")));
    const made = [...rest.map((one) => `${one.name}${one.op}${quoted(one.value)}`), condition].join(", ");
    return query.replace(selector, `{${made}}`);
  }
  const parser = where === "parsed" && !/\|\s*(json|logfmt|regexp|pattern|unpack)\b/.test(query) ? " | json" : "";
  const end = counts(query) ? query.indexOf(selector) + selector.length : query.length;
  return `${query.slice(0, end).trimEnd()}${parser} | ${name.replace(/[^\w]/g, "_")}${op}${quoted(value)}${query.slice(end)}`;
}

/** What the line filters of a query look for, to be marked in the lines. */
export function searched(query: string): RegExp | undefined {
  const parts = [...query.matchAll(/\|(=|~)\s*("(?:[^"\\]|\\.)*"|`[^`]*`)/g)].flatMap((m) => {
    const text = unquoted(m[2]!);
    if (!text) return [];
    return [m[1] === "=" ? text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") : text.replace(/^\(\?i\)/, "")];
  });
  if (!parts.length) return undefined;
  try {
    return new RegExp(parts.join("|"), /\(\?i\)/.test(query) ? "gi" : "g");
  } catch {
    return undefined; // of RE2's syntax, which JavaScript lacks
  }
}

/** The stream of a line, whatever the level of its other lines. */
export const streamOf = (labels: Record<string, string>, index: string[]): string =>
  `{${index.filter((name) => labels[name] !== undefined && !/^(detected_)?level$/.test(name)).map((name) => `${name}=${quoted(labels[name]!)}`).join(", ")}}`;
