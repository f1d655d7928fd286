"""Infrastructure: the machine, database and cache, connection pools, storage."""

from pytake.stack.dashboards.parts import Board, bars, heat, number, rows, series, variable

N = 'instance=~"$instance"'
USED = ((None, "green"), (0.8, "yellow"), (0.9, "red"))
BOARD = Board(
    "infrastructure", "Infrastructure", "The machine, PostgreSQL, Redis, the connection pools, disks and queues.",
    ("infrastructure",), variables=[variable("instance", "Host", "label_values(node_uname_info, instance)")],
)  # fmt: skip
BOARD.row(
    "System resource utilization",
    number("CPU", "Share of all cores that is busy.", "percentunit", f"max(instance:node_cpu_busy:ratio_rate5m{{{N}}})",
           steps=USED, decimals=0, runbook="HostHighCpu"),
    number("Memory", "Share of memory in use.", "percentunit", f"max(instance:node_memory_used:ratio{{{N}}})", steps=USED,
           decimals=0, runbook="HostHighMemory"),
    number("Load", "Runnable processes a core, 1 minute.", "short", f"max(instance:node_load1_per_cpu:ratio{{{N}}})",
           steps=((None, "green"), (1, "yellow"), (2, "red")), decimals=2),
    number("Fullest disk", "Share in use of the fullest file system.", "percentunit",
           f"1 - min(instance_mountpoint:node_filesystem_avail:ratio{{{N}}})", steps=USED, decimals=0, runbook="HostDiskFull"),
    number("PostgreSQL", "Whether it accepts connections.", "short", "max(pg_up)", texts={"0": ("down", "red"), "1": ("up", "green")},
           background=True, runbook="DatabaseDown"),
    number("Redis", "Whether it answers.", "short", "max(redis_up)", texts={"0": ("down", "red"), "1": ("up", "green")},
           background=True, runbook="RedisDown"),
    series("CPU by mode", "Cores used.", "short", [(f'sum by (mode) (instance_mode:node_cpu_seconds:rate5m{{{N}, mode!="idle"}})', "{{mode}}")],
           stacked=True),
    series("Memory", "Bytes in use and available.", "bytes",
           [(f"sum(node_memory_MemTotal_bytes{{{N}}} - node_memory_MemAvailable_bytes{{{N}}})", "in use"),
            (f"sum(node_memory_MemAvailable_bytes{{{N}}})", "available")], stacked=True),
    series("CPU of our processes", "Cores used by job.", "short", [("sum by (job) (job:process_cpu_seconds:rate5m)", "{{job}}")]),
    series("Memory of our processes", "Resident memory by job.", "bytes",
           [("sum by (job) (job:process_resident_memory_bytes:sum)", "{{job}}")]),
    series("Network", "Bytes a second, without loopback.", "Bps",
           [(f"sum(instance:node_network_receive_bytes:rate5m{{{N}}})", "received"),
            (f"sum(instance:node_network_transmit_bytes:rate5m{{{N}}})", "sent")], width=24, height=6),
)  # fmt: skip
BOARD.row(
    "Database and cache performance",
    series("Queries by table", "SQL statements a second.", "ops",
           [("sum by (table) (operation_table:database_queries:rate5m)", "{{table}}")], stacked=True),
    series("Query duration, p95", "95 of 100 statements took at most this long.", "s",
           [("max by (operation, table) (operation_table:database_query_duration_seconds:p95_5m)", "{{operation}} {{table}}")],
           steps=((None, "transparent"), (0.5, "red")), runbook="DatabaseSlowQueries"),
    series("Query errors", "Share of statements that failed.", "percentunit", "max(global:database_query_errors:ratio_rate5m)",
           width=8, runbook="DatabaseQueryErrors"),
    series("Transactions", "Transactions a second.", "ops",
           [("sum by (datname) (datname:pg_stat_database_transactions:rate5m)", "{{datname}}")], width=8),
    series("PostgreSQL's cache", "Share of blocks found in memory.", "percentunit",
           [("datname:pg_stat_database_cache_hit:ratio_rate5m", "{{datname}}")], width=8, high=1, runbook="PostgresCacheRatioLow"),
    rows("Statements that take most time", "From pg_stat_statements: seconds spent a second.", "short",
         "topk(15, sum by (datname, queryid) (datname_queryid:pg_stat_statements_seconds:rate5m))", width=24, height=8,
         names={"Value": "seconds/s"}),
    series("Redis commands", "Commands a second.", "ops",
           [("sum by (operation) (operation_status:redis_operations:rate5m)", "{{operation}}")], stacked=True, width=8),
    series("Redis duration, p95", "95 of 100 commands took at most this long.", "s",
           [("max by (operation) (operation:redis_operation_duration_seconds:p95_5m)", "{{operation}}")], width=8, runbook="RedisSlow"),
    series("Cache hits", "Share of our cache's reads that found something; Redis' own ratio beside it.", "percentunit",
           [("max(global:cache_hits:ratio_rate5m)", "our cache"), ("max(instance:redis_keyspace_hits:ratio_rate5m)", "Redis")],
           width=8, high=1, runbook="CacheHitRatioLow"),
)  # fmt: skip
BOARD.row(
    "Connection pools",
    series("Database pool", "Connections by state.", "short",
           [("sum by (job, state) (job_state:database_pool_connections:sum)", "{{job}} {{state}}")], runbook="DatabasePoolSaturated"),
    series("Wait for a connection, p95", "95 of 100 checkouts took at most this long.", "s",
           [("max by (job) (job:database_pool_wait_seconds:p95_5m)", "{{job}}")], runbook="DatabasePoolWait"),
    bars("Connections of PostgreSQL", "Share of max_connections in use.", "percentunit",
         [("max(global:pg_connections_used:ratio)", "in use")], steps=USED, high=1),
    series("Longest transaction", "Age of the oldest open transaction.", "s",
           [("max by (datname) (datname:pg_longest_transaction_seconds:max)", "{{datname}}")], width=8, runbook="PostgresLongTransaction"),
    heat("Wait for a connection", "How many checkouts took how long.", "s",
         "sum by (le) (rate(database_pool_wait_seconds_bucket[$__rate_interval]))", width=8),
)  # fmt: skip
BOARD.row(
    "Queues",
    series("Depth", "Jobs waiting or being worked on.", "short", [("max by (queue) (queue:queue_depth:max)", "{{queue}}")], width=8,
           runbook="QueueBacklog"),
    series("Oldest job", "Age of the oldest job that is not done.", "s",
           [("max by (queue) (queue:queue_oldest_job_age_seconds:max)", "{{queue}}")], width=8,
           steps=((None, "transparent"), (300, "red")), runbook="QueueStuck"),
    series("Jobs", "Jobs a second by what became of them.", "ops",
           [("sum by (queue, outcome) (queue_outcome:queue_jobs:rate5m)", "{{queue}} {{outcome}}")], width=8, runbook="QueueDeadLetters"),
)  # fmt: skip
BOARD.row(
    "Storage",
    bars("File systems", "Share in use.", "percentunit",
         [(f"1 - min by (mountpoint) (instance_mountpoint:node_filesystem_avail:ratio{{{N}}})", "{{mountpoint}}")], steps=USED, high=1),
    series("Disk time", "Share of time that a disk was busy.", "percentunit",
           [(f"max by (device) (instance_device:node_disk_io_time:rate5m{{{N}}})", "{{device}}")], width=8, high=1),
    series("Database size", "Bytes on disk.", "bytes", [("max by (datname) (pg_database_size_bytes)", "{{datname}}")], width=8),
    series("Redis memory", "Bytes in use.", "bytes", "max(redis_memory_used_bytes)", width=12, runbook="RedisMemoryHigh"),
    series("Prometheus' storage", "Bytes of its blocks on disk.", "bytes", "max(prometheus_tsdb_storage_blocks_bytes)", width=12),
)  # fmt: skip
