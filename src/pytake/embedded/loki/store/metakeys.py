"""Which keys a column of structured metadata has, so that queries need not look for a label where it cannot be."""

import re

import orjson

from pytake.embedded.loki.batch import Array, pc

MAX_KEYS = 100
"""A segment with more keys says nothing of them."""
_VALUE = r':"(?:[^"\\]|\\.)*"'
_PLAIN = re.compile(r'\{(?:"[A-Za-z0-9_.\-]+":,?)*\}')
_KEY = re.compile(r'"([^"]+)":')


def keys_of(meta: Array) -> set[str]:
    """All keys of a column of JSON objects of strings (nulls are passed over).

    Values are taken off first, which leaves few different texts; where that is not plain each text is parsed.
    """
    texts = pc.unique(pc.drop_null(meta))
    found: set[str] = set()
    for text in pc.unique(pc.replace_substring_regex(texts, _VALUE, ":")).to_pylist():
        if not _PLAIN.fullmatch(text):
            return {key for full in texts.to_pylist() for key in orjson.loads(full)}
        found.update(_KEY.findall(text))
    return found
