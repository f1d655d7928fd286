"""PyArrow without types: its published stubs are made for an older version and reject calls that this one takes."""

from typing import Any

import pyarrow
import pyarrow.parquet

pa: Any = pyarrow
pq: Any = pyarrow.parquet
