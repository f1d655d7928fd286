"""The control API under ``/sandbox``: faults, rate, state, and customers who write on demand."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field, ValidationError

from pytake.sandbox.context import Sandbox, SandboxDep
from pytake.sandbox.faults import KINDS, UnknownFault
from pytake.sandbox.settings import Instance

router = APIRouter(prefix="/sandbox", tags=["control"])


class NewFault(BaseModel):
    """A fault to inject; without ``seconds`` it stays until it is cleared."""

    kind: str
    params: dict[str, Any] = Field(default_factory=dict)
    seconds: float | None = Field(None, gt=0, le=30 * 86400)


class NewRate(BaseModel):
    """New conversations a minute, on a day's average."""

    rate: float = Field(ge=0, le=60_000)


class NewMessages(BaseModel):
    """Customers write: ``count`` texts, from one sender when it is given, else each from another customer."""

    instance: str | None = None
    sender: str | None = Field(None, pattern=r"^\d{7,15}$")
    text: str = Field("Hello, where is my order?", min_length=1, max_length=4096)
    name: str | None = Field(None, max_length=200)
    count: int = Field(1, ge=1, le=10_000)


def _number(box: Sandbox, slug: str | None) -> Instance:
    if slug is None:
        return next(iter(box.world.instances.values()))
    if slug not in box.world.instances:
        known = ", ".join(box.world.instances)
        raise HTTPException(404, f"no instance is called {slug!r}; there are: {known}")
    return box.world.instances[slug]


@router.get("/faults")
async def list_faults(box: SandboxDep) -> dict[str, Any]:
    """The faults in force and the kinds there are, with their parameters."""
    kinds = {
        kind: {
            "help": (model.__doc__ or "").strip(),
            "params": {name: str(field.description) for name, field in model.model_fields.items()},
        }
        for kind, model in KINDS.items()
    }
    return {"faults": [fault.as_dict() for fault in box.faults.active()], "kinds": kinds}


@router.post("/faults", status_code=201)
async def add_fault(box: SandboxDep, fault: NewFault) -> dict[str, Any]:
    """Inject a fault."""
    if fault.params.get("instance") is not None:
        _number(box, str(fault.params["instance"]))
    try:
        return (await box.faults.add(fault.kind, fault.params, fault.seconds)).as_dict()
    except UnknownFault as exc:
        raise HTTPException(404, str(exc)) from exc
    except ValidationError as exc:
        problems = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in exc.errors())
        raise HTTPException(422, f"{fault.kind}: {problems}") from exc


@router.delete("/faults")
async def clear_faults(box: SandboxDep) -> dict[str, int]:
    """End every fault."""
    return {"cleared": await box.faults.clear()}


@router.delete("/faults/{kind}")
async def clear_fault(box: SandboxDep, kind: str) -> dict[str, int]:
    """End the faults of one kind, or the one with that number."""
    try:
        return {"cleared": await (box.faults.end(int(kind)) if kind.isdigit() else box.faults.clear(kind))}
    except UnknownFault as exc:
        raise HTTPException(404, str(exc)) from exc


@router.put("/rate")
async def set_rate(box: SandboxDep, rate: NewRate) -> dict[str, float]:
    """Set how many conversations customers open a minute."""
    box.customers.rate = rate.rate
    return {"rate": rate.rate, "current": box.customers.current_rate()}


@router.post("/messages", status_code=202)
async def write(box: SandboxDep, new: NewMessages) -> dict[str, list[str]]:
    """Let customers write now."""
    number = _number(box, new.instance)
    people = box.customers.people
    senders = [new.sender or people[index % len(people)].wa_id for index in range(new.count)]
    return {"wamids": [box.customers.write(number, sender, new.text, name=new.name) for sender in senders]}


@router.get("/messages")
async def messages(
    box: SandboxDep,
    direction: Literal["inbound", "outbound"] = "outbound",
    customer: str | None = None,
    instance: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200_000)] = 1000,
) -> dict[str, Any]:
    """The ledger: every message accepted from the business, or written by customers."""
    return {"messages": box.world.messages(direction, customer=customer, instance=instance, limit=limit)}


@router.get("/state")
async def state(box: SandboxDep) -> dict[str, Any]:
    """Counts, standing and, per customer, how many messages the business got accepted for them."""
    answers: dict[str, int] = {}
    for sent in box.world.sent.values():
        answers[sent.recipient] = answers.get(sent.recipient, 0) + 1
    return {
        "rate": {"set": box.customers.rate, "current": box.customers.current_rate()},
        "received": len(box.world.received),
        "accepted": len(box.world.sent),
        "answers": answers,
        "acknowledged": box.delivery.counts["messages_acknowledged"],
        "webhooks": {**box.delivery.counts, "waiting": box.delivery.waiting},
        "instances": {
            slug: {"quality": item.quality, "messaging_limit": item.tier} for slug, item in box.world.standing.items()
        },
        "faults": [fault.as_dict() for fault in box.faults.active()],
    }
