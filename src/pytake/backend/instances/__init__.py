"""WhatsApp numbers: configuration, state and their REST resource."""
