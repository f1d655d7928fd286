"""A stand-in for Meta's Graph API and OpenAI's API, with customers and faults."""
