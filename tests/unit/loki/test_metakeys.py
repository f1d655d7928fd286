"""What a segment knows of its structured metadata."""

import orjson
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pytake.embedded.loki.store.metakeys import keys_of

words = st.text(st.sampled_from('ab_:"\\,{} é.'), min_size=1, max_size=6)


@given(st.lists(st.none() | st.dictionaries(words, words | st.just(""), min_size=1, max_size=3), max_size=8))
def test_all_keys_are_found(rows: list[dict[str, str] | None]) -> None:
    texts = [None if row is None else orjson.dumps(row).decode() for row in rows]
    assert keys_of(pa.array(texts, pa.string())) == {key for row in rows if row for key in row}


def test_chunks_are_taken_together() -> None:
    column = pa.chunked_array([pa.array(['{"a":"1"}', None]), pa.array(['{"a":"2","b-c":"\\""}'])])
    assert keys_of(column) == {"a", "b-c"}
