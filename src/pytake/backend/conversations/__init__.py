"""Conversations with their 24 h window, state and who answers."""
