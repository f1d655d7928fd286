"""Stages that decide whether an entry goes on: match, drop, limit, sampling."""

import random
from collections import OrderedDict
from collections.abc import Sequence

from pytake.embedded.common.config import parse_duration, parse_size
from pytake.embedded.loki.logql import LogQLError, LogQuery, compile_pipeline, matches, parse, selectors
from pytake.embedded.promtail.entry import Entry, text
from pytake.embedded.promtail.stages.base import Context, Options, Stage, drop, flush_stages, regex, run_stages

STREAM_CACHE = 4096


class Match(Stage):
    """``match``: stages for the entries that a LogQL selector (with filters) takes; or dropping those."""

    def __init__(self, options: Options, context: Context, stages: Sequence[Stage], action: str) -> None:
        selector = str(options.need("selector"))
        try:
            query = parse(selector)
        except LogQLError as error:
            raise options.fail(f"invalid selector {selector!r}: {error}") from error
        if not isinstance(query, LogQuery):
            raise options.fail(f"selector {selector!r} is a metric query; a stream selector with filters is needed")
        self._matchers = selectors(query)[0]
        self._pipeline = compile_pipeline(query) if query.stages else None
        self._stages = stages
        self._drops = action == "drop"
        self._reason = str(options.take("drop_counter_reason", "match_stage"))
        options.take("pipeline_name")
        options.close()
        self._streams: dict[tuple[tuple[str, str], ...], bool] = {}

    def run(self, entries: list[Entry]) -> list[Entry]:
        """Keep the order: neighbours that match go through the inner stages together."""
        result: list[Entry] = []
        taken: list[Entry] = []
        for entry in entries:
            if self._matches(entry):
                if self._drops:
                    drop(entry, self._reason)
                else:
                    taken.append(entry)
                continue
            if taken:
                result += run_stages(self._stages, taken)
                taken = []
            result.append(entry)
        return result + run_stages(self._stages, taken) if taken else result

    def flush(self, now: float, *, force: bool = False) -> list[Entry]:
        """What inner stages held."""
        return flush_stages(self._stages, now, force=force)

    def _matches(self, entry: Entry) -> bool:
        key = tuple(entry.labels.items())
        known = self._streams.get(key)
        if known is None:
            if len(self._streams) >= STREAM_CACHE:
                self._streams.clear()
            known = self._streams[key] = matches(self._matchers, entry.labels)
        if not known or self._pipeline is None:
            return known
        return self._pipeline.process(entry.ts, entry.line, entry.labels, dict(entry.metadata or ())) is not None


class Drop(Stage):
    """``drop``: entries that meet every given condition end here."""

    def __init__(self, options: Options, context: Context) -> None:
        source = options.take("source")
        self._sources: list[str] = [source] if isinstance(source, str) else [str(item) for item in source or ()]
        self._separator = str(options.take("separator", ";"))
        expression, value = options.take("expression"), options.take("value")
        if expression is not None and value is not None:
            raise options.fail("only one of expression and value may be given")
        if value is not None and not self._sources:
            raise options.fail("value needs a source")
        self._regex = regex(str(expression), options) if expression is not None else None
        self._value = None if value is None else str(value)
        older, longer = options.take("older_than"), options.take("longer_than")
        self._older = None if older is None else parse_duration(older) * 1e9
        self._longer = None if longer is None else parse_size(longer)
        self._reason = str(options.take("drop_counter_reason", "drop_stage"))
        if not self._sources and self._regex is None and self._older is None and self._longer is None:
            raise options.fail("at least one of source, expression, older_than and longer_than is required")
        self._clock = context.clock
        options.close()

    def run(self, entries: list[Entry]) -> list[Entry]:
        """Drop what meets all conditions."""
        now = self._clock() * 1e9
        kept = []
        for entry in entries:
            if self._drops(entry, now):
                drop(entry, self._reason)
            else:
                kept.append(entry)
        return kept

    def _drops(self, entry: Entry, now: float) -> bool:
        if self._longer is not None and len(entry.line.encode()) <= self._longer:
            return False
        if self._older is not None and now - entry.ts <= self._older:
            return False
        if not self._sources:
            return self._regex is None or self._regex.search(entry.line) is not None
        found = [text(entry.extracted.get(name)) for name in self._sources]
        values = [item for item in found if item is not None]
        if len(values) != len(found):
            return False
        joined = self._separator.join(values)
        if self._regex is not None:
            return self._regex.search(joined) is not None
        return self._value is None or joined == self._value


class Bucket:
    """A token bucket that never sleeps."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst, self._tokens, self._at = rate, burst, burst, now

    def available(self, now: float) -> int:
        """Whole tokens that are there."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        return int(self._tokens)

    def allow(self, now: float) -> bool:
        """Take one token if there is one."""
        if self.available(now) < 1:
            return False
        self._tokens -= 1
        return True


class Limit(Stage):
    """``limit``: entries over a rate are dropped, or (``drop: false``) held until the rate allows them."""

    def __init__(self, options: Options, context: Context) -> None:
        self._rate, self._burst = float(options.need("rate")), float(options.need("burst"))
        if self._rate <= 0 or self._burst < 1:
            raise options.fail("rate must be above 0 and burst at least 1")
        self._drop = bool(options.take("drop", False))
        self._label = str(options.take("by_label_name", ""))
        self._most = int(options.take("max_distinct_labels", 10_000))
        if self._label and not self._drop:
            raise options.fail("by_label_name needs drop: true")
        self._clock = context.clock
        self._bucket = Bucket(self._rate, self._burst, context.clock())
        self._by_label: OrderedDict[str, Bucket] = OrderedDict()
        self._held: list[Entry] = []
        options.close()

    def run(self, entries: list[Entry]) -> list[Entry]:
        """Give what the rate allows."""
        if not self._drop:
            self._held += entries
            return self._release(self._clock())
        now = self._clock()
        kept = []
        for entry in entries:
            bucket = self._bucket_of(entry, now)
            if bucket is None or bucket.allow(now):
                kept.append(entry)
            else:
                drop(entry, "ratelimit_drop_stage")
        return kept

    def flush(self, now: float, *, force: bool = False) -> list[Entry]:
        """What the rate allows by now."""
        if force:
            released, self._held = self._held, []
            return released
        return self._release(now)

    @property
    def held(self) -> int:
        """Entries that wait."""
        return len(self._held)

    def _release(self, now: float) -> list[Entry]:
        count = 0
        while count < len(self._held) and self._bucket.allow(now):
            count += 1
        released, self._held = self._held[:count], self._held[count:]
        return released

    def _bucket_of(self, entry: Entry, now: float) -> Bucket | None:
        if not self._label:
            return self._bucket
        value = entry.labels.get(self._label)
        if value is None:
            return None
        bucket = self._by_label.get(value)
        if bucket is None:
            if len(self._by_label) >= self._most:
                self._by_label.popitem(last=False)
            bucket = self._by_label[value] = Bucket(self._rate, self._burst, now)
        return bucket


class Sampling(Stage):
    """``sampling``: a share of the entries goes on."""

    def __init__(self, options: Options, context: Context) -> None:
        self._rate = float(options.need("rate"))
        if not 0 <= self._rate <= 1:
            raise options.fail(f"rate is a share from 0 to 1, not {self._rate}")
        self._random = random.Random()  # noqa: S311 (sampling, not cryptography)
        options.close()

    def run(self, entries: list[Entry]) -> list[Entry]:
        """Keep each with the probability ``rate``."""
        kept = []
        for entry in entries:
            if self._random.random() < self._rate:
                kept.append(entry)
            else:
                drop(entry, "sampling_stage")
        return kept
