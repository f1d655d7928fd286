"""Messages, their state history and the REST resource that sends them."""
