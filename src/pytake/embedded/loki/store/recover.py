"""Starting: what a crash left behind is removed, what is damaged is set aside, what was acknowledged comes back."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytake.embedded.loki.errors import RequestError
from pytake.embedded.loki.push.decode import decode
from pytake.embedded.loki.settings import Limits
from pytake.embedded.loki.store import ids, segment
from pytake.embedded.loki.store.manifest import Segment, Transaction, parse_segment
from pytake.embedded.loki.store.record import Record
from pytake.embedded.loki.store.wal import Damage, read_file
from pytake.telemetry import catalog_embedded as metrics
from pytake.telemetry.logging import get_logger

if TYPE_CHECKING:
    from pytake.embedded.loki.store.store import Store

log = get_logger(__name__)


def tidy(store: Store) -> None:
    """Remove what a crash left behind, set aside segments that are missing or cut short."""
    for path in store.temp_directory.iterdir():
        if path.is_file():
            path.unlink(missing_ok=True)
    for item in list(store.manifest.segments.values()):
        path = store.path(item.name)
        size = path.stat().st_size if path.exists() else -1
        if size + _filter_size(path) != item.size and segment.about(path) is None:
            store.set_aside(item.name, "missing" if size < 0 else "cut short")
    if store.manifest.torn:
        _adopt(store)
    known = {item.name for item in store.manifest.segments.values()}
    known |= {ids.sidecar(Path(name)).name for name in known}
    for path in store.segment_directory.iterdir():
        if path.name not in known:
            path.unlink(missing_ok=True)


def _filter_size(path: Path) -> int:
    beside = ids.sidecar(path)
    return beside.stat().st_size if beside.exists() else 0


def _adopt(store: Store) -> None:
    """Take back segments that a damaged manifest does not name, unless the log or another one has their rows."""
    logged = [int(path.stem, 16) for path in (store.directory / "wal").glob("*.wal")]
    change = Transaction()
    for path in sorted(store.segment_directory.glob("*.parquet")):
        told = segment.about(path)
        if told is None or path.name in store.manifest.segments:
            continue
        in_log = told["seq"] > store.manifest.seq and any(first <= told["seq"] for first in logged)
        if in_log or any((store.segment_directory / name).exists() for name in told["replaces"]):
            continue
        size = path.stat().st_size + _filter_size(path)
        known = {name: told[name] for name in Segment.__slots__ if name in told}
        change.add.append(parse_segment({**known, "size": size}))
        for sid, labels in told["labels"].items():
            if int(sid) not in store.manifest.streams:
                change.streams.append((int(sid), told["tenant"], labels))
                store.streams.restore(int(sid), told["tenant"], labels)
    if change.add:
        store.manifest.commit(change)
        log.warning("manifest_rebuilt", segments=len(change.add))


def replay(store: Store) -> None:
    """Take the rows of the write-ahead log that are in no segment, write them to segments, delete the log."""
    began = time.monotonic()
    damage: list[Damage] = []
    lines = 0
    for path in store.wal.files():
        for seq, body in read_file(path, damage):
            if seq > store.manifest.seq:
                store.pass_seq(seq)
                lines += _replay_record(store, seq, body)
    for item in damage:
        metrics.LOKI_WAL_CORRUPTIONS.inc()
        log.warning("wal_damaged", file=str(item.path), offset=item.offset, lost_bytes=item.lost)
    store.flush_taken()
    metrics.LOKI_WAL_RECOVERED.inc(lines)
    metrics.LOKI_WAL_REPLAY_SECONDS.set(time.monotonic() - began)
    for path in store.wal.files():
        path.unlink(missing_ok=True)


def _replay_record(store: Store, seq: int, body: bytes) -> int:
    record = Record.unpack(body)
    try:
        most = store.settings.max_body_bytes * 10
        streams, _ = decode(record.kind, record.encoding, record.body, now_ns=record.now_ns, limit=most)
    except RequestError as error:
        log.warning("wal_record_unreadable", seq=seq, reason=str(error))
        return 0
    streams = [rows for rows in streams if len(rows.ts)]
    if not streams:
        return 0
    limits = _permissive(store.settings.limits_of(record.tenant))
    sids = [store.streams.resolve(record.tenant, rows.labels, limits).sid for rows in streams]
    batch = store.prepare(record.tenant, streams, sids)
    store.take_again(record.tenant, batch, sids, seq)
    return len(batch)


def _permissive(limits: Limits) -> Limits:
    """Limits that refuse nothing: what was acknowledged once is taken again."""
    return replace(
        limits,
        max_global_streams_per_user=0,
        max_label_names_per_series=1 << 30,
        max_label_name_length=1 << 30,
        max_label_value_length=1 << 30,
    )
