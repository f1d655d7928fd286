"""Send limits shared by all workers: messages a second for a number, burst and interval for a customer.

A generic cell rate algorithm in Redis with Redis' own clock. A send either gets its moment reserved (and waits for it)
or is told how far away the moment is and reserves nothing.
"""

from dataclasses import dataclass

from redis.asyncio import Redis

from pytake.backend.settings import Settings
from pytake.telemetry.catalog import PACING_WAIT
from pytake.telemetry.labels import PacingLimit

# KEYS: number, pair, number block, pair block. ARGV: number interval, number burst, pair interval, pair burst, longest
# wait. Seconds as text. Answers the two waits; both are reserved only when neither exceeds the longest wait.
_RESERVE = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1e6
local function look(key, block, interval, burst)
  local tat = tonumber(redis.call('GET', key) or '0')
  if tat < now then tat = now end
  local wait = tat - now - interval * (burst - 1)
  if wait < 0 then wait = 0 end
  local blocked = redis.call('PTTL', block) / 1000
  if blocked > wait then wait = blocked end
  return wait, tat + interval
end
local nwait, ntat = look(KEYS[1], KEYS[3], tonumber(ARGV[1]), tonumber(ARGV[2]))
local pwait, ptat = look(KEYS[2], KEYS[4], tonumber(ARGV[3]), tonumber(ARGV[4]))
if math.max(nwait, pwait) <= tonumber(ARGV[5]) then
  redis.call('SET', KEYS[1], string.format('%.6f', ntat), 'PX', math.ceil((ntat - now + 1) * 1000))
  redis.call('SET', KEYS[2], string.format('%.6f', ptat), 'PX', math.ceil((ptat - now + 1) * 1000))
end
return {tostring(nwait), tostring(pwait)}
"""
PREFIX = "pytake:pace:"


@dataclass(frozen=True)
class Waits:
    """Seconds that a send has to wait for each limit; ``reserved`` when it may go after the longer one."""

    number: float
    pair: float
    reserved: bool

    @property
    def longest(self) -> float:
        """Seconds until the send may go."""
        return max(self.number, self.pair)


class Pacer:
    """Reserves moments for sends."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self.client = client
        self.settings = settings
        self._script = client.register_script(_RESERVE)

    async def reserve(self, instance: str, contact: str, *, rate: float | None, longest: float) -> Waits:
        """Reserve the next moment for a message to ``contact`` unless it is more than ``longest`` seconds away."""
        number, pair = f"{PREFIX}{instance}", f"{PREFIX}{instance}:{contact}"
        per_second = rate or self.settings.number_rate
        answer = await self._script(
            keys=[number, pair, f"{number}:block", f"{pair}:block"],
            args=[1 / per_second, max(1, per_second), self.settings.pair_interval, self.settings.pair_burst, longest],
        )
        waits = Waits(float(answer[0]), float(answer[1]), max(map(float, answer)) <= longest)
        if waits.reserved:
            PACING_WAIT.observe(waits.number, limit=PacingLimit.NUMBER, whatsapp_instance=instance)
            PACING_WAIT.observe(waits.pair, limit=PacingLimit.PAIR, whatsapp_instance=instance)
        return waits

    async def block(self, instance: str, contact: str | None, seconds: float) -> None:
        """Meta said that we are too fast: no sends of the number (or to one contact) for ``seconds``."""
        key = f"{PREFIX}{instance}:{contact}:block" if contact else f"{PREFIX}{instance}:block"
        await self.client.set(key, b"1", px=max(1, int(seconds * 1000)))
