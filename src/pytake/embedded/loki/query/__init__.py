"""Running queries: an engine with caps, cancellation and a log of what ran."""
