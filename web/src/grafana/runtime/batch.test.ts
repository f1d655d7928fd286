import { expect, test } from "vitest";
import { Batches, type Answer } from "./batch";

interface Body { queries: { refId: string; expr: string }[] }

function recorded() {
  const bodies: Body[] = [];
  const post = (body: object): Promise<Answer> => {
    bodies.push(body as Body);
    const results = (body as Body).queries.map(({ refId, expr }) => [refId, { expr, frames: [{ schema: { refId } }] }]);
    return Promise.resolve({ results: Object.fromEntries(results) as Answer["results"] });
  };
  return { bodies, batches: new Batches(post) };
}
const query = (expr: string, refId = "A") => ({ refId, expr });

test("two panels that both ask A get their own answers out of one request", async () => {
  const { bodies, batches } = recorded();
  const [one, two] = await Promise.all([batches.ask("p", [query("x")], "1", "2"), batches.ask("p", [query("y"), query("z", "B")], "1", "2")]);
  expect(bodies.length).toBe(1);
  expect(one.results["A"]).toEqual({ expr: "x", frames: [{ schema: { refId: "A" } }] });
  expect(two.results["B"]).toEqual({ expr: "z", frames: [{ schema: { refId: "B" } }] });
});

test("another time range or data source is another request, and a request has a limit", async () => {
  const { bodies, batches } = recorded();
  const many = Array.from({ length: 9 }, (_, i) => batches.ask("p", [query(String(i))], "1", "2"));
  const all = await Promise.all([...many, batches.ask("p", [query("x")], "1", "3"), batches.ask("loki", [query("x")], "1", "2")]);
  expect(bodies.map(({ queries }) => queries.length)).toEqual([8, 1, 1, 1]);
  expect(all[8]!.results["A"]!["expr"]).toBe("8");
});

test("a request that fails fails for all who wait for it", async () => {
  const batches = new Batches(() => Promise.reject(new Error("no")));
  const asked = await Promise.allSettled([batches.ask("p", [query("x")], "1", "2"), batches.ask("p", [query("y")], "1", "2")]);
  expect(asked.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});
