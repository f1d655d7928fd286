"""The AI provider."""

from collections.abc import Iterator

from pytake.stack.drill.scenario import Part, scenario
from pytake.stack.drill.scene import Scene

SPEED = 0.15
"""US dollars a second that a cost surge is to take: 250 of the drill's budget of 1,000 in half an hour."""


@scenario("every AI answer takes far more tokens", "CostAheadOfBudget", uses=(Part.FLOW, Part.AI), detect=2600,
          settle=60)  # fmt: skip
def cost_surge(scene: Scene) -> Iterator[None]:
    """Token counts are multiplied so that spending runs at a speed that would take thirteen budgets a day."""
    query = 'sum(spender:cost_usd:rate15m{spender="ai"}) > 0'
    scene.wait(lambda: scene.value(query) is not None, 60)
    now = scene.value(query) or 0.0005
    with scene.fault("cost_surge", factor=min(9000, max(2, SPEED / now))):
        yield


@scenario("one answer in six is slow, one in six comes from a model without a price",
          "AiHighLatency", "AiUnpricedModel", uses=(Part.FLOW, Part.AI), detect=900)  # fmt: skip
def strange_answers(scene: Scene) -> Iterator[None]:
    """The unknown model's name is no label value that the metrics were told of."""
    with scene.fault("openai_latency", seconds=14, ratio=0.16), scene.fault("unknown_model", ratio=0.16):
        yield


@scenario("the AI provider answers with errors of every kind",
          "AiHighErrorRate", "AiQuotaExhausted", "AiKeyRefused", "AiRateLimited",
          breaks=(Part.AI,), uses=(Part.FLOW,), detect=700)  # fmt: skip
def ai_errors(scene: Scene) -> Iterator[None]:
    """Some each of 429 rate limit, 429 quota, 401."""
    with (
        scene.fault("quota", ratio=0.2),
        scene.fault("rate_limit", api="openai", ratio=0.25),
        scene.fault("error_rate", api="openai", ratio=0.25, status=401),
    ):
        yield


@scenario("the AI provider does not answer at all", "OpenAiApiUnreachable", "CircuitBreakerOpen",
          breaks=(Part.AI,), uses=(Part.FLOW,), detect=400)  # fmt: skip
def ai_outage(scene: Scene) -> Iterator[None]:
    """Every call fails."""
    with scene.fault("openai_outage"):
        yield
