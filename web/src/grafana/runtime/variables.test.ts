import { describe, expect, it } from "vitest";
import { labelRequest } from "./variables";

describe("labelRequest", () => {
  it("asks Prometheus for a label's values of a metric", () => {
    const asked = labelRequest('label_values(http_requests_total{job="pytake-api", method=~"GET|POST"}, endpoint)', false);
    expect(asked?.path).toBe("api/v1/label/endpoint/values");
    expect(asked?.params).toEqual([["match[]", 'http_requests_total{job="pytake-api", method=~"GET|POST"}']]);
  });

  it("asks Loki at its own address", () => {
    expect(labelRequest("label_values(service)", true)).toMatchObject({ path: "loki/api/v1/label/service/values", params: [] });
    expect(labelRequest('label_values({service="a"}, level)', true)?.params).toEqual([["query", '{service="a"}']]);
  });

  it("keeps the metrics that a pattern wants", () => {
    expect(labelRequest("metrics(^node_)", false)?.read(["node_load1", "up"])).toEqual(["node_load1"]);
  });

  it("writes samples as Grafana does", () => {
    const read = labelRequest("query_result(up)", false)?.read({ result: [{ metric: { __name__: "up", job: "a" }, value: [5, "1"] }] });
    expect(read).toEqual(['up{job="a"} 1 5000']);
  });

  it("refuses what it does not know", () => {
    expect(labelRequest("select * from jobs", false)).toBeUndefined();
  });
});
