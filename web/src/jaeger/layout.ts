/** Layered placement of a directed graph, by dagre. */

import dagre from "@dagrejs/dagre";

export interface Placed<T> {
  id: string;
  x: number;
  y: number;
  data: T;
}
export interface Layout<N, E> {
  nodes: Placed<N>[];
  edges: { from: string; to: string; points: { x: number; y: number }[]; data: E }[];
  width: number;
  height: number;
}

export function layout<N, E>(nodes: Map<string, N>, edges: { from: string; to: string; data: E }[], size: { width: number; height: number }, direction: "LR" | "TB"): Layout<N, E> {
  const graph = new dagre.graphlib.Graph({ multigraph: false });
  graph.setGraph({ rankdir: direction, nodesep: 26, ranksep: 90, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of nodes.keys()) graph.setNode(id, { ...size });
  for (const edge of edges) if (edge.from !== edge.to) graph.setEdge(edge.from, edge.to);
  dagre.layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  return {
    nodes: [...nodes].map(([id, data]) => ({ id, data, x: graph.node(id).x, y: graph.node(id).y })),
    edges: edges.filter((edge) => edge.from !== edge.to).map((edge) => ({ ...edge, points: graph.edge(edge.from, edge.to).points })),
    width,
    height,
  };
}

/** A smooth line through the points. */
export function curve(points: { x: number; y: number }[]): string {
  const [first, ...rest] = points;
  if (!first) return "";
  let path = `M${first.x},${first.y}`;
  for (let index = 0; index < rest.length - 1; index++) {
    const here = rest[index]!;
    const next = rest[index + 1]!;
    path += ` Q${here.x},${here.y} ${(here.x + next.x) / 2},${(here.y + next.y) / 2}`;
  }
  const last = rest[rest.length - 1] ?? first;
  return `${path} L${last.x},${last.y}`;
}
