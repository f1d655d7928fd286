"""Secrets, phone numbers and message texts do not survive into logs, wherever they stand."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytake.telemetry.logging import encode
from pytake.telemetry.redact import MAX_TEXT, PHONE, REDACTED, TEXT, redact_text, redact_value

SECRET_KEYS = [
    "access_token", "accessToken", "API-Key", "apikey", "app_secret", "client_secret", "password", "Authorization",
    "x-hub-signature-256", "PYTAKE_META_APP_SECRET", "PYTAKE_DATABASE_URL", "cookie", "Set-Cookie", "verify_token",
]  # fmt: skip


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_values_under_secret_keys_are_replaced(key: str) -> None:
    assert redact_value(key, "hunter2hunter2") == REDACTED
    assert redact_value("context", {"deep": [{key: "hunter2"}]}) == {"deep": [{key: REDACTED}]}


@pytest.mark.parametrize(
    "key", ["to", "from", "wa_id", "recipient_id", "phone_number", "display_phone_number", "user_id"]
)
def test_values_under_phone_keys_are_replaced(key: str) -> None:
    assert redact_value(key, "5511999998888") == PHONE
    assert redact_value(key, 5511999998888) == PHONE
    assert redact_value(key, "BR.1234567890abc") == PHONE


@pytest.mark.parametrize("key", ["text", "body", "caption", "prompt", "completion", "messages", "content"])
def test_message_texts_are_replaced_whole(key: str) -> None:
    assert redact_value(key, "my mother is ill") == TEXT
    assert redact_value(key, [{"role": "user", "content": "my mother is ill"}]) == TEXT


def test_counts_and_ids_are_kept() -> None:
    kept = {
        "max_tokens": 400, "messages": 3, "duration_seconds": 0.25, "phone_number_id": "106540352242922",
        "conversation_id": 42, "waba_id": "102290129340398", "ok": True, "error": None, "queue": "webhooks",
        "wamid": "wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI", "timestamp": "1795527718",
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "at": "2026-11-24T13:44:51.644274Z", "version": "3.11.7",
        "address": "127.0.0.1:8789", "window": "2026-11-24 13:44:51",
    }  # fmt: skip
    assert redact_value("fields", kept) == kept


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Authorization: Bearer EAAGm0PX4ZCpsBA", "EAAGm0PX4ZCpsBA"),
        ("sent with bearer abcdef.ghi-jk_l", "abcdef"),
        ("GET https://graph.example/v23.0/me?access_token=EAAabc123&fields=id", "EAAabc123"),
        ("postgresql+asyncpg://pytake:s3cr3t@127.0.0.1/pytake", "s3cr3t"),
        ("openai.AuthenticationError: Incorrect API key provided: sk-proj-abcdefgh12345678", "abcdefgh12345678"),
        ("token EAAG1234567890abcdefghij was refused", "EAAG1234567890abcdefghij"),
        ('payload {"text": {"body": "my mother is ill"}}', "mother"),
        ("payload {'text': {'body': \"it's my mother\"}}", "mother"),
        (json.dumps(json.dumps({"body": "my mother"})), "mother"),
        ('{"api_key": "abc def", "x": 1}', "abc def"),
        ("X-Api-Key: 0123456789abcdef", "0123456789abcdef"),
        ("password = 'two words'", "two words"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP", "eyJzdWIiOiIxIn0"),
        ("could not send to +55 (11) 99999-8888", "99999"),
        ("could not send to 5511999998888.", "5511999998888"),
        ("GET /api/v1/contacts?phone=%2B5511999998888", "5511999998888"),
        ("recipient=5511999998888 failed", "5511999998888"),
        ('{"wa_id": "5511999998888"}', "5511999998888"),
        ('hub.verify_token=my-verify-token&hub.challenge=1', "my-verify-token"),
    ],
)  # fmt: skip
def test_forms_are_found_inside_text(text: str, gone: str) -> None:
    assert gone not in redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "GET /items/{id} 200", "started in 0.25 s on port 8789", "trace 0af7651916cd43dd8448eb211c80319c",
        "at 2026-11-24T13:44:51.644274Z", "4294967296.5 bytes", "queue webhooks: 12 jobs, oldest 3.5 s",
        "http://127.0.0.1:8789/api/v1/messages?limit=50", "spent 0.000195 USD at 1795527718.811",
    ],
)  # fmt: skip
def test_ordinary_text_stays(text: str) -> None:
    assert redact_text(text) == text


def test_redacting_twice_changes_nothing() -> None:
    once = redact_text("Authorization: Bearer abcdefgh; token=xyz; call +5511999998888 at http://u:p@h/")
    assert redact_text(once) == once


@given(
    st.from_regex(r"[1-9]\d{9,14}", fullmatch=True), st.sampled_from(["call {} now", "to={}", "({})", "n: {}", "{}"])
)
def test_no_phone_number_survives_in_text(number: str, around: str) -> None:
    assert number not in redact_text(around.format(number))


@given(st.from_regex(r"[A-Za-z0-9_\-]{12,40}", fullmatch=True), st.sampled_from(SECRET_KEYS[:9]))
def test_no_secret_survives_a_dict_its_repr_or_its_json(secret: str, key: str) -> None:
    secret = "q7" + secret
    value = {"a": [{"b": {key: secret}}]}
    assert secret not in orjson.dumps(redact_value("context", value)).decode()
    assert secret not in redact_text(repr(value))
    assert secret not in redact_text(f"failed: {json.dumps(value)}")


@given(st.text(alphabet=st.characters(exclude_characters="\"'\\", exclude_categories=["Cs"]), min_size=12, max_size=60))
def test_no_message_body_survives_the_repr_or_json_of_a_payload(text: str) -> None:
    text = f"Zq{text}qZ"
    payload = {"entry": [{"changes": [{"value": {"messages": [{"type": "text", "text": {"body": text}}]}}]}]}
    for written in (repr(payload), json.dumps(payload, ensure_ascii=False)):
        assert text not in redact_text(written)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@given(st.text(max_size=12), json_values)
def test_anything_can_be_redacted_and_written(key: str, value: object) -> None:
    assert json.loads(encode({key: redact_value(key, value)}))


def test_depth_and_length_are_bounded() -> None:
    deep: object = "x"
    for _ in range(50):
        deep = {"a": deep}
    assert "[deep]" in str(redact_value("context", deep))
    assert len(redact_text("a" * (MAX_TEXT * 3))) < MAX_TEXT + 30
