"""Series that exist from the start at 0: the first event is then a rise, and a graph says "none", not "no data"."""

from pytake.telemetry import catalog
from pytake.telemetry.labels import AiOperation, Responder


def preset_api() -> None:
    """What the API counts over closed sets of labels."""
    catalog.WS_ACTIVE.preset()
    catalog.WS_MESSAGES.preset()
    catalog.WS_CLOSED.preset()


def preset_worker(model: str) -> None:
    """What the worker counts over closed sets of labels; ``model`` is the one it asks."""
    catalog.FIRST_RESPONSE.preset(responder=Responder.AI)
    catalog.DELIVERY_SECONDS.preset()
    catalog.PACING_WAIT.preset()
    catalog.QUEUE_JOB_DURATION.preset()
    catalog.HANDOVERS.preset()
    catalog.AI_DURATION.preset(model=model, operation=AiOperation.CHAT)
    catalog.AI_TOKENS.preset(model=model)
    catalog.AI_COST.preset(model=model)
    catalog.AI_REQUESTS.preset(model=model)
    catalog.AI_RETRIES.preset(model=model)
