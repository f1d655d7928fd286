"""The push request that is written by hand reads as the generated classes read it."""

from hypothesis import given
from hypothesis import strategies as st

from pytake.embedded.common.loki_push_pb import PushRequest
from pytake.embedded.promtail.entry import Entry
from pytake.embedded.promtail.wire import push_request

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
entries = st.tuples(
    st.integers(-(10**18), 4 * 10**18), texts | st.just("x" * 20_000), st.lists(st.tuples(texts, texts), max_size=3)
)


@given(st.dictionaries(texts, st.lists(entries, max_size=4), max_size=3))
def test_it_reads_back(streams):
    made = {}
    for labels, rows in streams.items():
        made[labels] = []
        for ts, line, metadata in rows:
            entry = Entry({}, ts, line)
            entry.metadata = metadata or None
            made[labels].append(entry)
    read = PushRequest.FromString(push_request(made))
    found = {
        stream.labels: [
            (
                entry.timestamp.seconds * 10**9 + entry.timestamp.nanos,
                entry.line,
                [(pair.name, pair.value) for pair in entry.structured_metadata],
            )
            for entry in stream.entries
        ]
        for stream in read.streams
    }
    assert found == streams


def test_text_that_cannot_be_utf8_does_not_stop_a_batch():
    read = PushRequest.FromString(push_request({'{a="b"}': [Entry({}, 1, "x\ud800y")]}))
    assert read.streams[0].entries[0].line == "x?y"
