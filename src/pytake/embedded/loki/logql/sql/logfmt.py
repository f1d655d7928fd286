"""logfmt as one RE2 expression a label: whole pairs are passed over until the first with the key and a value.

The pieces follow `logfmt.parse_logfmt` for right and for wrong pairs, so that a wrong one costs what it costs there.
"""

from __future__ import annotations

from pytake.embedded.loki.logql.pattern import re2_escape
from pytake.embedded.loki.logql.sql.text import NotPushableError, Text, quote

_BLANK = r"[\x00-\x20]"
_INK = r"[^\x00-\x20]"
_KEY = r'[^\x00-\x20="]+'
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PAIR = rf'(?:{_KEY}(?:=(?:{_QUOTED}{_INK}*|[^\x00-\x20"]{_INK}*)?|"{_INK}*)?|[="]{_INK}*)'


def _pattern(key: str) -> str:
    value = r'(?:"((?:[^"\\]|\\.)+)"|([^\x00-\x20="]+))'
    return rf"(?s)^{_BLANK}*(?:{_PAIR}{_BLANK}+)*?{key}={value}(?:{_BLANK}|$)"


def value_of_key(line: Text, key: str) -> Text:
    """The value of exactly this key."""
    return _value(line, re2_escape(key), key)


def value_of_label(line: Text, label: str) -> Text:
    """The value of the first key that becomes this label name: `_` stands for all that no label name may have."""
    if label[:1] == "_" and label[1:2].isdigit():
        raise NotPushableError(f"the key of {label}")
    key = "".join(r'[^0-9A-Za-z\x00-\x20="]' if char == "_" else char for char in label)
    return _value(line, key, label if "_" not in label else None)


def _value(line: Text, key: str, needle: str | None) -> Text:
    found = f"regexp_extract({line.sql}, {quote(_pattern(key))}, ['q', 'p'])"
    value = f"coalesce(nullif(({found}).q, ''), nullif(({found}).p, ''))"
    if needle:
        value = f"CASE WHEN contains({line.sql}, {quote(needle + '=')}) THEN {value} END"
    return Text(f"({value})", f"coalesce(contains(({value}), '\\'), FALSE)")
