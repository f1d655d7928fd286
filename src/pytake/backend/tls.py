"""One TLS context a process: reading the certificate authorities takes longer than a request."""

import ssl
from functools import lru_cache

import certifi


@lru_cache(maxsize=1)
def client_context() -> ssl.SSLContext:
    """The context of outgoing connections; ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` are honoured."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
