"""Embedded Loki."""

import os

# Arrow's own allocator keeps what was freed; the system's, tuned in main, gives large blocks back at once (measured:
# 300 instead of 400 MB at the peak of ingest). Arrow reads this when it is imported.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
