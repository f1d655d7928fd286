"""Durable queues on Redis Streams."""
