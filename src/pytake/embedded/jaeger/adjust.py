"""What Jaeger does to a trace before it shows it: clock skew between hosts, missing parents.

Times of spans from another host are moved so that a child lies within its parent, as far as the two hosts' own spans
allow: by half of the time that the child does not account for. A span is told about its correction in a warning.
"""

from collections.abc import Iterator
from typing import Any

from pytake.embedded.jaeger.search import StoredSpan


class Node:
    """A span with its (adjusted) times and the warnings about it."""

    __slots__ = ("children", "duration", "host", "item", "moved", "parent", "span_id", "start", "warnings")

    def __init__(self, item: StoredSpan, host: str) -> None:
        self.item, self.host = item, host
        span = item.span
        self.span_id: bytes = span.span_id
        self.parent: bytes = span.parent_span_id if span.parent_span_id.strip(b"\0") else b""
        self.start: int = span.start_time_unix_nano
        self.duration: int = max(0, span.end_time_unix_nano - span.start_time_unix_nano)
        self.moved = 0
        self.children: list[Node] = []
        self.warnings: list[str] = []
        if span.end_time_unix_nano < span.start_time_unix_nano:
            self.warnings.append("span ends before it starts; shown with a duration of 0")


def tree(
    items: list[StoredSpan], hosts: dict[bytes, str], *, adjust: bool, max_skew_ns: int | None = None
) -> list[Node]:
    """Nodes of a trace sorted by start, children linked, clock skew corrected unless ``adjust`` is false."""
    nodes = [Node(item, hosts[item.resource]) for item in items]
    by_id: dict[bytes, Node] = {}
    for node in nodes:
        if node.span_id in by_id:
            _shared(by_id, node)
        else:
            by_id[node.span_id] = node
    roots = []
    for node in nodes:
        parent = by_id.get(node.parent)
        if parent is None or parent is node:
            roots.append(node)
            if node.parent and adjust:
                node.warnings.append(
                    f"parent span {node.parent.hex()} is not in this trace; its clock could not be compared"
                )
        else:
            parent.children.append(node)
    if adjust:
        for node in _reachable(roots):
            for child in node.children:
                _settle(node, child, max_skew_ns)
    return sorted(nodes, key=lambda node: node.start)


def _shared(by_id: dict[bytes, Node], node: Node) -> None:
    """Two spans with one id: a client and server pair as Zipkin reports it; the server's becomes the client's child."""
    other = by_id[node.span_id]
    server, client = (node, other) if node.item.span.kind == 2 else (other, node)
    if server.item.span.kind == 2 and client.item.span.kind == 3:
        server.span_id = (int.from_bytes(server.span_id, "big") ^ 0xA5A5A5A5A5A5A5A5).to_bytes(8, "big")
        server.parent = client.span_id
        by_id[client.span_id], by_id[server.span_id] = client, server
    else:
        node.warnings.append("another span of this trace has the same span id")


def _reachable(roots: list[Node]) -> Iterator[Node]:
    """Nodes below the roots, parents first; a cycle of parents is not reachable and stays as it came."""
    stack = list(roots)
    while stack:
        node = stack.pop()
        yield node
        stack += node.children


def _settle(parent: Node, child: Node, max_skew_ns: int | None) -> None:
    """Move ``child`` into ``parent`` when it comes from another host, else along with it."""
    if child.host == parent.host or not child.host or not parent.host:
        child.moved = parent.moved
        child.start += child.moved
        return
    first, last = parent.start, parent.start + parent.duration
    if child.start >= first and child.start + child.duration <= last:
        return
    if child.duration > parent.duration:
        delta = first - child.start if child.start < first else 0
    else:
        delta = first + (parent.duration - child.duration) // 2 - child.start
    if delta == 0:
        return
    if max_skew_ns is not None and abs(delta) > max_skew_ns:
        child.warnings.append(f"clock skew of {_milliseconds(delta)} is more than the configured limit; not corrected")
        return
    child.moved = delta
    child.start += delta
    child.warnings.append(f"This span's timestamps were adjusted by {_milliseconds(delta)}")


def _milliseconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:g}ms"


def host_of(attributes: Any) -> str:
    """What stands for a clock: ``host.name``, ``ip``, ``host.ip`` or ``k8s.pod.name`` of a resource; empty: unknown."""
    found = {item.key: item.value.string_value for item in attributes}
    for key in ("host.name", "host.id", "ip", "host.ip", "k8s.pod.name", "hostname"):
        if found.get(key):
            return str(found[key])
    return ""
