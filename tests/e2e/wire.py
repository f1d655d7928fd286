"""One HTTP client for all end-to-end tests: making one costs some 20 ms of CPU, mostly for certificates nobody needs.

It keeps no connections: a server may close an idle one just when it is used again, which looks like a crash.
"""

import httpx

HTTP = httpx.Client(verify=False, limits=httpx.Limits(max_keepalive_connections=0), timeout=15)
