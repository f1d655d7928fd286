"""Who calls, as a dependency of endpoints."""

from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from pytake.backend.auth.keys import Principal, Role, find_principal
from pytake.backend.problems import Problem
from pytake.backend.resources import ResourcesDep

_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key of PyTake.")
_bearer = HTTPBearer(auto_error=False, description="The same API key as a bearer token.")


async def current_principal(
    resources: ResourcesDep,
    key: Annotated[str | None, Security(_header)] = None,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
) -> Principal:
    """Whoever's key the request carries; 401 without one that is valid."""
    given = key or (bearer.credentials if bearer else "")
    principal = await find_principal(resources, given)
    if principal is None:
        detail = "the API key is not valid" if given else "an API key is needed: X-API-Key or Authorization: Bearer"
        raise Problem(401, detail, kind="unauthorized", headers={"www-authenticate": "Bearer"})
    return principal


class _Needs:
    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self, principal: Annotated[Principal, Depends(current_principal)]) -> Principal:
        if not principal.role.includes(self.role):
            raise Problem(403, f"this needs the role {self.role}; the key has {principal.role}", kind="forbidden")
        return principal


Reader = Annotated[Principal, Depends(_Needs(Role.READONLY))]
Agent = Annotated[Principal, Depends(_Needs(Role.AGENT))]
Admin = Annotated[Principal, Depends(_Needs(Role.ADMIN))]
