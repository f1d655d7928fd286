"""When the last webhook of each number came, over restarts: silence must show although the process is new."""

import asyncio
import time
from datetime import datetime

from sqlalchemy import func, select, update

from pytake.backend.clock import from_unix
from pytake.backend.database.models import Instance
from pytake.backend.queue.failures import is_outage
from pytake.backend.resources import Resources
from pytake.telemetry.catalog import WEBHOOK_LAST
from pytake.telemetry.logging import get_logger

log = get_logger(__name__)
INTERVAL = 15.0


class LastWebhooks:
    """Remembers in memory, writes to the database every :data:`INTERVAL` seconds."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self._last: dict[str, float] = {}
        self._written: dict[str, float] = {}

    def note(self, slug: str) -> None:
        """A webhook with a right signature came for this number now."""
        self._last[slug] = time.time()
        WEBHOOK_LAST.set(self._last[slug], whatsapp_instance=slug)

    async def run(self) -> None:
        """Read what earlier processes knew, then keep writing; PostgreSQL being away costs nothing but the memory."""
        known = False
        while True:
            try:
                if not known:
                    await self._read()
                    known = True
                await self.write()
            except Exception as error:
                if not is_outage(error):
                    log.error("last_webhooks_not_kept", error=f"{type(error).__name__}: {error}"[:300])
            await asyncio.sleep(INTERVAL if known else 1.0)

    async def _read(self) -> None:
        query = select(Instance.slug, Instance.last_webhook_at).where(Instance.last_webhook_at.is_not(None))
        async with self.resources.sessions() as session:
            rows = (await session.execute(query)).all()
        for slug, at in rows:
            if at is not None and slug in self.resources.registry.instances and slug not in self._last:
                self._last[slug] = self._written[slug] = at.timestamp()
                WEBHOOK_LAST.set(at.timestamp(), whatsapp_instance=slug)

    async def write(self) -> None:
        """Write what is new."""
        fresh = {slug: at for slug, at in self._last.items() if at != self._written.get(slug)}
        if not fresh:
            return
        async with self.resources.sessions() as session:
            for slug, at in sorted(fresh.items()):
                moment: datetime = from_unix(at)
                newest = func.greatest(Instance.last_webhook_at, moment)
                await session.execute(update(Instance).where(Instance.slug == slug).values(last_webhook_at=newest))
            await session.commit()
        self._written |= fresh
