"""Login, users, service accounts (HTTP API: authentication, user, admin, service account)."""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from pytake.embedded.grafana.errors import ApiError, not_found
from pytake.embedded.grafana.identity import COOKIE, ROLES, Principal
from pytake.embedded.grafana.server import VERSION, Server, body
from pytake.embedded.grafana.store import Row


def secure(server: Server) -> bool:
    """Whether cookies need TLS."""
    return server.settings.security_cookie_secure or server.settings.server_root_url.startswith("https://")


async def health(server: Server, _request: Request, _who: Principal) -> Any:
    """``GET /api/health``."""
    ok = server.store.one("SELECT 1 AS ok") is not None
    return {"database": "ok" if ok else "failing", "version": VERSION, "commit": "pytake-embedded"}


async def login(server: Server, request: Request, _who: Principal) -> Response:
    """``POST /login`` with user and password: a session cookie."""
    data = await body(request)
    address = request.client.host if request.client else ""
    row = server.identity.verify(str(data.get("user", "")), str(data.get("password", "")), address)
    if row is None:
        raise ApiError(401, "Invalid username or password", messageId="password-auth.failed")
    token = server.store.new_session(row["id"])
    answer = JSONResponse({"message": "Logged in", "redirectUrl": "/", "mustChangePassword": bool(row["must_change"])})
    lifetime = int(server.settings.auth_login_maximum_lifetime_hours * 3600)
    answer.set_cookie(COOKIE, token, max_age=lifetime, httponly=True, samesite="lax", secure=secure(server), path="/")
    return answer


async def logout(server: Server, request: Request, _who: Principal) -> Response:
    """``GET /logout``."""
    if token := request.cookies.get(COOKIE):
        server.store.end_session(token)
    answer = RedirectResponse("/login", 302)
    answer.delete_cookie(COOKIE, path="/")
    return answer


async def me(_server: Server, _request: Request, who: Principal) -> Any:
    """``GET /api/user``."""
    if who.user is None:
        return {
            "id": 0,
            "login": who.login,
            "name": who.login,
            "email": "",
            "orgId": 1,
            "isGrafanaAdmin": False,
            "theme": "",
        }
    return user_of(who.user) | {"orgRole": who.role, "mustChangePassword": bool(who.user["must_change"])}


async def my_password(server: Server, request: Request, who: Principal) -> Any:
    """``PUT /api/user/password``."""
    data = await body(request)
    if who.user is None:
        raise ApiError(400, "a service account has no password")
    address = request.client.host if request.client else ""
    if server.identity.verify(who.login, str(data.get("oldPassword", "")), address) is None:
        raise ApiError(401, "Invalid old password")
    if data.get("newPassword") == data.get("oldPassword"):
        raise ApiError(400, "The new password must differ from the old one")
    server.identity.set_password(who.user["id"], str(data.get("newPassword", "")))
    return {"message": "User password changed"}


def user_of(row: Row) -> dict[str, Any]:
    """A person as the user API shows one; never with the password."""
    return {
        "id": row["id"],
        "uid": f"u{row['id']}",
        "login": row["login"],
        "email": row["email"],
        "name": row["name"] or row["login"],
        "orgId": 1,
        "isGrafanaAdmin": bool(row["admin"]),
        "isAdmin": bool(row["admin"]),
        "isDisabled": bool(row["disabled"]),
        "isExternal": False,
        "authLabels": [],
        "theme": row["theme"],
        "avatarUrl": "",
        "createdAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row["created"])),
    }


async def organisation(_server: Server, _request: Request, _who: Principal) -> Any:
    """``GET /api/org``: there is one."""
    return {"id": 1, "name": "Main Org.", "address": {}}


async def organisation_users(server: Server, _request: Request, _who: Principal) -> Any:
    """``GET /api/org/users``."""
    rows = server.store.all("SELECT * FROM users ORDER BY id")
    return [user_of(row) | {"userId": row["id"], "role": row["role"]} for row in rows]


async def users(server: Server, _request: Request, who: Principal) -> Any:
    """``GET /api/users``."""
    who.need_admin()
    return [user_of(row) for row in server.store.all("SELECT * FROM users ORDER BY id")]


async def create_user(server: Server, request: Request, who: Principal) -> Any:
    """``POST /api/admin/users``."""
    who.need_admin()
    data = await body(request)
    login_name = str(data.get("login") or data.get("email") or "")
    role = str(data.get("role") or "Viewer")
    if not login_name:
        raise ApiError(400, "Validation error, need specify either username or email")
    if role not in ROLES:
        raise ApiError(400, f"role is one of {', '.join(ROLES)}")
    user_id = server.identity.create_user(
        login_name,
        str(data.get("password", "")),
        role,
        email=str(data.get("email") or ""),
        name=str(data.get("name") or ""),
    )
    return {"id": user_id, "uid": f"u{user_id}", "message": "User created"}


async def change_user(server: Server, request: Request, who: Principal) -> Any:
    """``PATCH /api/org/users/:id`` (role), ``DELETE /api/admin/users/:id``, ``PUT /api/admin/users/:id/password``."""
    who.need_admin()
    user_id = int(request.path_params["id"])
    row = server.store.one("SELECT * FROM users WHERE id = ?", user_id)
    if row is None:
        raise not_found("User")
    if request.method == "DELETE":
        if who.user and who.user["id"] == user_id:
            raise ApiError(400, "You cannot delete yourself")
        server.store.run("DELETE FROM users WHERE id = ?", user_id)
        return {"message": "User deleted"}
    data = await body(request)
    if request.url.path.endswith("/password"):
        server.identity.set_password(user_id, str(data.get("password", "")))
        return {"message": "User password updated"}
    if data.get("role") not in ROLES:
        raise ApiError(400, f"role is one of {', '.join(ROLES)}")
    server.store.run("UPDATE users SET role = ? WHERE id = ?", data["role"], user_id)
    return {"message": "Organization user updated"}


def _account(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "uid": f"sa{row['id']}",
        "name": row["name"],
        "login": f"sa-{row['name']}",
        "orgId": 1,
        "role": row["role"],
        "isDisabled": bool(row["disabled"]),
        "tokens": row.get("tokens", 0),
        "avatarUrl": "",
    }


async def accounts(server: Server, request: Request, _who: Principal) -> Any:
    """``GET /api/serviceaccounts/search``, ``POST /api/serviceaccounts``."""
    if request.method == "POST":
        data = await body(request)
        name, role = str(data.get("name") or ""), str(data.get("role") or "Viewer")
        if not name or role not in ROLES:
            raise ApiError(400, f"name is required, role is one of {', '.join(ROLES)}")
        if server.store.one("SELECT id FROM service_accounts WHERE name = ?", name):
            raise ApiError(400, "service account already exists")
        server.store.run("INSERT INTO service_accounts (name, role, created) VALUES (?,?,?)", name, role, time.time())
        row = server.store.one("SELECT * FROM service_accounts WHERE name = ?", name)
        return JSONResponse(_account(row or {}), 201)
    rows = server.store.all(
        "SELECT a.*, (SELECT count(*) FROM tokens t WHERE t.account_id = a.id) AS tokens"
        " FROM service_accounts a ORDER BY id"
    )
    return {"totalCount": len(rows), "serviceAccounts": [_account(row) for row in rows], "page": 1, "perPage": 1000}


async def account(server: Server, request: Request, _who: Principal) -> Any:
    """``GET`` and ``DELETE /api/serviceaccounts/:id``."""
    row = server.store.one("SELECT * FROM service_accounts WHERE id = ?", int(request.path_params["id"]))
    if row is None:
        raise not_found("service account")
    if request.method == "DELETE":
        server.store.run("DELETE FROM service_accounts WHERE id = ?", row["id"])
        return {"message": "Service account deleted"}
    return _account(row)


async def account_tokens(server: Server, request: Request, _who: Principal) -> Any:
    """``GET`` and ``POST /api/serviceaccounts/:id/tokens``."""
    row = server.store.one("SELECT * FROM service_accounts WHERE id = ?", int(request.path_params["id"]))
    if row is None:
        raise not_found("service account")
    if request.method == "POST":
        data = await body(request)
        lifetime = data.get("secondsToLive")
        token_id, token = server.store.new_token(
            row["id"], str(data.get("name") or "token"), float(lifetime) if lifetime else None
        )
        return {"id": token_id, "name": data.get("name") or "token", "key": token}
    rows = server.store.all("SELECT id, name, created, expires FROM tokens WHERE account_id = ?", row["id"])
    return [
        {
            "id": r["id"],
            "name": r["name"],
            "created": r["created"],
            "expiration": r["expires"],
            "hasExpired": bool(r["expires"] and r["expires"] < time.time()),
        }
        for r in rows
    ]


async def delete_token(server: Server, request: Request, _who: Principal) -> Any:
    """``DELETE /api/serviceaccounts/:id/tokens/:token``."""
    gone = server.store.changed(
        "DELETE FROM tokens WHERE account_id = ? AND id = ?",
        int(request.path_params["id"]),
        int(request.path_params["token"]),
    )
    if not gone:
        raise not_found("service account token")
    return {"message": "Service account token deleted"}
