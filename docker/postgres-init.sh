#!/bin/sh
# Runs once, when the image makes the cluster: the exporter's role, which reads statistics and nothing else.
set -eu
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
\getenv password PYTAKE_POSTGRES_EXPORTER_PASSWORD
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
SET pg_stat_statements.track_utility = off;
CREATE ROLE pytake_exporter LOGIN PASSWORD :'password' CONNECTION LIMIT 10;
ALTER ROLE pytake_exporter SET default_transaction_read_only = on;
ALTER ROLE pytake_exporter SET statement_timeout = '5s';
GRANT pg_monitor TO pytake_exporter;
SQL
