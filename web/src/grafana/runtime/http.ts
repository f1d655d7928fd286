// Requests to the server that serves these pages; errors carry the server's own words.
export class HttpError extends Error {
  constructor(readonly status: number, message: string, readonly body: unknown) {
    super(message);
  }
}

interface ErrorBody { message?: string; error?: string; errors?: string[] }

declare global {
  interface Window { pytakeEarly?: Record<string, Promise<Response> | undefined> }
}

/** What the page asked for before its scripts were there; each answer is taken once. */
function early(path: string, { method = "GET" }: RequestInit): Promise<Response> | undefined {
  const found = method === "GET" ? window.pytakeEarly?.[path] : undefined;
  if (found) window.pytakeEarly![path] = undefined;
  return found;
}

/** JSON of an answer; 401 leads to the login page. */
export async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  const answer = await (early(path, init) ?? fetch(path, { credentials: "same-origin", ...init }));
  const text = await answer.text();
  const body: unknown = parse(text);
  if (answer.ok) return body as T;
  if (answer.status === 401 && !path.startsWith("/login") && location.pathname !== "/login") {
    location.assign(`/login?redirectTo=${encodeURIComponent(location.pathname + location.search)}`);
  }
  const said = body as ErrorBody | null;
  throw new HttpError(answer.status, said?.message ?? said?.error ?? (text.slice(0, 400) || answer.statusText), body);
}

function parse(text: string): unknown {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

export const get = <T>(path: string, signal?: AbortSignal) => request<T>(path, { signal });

export const send = <T>(method: string, path: string, body: unknown, signal?: AbortSignal) =>
  request<T>(path, { method, signal, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
