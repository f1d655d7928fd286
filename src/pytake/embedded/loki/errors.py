"""What can be wrong with a request, in Loki's codes and words."""

from enum import StrEnum


class Reason(StrEnum):
    """``reason`` of ``loki_discarded_samples_total``."""

    RATE_LIMITED = "rate_limited"
    STREAM_RATE_LIMITED = "per_stream_rate_limit"
    STREAM_LIMIT = "stream_limit"
    LINE_TOO_LONG = "line_too_long"
    INVALID_LABELS = "invalid_labels"
    MISSING_LABELS = "missing_labels"
    TOO_OLD = "greater_than_max_sample_age"
    TOO_NEW = "too_far_in_future"
    TOO_MANY_LABELS = "max_label_names_per_series"
    LABEL_NAME_TOO_LONG = "label_name_too_long"
    LABEL_VALUE_TOO_LONG = "label_value_too_long"
    DUPLICATE_LABELS = "duplicate_label_names"
    METADATA_DISALLOWED = "disallowed_structured_metadata"
    METADATA_TOO_LARGE = "structured_metadata_too_large"
    METADATA_TOO_MANY = "structured_metadata_too_many"


class RequestError(Exception):
    """An answer with this HTTP status and text."""

    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text
        super().__init__(text)


class PushError(RequestError):
    """Lines that are not taken: why (the metric's reason) and what the client is told."""

    def __init__(self, reason: Reason, text: str) -> None:
        self.reason = reason
        limited = reason in (Reason.RATE_LIMITED, Reason.STREAM_RATE_LIMITED, Reason.STREAM_LIMIT)
        super().__init__(429 if limited else 400, text)
