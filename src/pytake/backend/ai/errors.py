"""How a call to the model can fail, and what follows."""

import openai

from pytake.telemetry.labels import ApiStatus


class AiError(Exception):
    """No answer; ``status`` is the metric's word for why."""

    def __init__(self, status: ApiStatus, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after


class AiUnavailable(AiError):  # noqa: N818 (says what happened)
    """Passing: outage, time-out, rate limit, open circuit. Worth another try."""


class AiQuotaExhausted(AiError):  # noqa: N818 (says what happened)
    """``insufficient_quota``: nothing works until somebody pays. Not a rate limit, though both are 429."""


class AiRejected(AiError):  # noqa: N818 (says what happened)
    """The request or the key is wrong: trying again changes nothing."""


def sort_out(error: openai.OpenAIError) -> AiError:
    """The library's exception as one of the three kinds."""
    reason = f"{type(error).__name__}: {error}"[:300]
    if isinstance(error, openai.APITimeoutError):
        return AiUnavailable(ApiStatus.TIMEOUT, reason)
    if isinstance(error, openai.APIConnectionError):
        return AiUnavailable(ApiStatus.CONNECTION_ERROR, reason)
    if not isinstance(error, openai.APIStatusError):
        return AiUnavailable(ApiStatus.INVALID_RESPONSE, reason)
    return _by_status(error, reason)


def _by_status(error: openai.APIStatusError, reason: str) -> AiError:
    if "insufficient_quota" in (error.code, error.type):
        return AiQuotaExhausted(ApiStatus.QUOTA_EXHAUSTED, reason)
    if error.status_code == 429:
        header = error.response.headers.get("retry-after", "")
        seconds = float(header) if header.replace(".", "", 1).isdigit() else None
        return AiUnavailable(ApiStatus.RATE_LIMITED, reason, retry_after=seconds)
    if error.status_code in (401, 403):
        return AiRejected(ApiStatus.AUTH_ERROR, reason)
    if error.status_code in (408, 409) or error.status_code >= 500:
        return AiUnavailable(ApiStatus.SERVER_ERROR, reason)
    return AiRejected(ApiStatus.CLIENT_ERROR, reason)
