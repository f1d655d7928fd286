"""``X-Hub-Signature-256``: HMAC-SHA256 of the raw body with the app secret."""

import hashlib
import hmac
from collections.abc import Iterable

PREFIX = "sha256="


def sign(secret: str, body: bytes) -> str:
    """The header that Meta would send."""
    return PREFIX + hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def matching_secrets(secrets: Iterable[str], body: bytes, header: str | None) -> frozenset[str]:
    """The app secrets that the signature was made with: none when it is wrong.

    Every secret is tried, each in constant time, so that the time taken tells nothing.
    """
    given = (header or "").encode("utf-8", "replace")
    return frozenset(secret for secret in secrets if secret and hmac.compare_digest(sign(secret, body).encode(), given))
