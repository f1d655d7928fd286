"""Meta's error codes: whose fault, and whether the same send may be tried again."""

from dataclasses import dataclass
from enum import StrEnum

from pytake.telemetry.labels import ApiStatus, Cause


class Retry(StrEnum):
    """What to do after the Graph API refused a send (a refusal means: it was not sent)."""

    NEVER = "never"
    SOON = "soon"
    NUMBER_LIMIT = "number_limit"
    PAIR_LIMIT = "pair_limit"
    ACCOUNT = "account"


@dataclass(frozen=True)
class Meaning:
    """Cause (who is asked to act), retry rule, and the class of the API call's outcome."""

    cause: Cause
    retry: Retry = Retry.NEVER
    status: ApiStatus = ApiStatus.CLIENT_ERROR


_ACCOUNT = Meaning(Cause.ACCOUNT)
_TOKEN = Meaning(Cause.ACCOUNT, Retry.ACCOUNT, ApiStatus.AUTH_ERROR)
_META = Meaning(Cause.META, Retry.SOON, ApiStatus.SERVER_ERROR)
_RECIPIENT = Meaning(Cause.RECIPIENT)
_OURS = Meaning(Cause.OURS)

_CODES: dict[int, Meaning] = {
    0: _TOKEN,
    190: _TOKEN,
    10: Meaning(Cause.ACCOUNT, status=ApiStatus.AUTH_ERROR),
    3: Meaning(Cause.ACCOUNT, status=ApiStatus.AUTH_ERROR),
    131031: _ACCOUNT,
    368: _ACCOUNT,
    131042: _ACCOUNT,
    131048: Meaning(Cause.ACCOUNT, status=ApiStatus.RATE_LIMITED),
    131064: Meaning(Cause.ACCOUNT, status=ApiStatus.RATE_LIMITED),
    130497: _ACCOUNT,
    133010: _ACCOUNT,
    4: Meaning(Cause.OURS, Retry.NUMBER_LIMIT, ApiStatus.RATE_LIMITED),
    80007: Meaning(Cause.OURS, Retry.NUMBER_LIMIT, ApiStatus.RATE_LIMITED),
    130429: Meaning(Cause.OURS, Retry.NUMBER_LIMIT, ApiStatus.RATE_LIMITED),
    131056: Meaning(Cause.OURS, Retry.PAIR_LIMIT, ApiStatus.RATE_LIMITED),
    1: _META,
    2: _META,
    131000: _META,
    131016: _META,
    131026: _RECIPIENT,
    130472: _RECIPIENT,
    131049: _RECIPIENT,
    131050: _RECIPIENT,
    131021: _RECIPIENT,
    131047: _OURS,
}


def meaning(code: int) -> Meaning:
    """What a code means; an unknown one is ours to look at and is not tried again."""
    if code in _CODES:
        return _CODES[code]
    if 200 <= code < 300:
        return Meaning(Cause.ACCOUNT, status=ApiStatus.AUTH_ERROR)
    return _OURS
