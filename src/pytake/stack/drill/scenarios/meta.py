"""Meta as a whole: its API, the delivery of all numbers."""

import contextlib
from collections.abc import Iterator

from pytake.stack.drill.scenario import Part, scenario
from pytake.stack.drill.scenarios.whatsapp import templates_to
from pytake.stack.drill.scene import Scene

CODES = 100


@scenario("messages of all numbers fail by our fault", "WhatsAppDeliveryCollapse",
          later=("WhatsAppDeliveryBurnFast", "WhatsAppDeliveryBurnSlow"), breaks=(Part.META,), uses=(Part.FLOW,),
          detect=1500)  # fmt: skip
def collapse(scene: Scene) -> Iterator[None]:
    """Nearly none is delivered."""
    with scene.fault("delivery_collapse", cause="ours", ratio=0.97):
        yield


@scenario("the Graph API is slow", "WhatsAppApiSlow", breaks=(Part.META,), uses=(Part.FLOW,), detect=900)
def slow_meta(scene: Scene) -> Iterator[None]:
    """Every fifth send takes seven seconds."""
    with scene.fault("latency", operation="send", seconds=7, ratio=0.2):
        yield


@scenario("Meta answers with errors", "WhatsAppMetaOutage", "WhatsAppApiUnreachable",
          breaks=(Part.META,), uses=(Part.FLOW,), detect=900)  # fmt: skip
def meta_outage(scene: Scene) -> Iterator[None]:
    """503 for every call."""
    with scene.fault("error_rate", api="meta", ratio=1.0, status=503, code=131016):
        yield


@scenario("Meta answers with error codes that nobody knows", "CardinalityBudgetExceeded",
          uses=(Part.FLOW, Part.META), detect=1500, settle=60)  # fmt: skip
def strange_codes(scene: Scene) -> Iterator[None]:
    """More than a label may have; the rest count as ``other``, and it is told."""
    with contextlib.ExitStack() as faults:
        for code in range(900_001, 900_001 + CODES):
            faults.enter_context(scene.fault("delivery_collapse", instance="strange", code=code, ratio=0.4 / CODES))
        faults.enter_context(templates_to(scene, "strange", pause=0.3))
        yield
