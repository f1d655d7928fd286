"""The process that works on the queues."""
