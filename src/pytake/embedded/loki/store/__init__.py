"""Storage: write-ahead log, hot buffer, Parquet segments, manifest, compaction, retention."""
