"""Jaeger's APIs: ours by default, any other server by ``--jaeger-url``."""
