"""The agents' inbox: /ws over Redis pub/sub."""
