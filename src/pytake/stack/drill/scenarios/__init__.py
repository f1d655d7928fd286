"""The faults, one module an area of the rules. They start in the order of these imports, as far as they get along."""

from pytake.stack.drill.scenarios import (  # noqa: F401, I001 (importing registers; the order is the plan)
    tables,
    host,
    outages,
    access,
    monitoring,
    data,
    http,
    whatsapp,
    ai,
    logs,
    meta,
    watchdog,
)
