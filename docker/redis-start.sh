#!/bin/sh
# Writes the configuration with the passwords' digests, then becomes redis-server: no secret is an argument.
# The users are those of src/pytake/stack/redis.py.
set -eu
umask 077
digest() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
cat >/tmp/redis.conf <<CONF
dir /data
appendonly yes
appendfsync always
maxmemory-policy volatile-lru
save ""
user default on #$(digest "$PYTAKE_REDIS_PASSWORD") ~* &* +@all
user pytake_exporter on #$(digest "$PYTAKE_REDIS_EXPORTER_PASSWORD") ~* resetchannels -@all +ping +info +config|get +client|list +client|setname +select +scan +type +slowlog|len +slowlog|get +slowlog|help +latency|latest +latency|histogram +memory|usage +dbsize +xinfo|stream +xinfo|groups +xinfo|consumers +xlen +cluster|info +command|count +acl|whoami
CONF
unset PYTAKE_REDIS_PASSWORD PYTAKE_REDIS_EXPORTER_PASSWORD
exec redis-server /tmp/redis.conf
