"""Configuration of the native Redis: append-only, a password, and a user for the exporter that reads statistics."""

import hashlib

from pytake.stack.files import write
from pytake.stack.layout import Stack

_CONF = """\
# Written by the stack on every deployment.
bind 127.0.0.1
port {port}
protected-mode yes
daemonize no
dir {folder}
appendonly yes
# A webhook is acknowledged once its event is in the stream, so an answer must mean that it is on disk. "everysec" can
# answer before it writes while an fsync is under way.
appendfsync always
# Keys that expire may go when memory is short; streams never do.
maxmemory-policy volatile-lru
save ""
latency-monitor-threshold 100
slowlog-log-slower-than 10000
user default on #{default} ~* &* +@all
user pytake_exporter on #{exporter} ~* resetchannels -@all \
+ping +info +config|get +client|list +client|setname +select +scan \
+type +slowlog|len +slowlog|get +slowlog|help +latency|latest +latency|histogram +memory|usage +dbsize \
+xinfo|stream +xinfo|groups +xinfo|consumers +xlen +cluster|info +command|count +acl|whoami
"""


def prepare(stack: Stack) -> None:
    """Write redis.conf; passwords stand in it as SHA-256 digests."""
    folder = stack.data("redis")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = stack.settings
    text = _CONF.format(
        port=stack.port(6379),
        folder=f'"{folder}"',
        default=_digest(settings.pytake_redis_password.get_secret_value()),
        exporter=_digest(settings.pytake_redis_exporter_password.get_secret_value()),
    )
    write(stack.config / "redis.conf", text)


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
