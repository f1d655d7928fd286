"""Who may do what: passwords, first login, guessing, sessions, forged requests, tokens, keys of pictures, the proxy."""

import sqlite3
import time

import httpx
import pytest

from pytake.embedded.grafana.errors import ApiError
from pytake.embedded.grafana.identity import ADDRESS_TRIES, LOGIN_TRIES, Throttle


def plain(server_client):
    """The same server, asked by nobody."""
    return httpx.AsyncClient(transport=server_client._transport, base_url="http://grafana")


async def login(client, user="admin", password="admin123"):
    return await client.post("/login", json={"user": user, "password": password})


# ---------------------------------------------------------------------------------------------------------- passwords
async def test_passwords_sessions_and_tokens_cannot_be_read_from_the_state(grafana, files):
    async with grafana() as (client, _):
        session = (await login(client)).cookies["grafana_session"]
        account = (await client.post("/api/serviceaccounts", json={"name": "ci", "role": "Viewer"})).json()["id"]
        token = (await client.post(f"/api/serviceaccounts/{account}/tokens", json={"name": "t"})).json()["key"]
        dump = "\n".join(sqlite3.connect(files / "state/grafana.db").iterdump())
    assert "$argon2id$" in dump
    for secret in ("admin123", session, token):
        assert secret not in dump
    assert (files / "state/grafana.db").stat().st_mode & 0o077 == 0


async def test_the_first_password_must_be_changed_where_that_is_asked(grafana):
    async with grafana(security_force_password_change=True) as (client, _):
        assert (await login(client)).json()["mustChangePassword"] is True
        refused = await client.get("/api/search")
        assert (refused.status_code, refused.json()["mustChangePassword"]) == (403, True)
        assert (await client.get("/api/user")).json()["mustChangePassword"] is True
        body = {"oldPassword": "admin123", "newPassword": "admin123"}
        assert (await client.put("/api/user/password", json=body)).status_code == 400
        body["newPassword"] = "much-better"
        assert (await client.put("/api/user/password", json=body)).status_code == 200
        client.auth = ("admin", "much-better")
        assert (await client.get("/api/search")).status_code == 200


@pytest.mark.parametrize(
    ("environment", "password", "code"),
    [("production", "admin123", 403), ("production", "of-our-own", 200), ("development", "admin123", 200)],
)
async def test_production_does_not_run_on_the_password_that_everybody_knows(
    grafana, monkeypatch, environment, password, code
):
    monkeypatch.setenv("PYTAKE_ENVIRONMENT", environment)
    async with grafana(security_admin_password=password) as (client, _):
        client.auth = ("admin", password)
        assert (await client.get("/api/search")).status_code == code


async def test_a_changed_password_ends_other_logins_and_outlives_the_environments(grafana):
    async with grafana() as (client, _):
        async with plain(client) as other:
            await login(other)
            assert (await other.get("/api/user")).status_code == 200
            body = {"oldPassword": "admin123", "newPassword": "much-better"}
            await client.put("/api/user/password", json=body)
            assert (await other.get("/api/user")).status_code == 401
        assert (await client.get("/api/user")).status_code == 401
    async with grafana() as (client, _):
        client.auth = ("admin", "much-better")
        assert (await client.get("/api/user")).status_code == 200


# ----------------------------------------------------------------------------------------------------------- guessing
async def test_guessing_one_login_is_stopped_and_the_right_password_too(grafana):
    async with grafana() as (client, _), plain(client) as other:
        codes = [(await login(other, password=f"guess{n}")).status_code for n in range(LOGIN_TRIES + 1)]
        assert codes == [401] * LOGIN_TRIES + [429]
        assert (await login(other)).status_code == 429
        assert (await login(other, user="somebody")).status_code == 401


async def test_guessing_by_basic_authentication_counts_as_well(grafana):
    async with grafana() as (client, _), plain(client) as other:
        codes = [(await other.get("/api/user", auth=("admin", f"g{n}"))).status_code for n in range(LOGIN_TRIES + 1)]
        assert codes[-1] == 429


def test_the_wait_ends_and_an_address_has_its_own_limit(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    throttle = Throttle(3, window=60)
    for _ in range(3):
        throttle.failed("a")
    with pytest.raises(ApiError, match="Too many"):
        throttle.check("a")
    throttle.check("b")
    now[0] = 61.0
    throttle.check("a")
    assert ADDRESS_TRIES > LOGIN_TRIES


# ----------------------------------------------------------------------------------------------------------- sessions
@pytest.mark.parametrize(
    ("settings", "secure"),
    [({}, False), ({"server_root_url": "https://g.example/"}, True), ({"security_cookie_secure": True}, True)],
)
async def test_the_cookie_is_for_this_site_alone(grafana, settings, secure):
    async with grafana(**settings) as (client, _):
        cookie = (await login(client)).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert ("secure" in cookie) is secure


async def test_a_session_ends_with_its_time(grafana):
    async with grafana(auth_login_maximum_lifetime_hours=1.0) as (client, server), plain(client) as other:
        await login(other)
        assert (await other.get("/api/user")).status_code == 200
        server.store.run("UPDATE sessions SET created = created - 3601")
        assert (await other.get("/api/user")).status_code == 401


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://grafana"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({}, 200),
    ],
)
async def test_another_sites_request_with_the_cookie_is_refused(grafana, headers, code):
    async with grafana() as (client, _), plain(client) as other:
        await login(other)
        answer = await other.put("/api/user/preferences", json={"theme": "dark"}, headers=headers)
        assert answer.status_code == code
        assert (await other.get("/api/user", headers=headers)).status_code == 200


# ------------------------------------------------------------------------------------------------------ roles, tokens
WRITES = (
    ("POST", "/api/dashboards/db", "Editor"),
    ("POST", "/api/dashboards/import", "Editor"),
    ("POST", "/api/folders", "Editor"),
    ("POST", "/api/annotations", "Editor"),
    ("POST", "/api/annotations/mass-delete", "Editor"),
    ("POST", "/api/alertmanager/alertmanager/api/v2/silences", "Editor"),
    ("PUT", "/api/org/preferences", "Admin"),
    ("POST", "/api/serviceaccounts", "Admin"),
    ("GET", "/api/org/users", "Admin"),
    ("POST", "/api/datasources", "Admin"),
)


@pytest.mark.parametrize(("method", "path", "least"), WRITES)
async def test_every_write_needs_its_role(grafana, method, path, least):
    async with grafana() as (client, _):
        for role in ("Viewer", "Editor"):
            account = await client.post("/api/serviceaccounts", json={"name": role, "role": role})
            made = await client.post(f"/api/serviceaccounts/{account.json()['id']}/tokens", json={"name": "t"})
            bearer = {"authorization": f"Bearer {made.json()['key']}"}
            async with plain(client) as other:
                answer = await other.request(method, path, json={} if method != "GET" else None, headers=bearer)
            enough = least == "Editor" and role == "Editor"
            assert (answer.status_code == 403 and "permission" in answer.json()["message"]) is not enough


async def test_only_the_servers_administrator_touches_people(grafana):
    async with grafana() as (client, _):
        await client.post("/api/admin/users", json={"login": "boss", "password": "pass1234", "role": "Admin"})
        assert (await client.get("/api/users", auth=("boss", "pass1234"))).status_code == 403
        body = {"login": "x", "password": "pass1234"}
        assert (await client.post("/api/admin/users", json=body, auth=("boss", "pass1234"))).status_code == 403
        assert (await client.delete("/api/admin/users/1")).status_code == 400


async def test_tokens_expire(grafana):
    async with grafana() as (client, server), plain(client) as other:
        account = (await client.post("/api/serviceaccounts", json={"name": "ci", "role": "Viewer"})).json()["id"]
        address = f"/api/serviceaccounts/{account}/tokens"
        token = (await client.post(address, json={"name": "t", "secondsToLive": 60})).json()["key"]
        bearer = {"authorization": f"Bearer {token}"}
        assert (await other.get("/api/search", headers=bearer)).status_code == 200
        server.store.run("UPDATE tokens SET expires = expires - 61")
        assert (await other.get("/api/search", headers=bearer)).status_code == 401


async def test_a_pictures_key_reads_and_ends_with_the_picture(grafana):
    async with grafana() as (client, server), plain(client) as other:
        principal = server.identity._by_basic("YWRtaW46YWRtaW4xMjM=", "test")
        with server.identity.render_key(principal) as key:
            other.cookies.set("renderKey", key)
            assert (await other.get("/api/search")).status_code == 200
            assert (await other.post("/api/ds/query", json={})).status_code == 400
            assert (await other.post("/api/annotations", json={"text": "x"})).status_code == 403
            assert (await other.get("/api/org/users")).status_code == 403
        assert (await other.get("/api/search")).status_code == 401


# ------------------------------------------------------------------------------------------------------------- limits
async def test_the_proxy_reaches_configured_sources_with_their_own_login_and_no_cookie_of_ours(grafana, monkeypatch):
    seen = []

    async def handle(request):
        seen.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b"{}"), headers={"set-cookie": "x=1"})

    async with grafana() as (client, server):
        await server.client.aclose()
        server.client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
        headers = {"cookie": "grafana_session=abc", "x-evil": "1"}
        answer = await client.get("/api/datasources/proxy/uid/prometheus/api/v1/labels?match[]=up", headers=headers)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        (asked,) = seen
        assert str(asked.url) == "http://127.0.0.1:1/api/v1/labels?match%5B%5D=up"
        assert asked.headers["authorization"] == "Basic cmVhZGVyOnByMG0="
        assert "cookie" not in asked.headers
        assert "x-evil" not in asked.headers
        await client.get("/api/datasources/proxy/uid/prometheus//evil.example/x")
        assert seen.pop().url.host == "127.0.0.1"
        for path in ("uid/http://evil.example/x", "uid/prometheus/..%2f..%2fetc", "uid/prometheus/a%5c..%5cb"):
            assert (await client.get(f"/api/datasources/proxy/{path}")).status_code in (400, 404)
        assert len(seen) == 1


async def test_a_body_without_end_is_cut_off(grafana):
    async with grafana() as (client, _):
        for path in ("/api/dashboards/db", "/api/datasources/proxy/uid/prometheus/api/v1/query"):
            answer = await client.post(path, content=b'{"x": "' + b"a" * (9 * 1024 * 1024) + b'"}')
            assert answer.status_code == 413


async def test_a_fault_of_ours_is_a_500_without_its_insides(grafana, monkeypatch):
    async with grafana() as (client, server):
        monkeypatch.setattr(server.store, "all", lambda *_: 1 / 0)
        answer = await client.get("/api/folders")
    assert (answer.status_code, "division" in answer.text) == (500, False)
    assert "Internal server error" in answer.json()["message"]


async def test_every_answer_carries_the_headers_of_a_careful_server(grafana):
    async with grafana() as (client, _):
        for path in ("/", "/api/health", "/api/nothing", "/public/none.js"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "SAMEORIGIN"
            assert "object-src 'none'" in headers["content-security-policy"]
