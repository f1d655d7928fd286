"""Meta's error codes as the Graph API and the status webhooks carry them.

Source: Meta's "Cloud API error codes" page. Users of the API are told to branch on ``code`` only, so titles here are
short descriptions of ours in Meta's shape.
"""

import secrets
from dataclasses import dataclass
from enum import StrEnum

HREF = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"


class FaultOf(StrEnum):
    """Who has to act on a failure; picks codes for the ``delivery_collapse`` fault."""

    OURS = "ours"
    META = "meta"
    RECIPIENT = "recipient"
    ACCOUNT = "account"


@dataclass(frozen=True)
class MetaError:
    """One code: HTTP status when it is a direct answer, title, details and who has to act."""

    code: int
    status: int
    title: str
    details: str
    fault_of: FaultOf


_TABLE = (
    MetaError(1, 400, "API unknown", "Invalid request or possible server error.", FaultOf.META),
    MetaError(2, 503, "API service", "Temporary: down or overloaded.", FaultOf.META),
    MetaError(4, 429, "API too many calls", "The app reached its call limit.", FaultOf.OURS),
    MetaError(10, 403, "Permission denied", "The permission is not granted or was removed.", FaultOf.ACCOUNT),
    MetaError(33, 400, "Parameter value is not valid", "The phone number id does not exist.", FaultOf.OURS),
    MetaError(100, 400, "Invalid parameter", "A parameter is missing, unknown or misspelled.", FaultOf.OURS),
    MetaError(190, 401, "Access token has expired", "Get a new access token.", FaultOf.ACCOUNT),
    MetaError(368, 403, "Temporarily blocked", "The account is restricted for policy violations.", FaultOf.ACCOUNT),
    MetaError(80007, 429, "Rate limit issues", "The business account reached its call limit.", FaultOf.OURS),
    MetaError(130429, 429, "Rate limit hit", "The number's message throughput has been reached.", FaultOf.OURS),
    MetaError(130472, 400, "User's number is part of an experiment", "Not sent: marketing holdout.", FaultOf.RECIPIENT),
    MetaError(131000, 500, "Something went wrong", "Unknown error on Meta's side.", FaultOf.META),
    MetaError(131009, 400, "Parameter value is not valid", "A parameter's value is not valid.", FaultOf.OURS),
    MetaError(131016, 500, "Service unavailable", "A service is temporarily unavailable.", FaultOf.META),
    MetaError(131026, 400, "Message undeliverable", "The recipient cannot receive this message.", FaultOf.RECIPIENT),
    MetaError(131031, 403, "Account has been locked", "The account was disabled or locked.", FaultOf.ACCOUNT),
    MetaError(131042, 400, "Business eligibility payment issue", "Check the payment method.", FaultOf.ACCOUNT),
    MetaError(131047, 400, "Re-engagement message", "More than 24 hours since the customer wrote.", FaultOf.OURS),
    MetaError(131048, 429, "Spam rate limit hit", "Restricted: earlier messages were flagged.", FaultOf.ACCOUNT),
    MetaError(131049, 400, "Meta chose not to deliver", "Kept back to protect engagement.", FaultOf.RECIPIENT),
    MetaError(131050, 400, "User stopped marketing messages", "The recipient opted out.", FaultOf.RECIPIENT),
    MetaError(131051, 400, "Unsupported message type", "The message type is not supported.", FaultOf.OURS),
    MetaError(131056, 429, "Pair rate limit hit", "Too many messages to the same recipient.", FaultOf.OURS),
    MetaError(132000, 400, "Template parameter count mismatch", "Number of parameters differs.", FaultOf.OURS),
    MetaError(132001, 404, "Template does not exist", "No such template in this language.", FaultOf.OURS),
    MetaError(132015, 400, "Template is paused", "Paused for low quality.", FaultOf.ACCOUNT),
    MetaError(132016, 400, "Template is disabled", "Paused too often: disabled for good.", FaultOf.ACCOUNT),
    MetaError(133010, 400, "Phone number not registered", "The number is not registered.", FaultOf.ACCOUNT),
)
BY_CODE = {error.code: error for error in _TABLE}
WEBHOOK_CODES = {
    FaultOf.OURS: (131047, 131051, 131009),
    FaultOf.META: (131000, 131016, 2),
    FaultOf.RECIPIENT: (131026, 131049, 130472),
    FaultOf.ACCOUNT: (131042, 131048),
}
"""Codes that come by status webhook after a send was accepted, by who has to act."""


class GraphError(Exception):
    """Answer this Graph API call with an error of Meta's form."""

    def __init__(self, code: int, details: str | None = None, *, status: int | None = None, subcode: int | None = None):
        known = BY_CODE.get(code) or MetaError(code, 400, "Error", "An error.", FaultOf.META)
        super().__init__(f"(#{code}) {known.title}")
        self.code = code
        self.status = status or known.status
        self.title = known.title
        self.details = details or known.details
        self.subcode = subcode

    def body(self) -> dict[str, object]:
        """The JSON body of the error response."""
        error: dict[str, object] = {
            "message": str(self),
            "type": "OAuthException",
            "code": self.code,
            "error_data": {"messaging_product": "whatsapp", "details": self.details},
            "fbtrace_id": f"A{secrets.token_urlsafe(16)}",
        }
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        return {"error": error}


def webhook_error(code: int) -> dict[str, object]:
    """The ``errors[]`` entry of a failed status."""
    known = BY_CODE.get(code) or MetaError(code, 400, "Error", "An error.", FaultOf.META)
    return {
        "code": known.code,
        "title": known.title,
        "message": known.title,
        "error_data": {"details": known.details},
        "href": HREF,
    }
