"""The RE2 expression of a logfmt label finds what the parser finds, in right and in wrong lines."""

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytake.embedded.loki.logql.jsonlines import sanitize
from pytake.embedded.loki.logql.logfmt import parse_logfmt
from pytake.embedded.loki.logql.sql.logfmt import value_of_key, value_of_label
from pytake.embedded.loki.logql.sql.text import Text

PIECES = [
    "a", "b_c", "b.c", "level", "=", '"', " ", "\\", "x", "\n", "é", "1", "a=", 'a="', 'a="x y" ', "level=info ",
    'b-c="q\\"z" ', "foo=bar=buzz ", " lone ",
]  # fmt: skip
lines = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(lines, min_size=1, max_size=30))
def test_the_first_value_is_found(texts: list[str]) -> None:
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        for label in ("a", "b_c", "level"):
            for by_name, found in ((True, value_of_label), (False, value_of_key)):
                value = found(Text("line"), label)
                sql = f"SELECT line, {value.sql}, {value.unsure} FROM (SELECT unnest(?::VARCHAR[]) AS line)"
                for text, got, unsure in connection.execute(sql, [texts]).fetchall():
                    pairs = [(sanitize(k) if by_name else k, v) for k, v in parse_logfmt(text, strict=False)]
                    want = next((v for k, v in pairs if k == label and v), None)
                    assert unsure or got == want, (text, label, got, want)
