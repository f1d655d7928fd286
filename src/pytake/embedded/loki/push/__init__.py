"""Push: request bodies to batches of rows."""
