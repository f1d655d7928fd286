"""Meta's webhook: the receiver that acknowledges, and what the worker does with each event."""
