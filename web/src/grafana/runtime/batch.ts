// Queries that panels ask in the same moment go to the server together: fewer requests, and one drawing for all of them.
import { send } from "./http";

interface Query { refId: string }
interface Frame { schema?: { refId?: string } }
interface Result { frames?: Frame[]; [more: string]: unknown }
export interface Answer { results: Record<string, Result> }
interface Waiting { queries: Query[]; done: (answer: Answer) => void; failed: (error: unknown) => void }
type Send = (body: object) => Promise<Answer>;

/** A slow query holds up those that travel with it: no more than this many do. */
const MOST = 8;

/** Queries of several panels under names of their own: two panels both ask "A". */
function joined(all: Waiting[]): Query[] {
  return all.flatMap(({ queries }, i) => queries.map((query) => ({ ...query, refId: `${i}.${query.refId}` })));
}

function shareOf(answer: Answer, index: number): Answer {
  const prefix = `${index}.`;
  const own = Object.entries(answer.results).filter(([name]) => name.startsWith(prefix));
  const renamed = own.map(([name, result]): [string, Result] => {
    const refId = name.slice(prefix.length);
    return [refId, { ...result, frames: result.frames?.map((frame) => ({ ...frame, schema: { ...frame.schema, refId } })) }];
  });
  return { results: Object.fromEntries(renamed) };
}

export class Batches {
  private waiting = new Map<string, Waiting[]>();

  constructor(private readonly post: Send = (body) => send<Answer>("POST", "/api/ds/query", body)) {}

  /** Answers of ``queries``; asked together with what else is asked for this time range in this turn. */
  ask(source: string, queries: Query[], from: string, to: string): Promise<Answer> {
    const key = JSON.stringify([source, from, to]);
    return new Promise((done, failed) => {
      const group = this.waiting.get(key) ?? [];
      group.push({ queries, done, failed });
      if (group.length === 1) {
        this.waiting.set(key, group);
        setTimeout(() => this.flush(key, from, to));
      }
    });
  }

  private flush(key: string, from: string, to: string): void {
    const all = this.waiting.get(key) ?? [];
    this.waiting.delete(key);
    for (let first = 0; first < all.length; first += MOST) {
      const group = all.slice(first, first + MOST);
      this.post({ queries: group.length > 1 ? joined(group) : group[0]!.queries, from, to }).then(
        (answer) => group.forEach(({ done }, i) => done(group.length > 1 ? shareOf(answer, i) : answer)),
        (error: unknown) => group.forEach(({ failed }) => failed(error)),
      );
    }
  }
}

export const batches = new Batches();
