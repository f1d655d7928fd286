"""Answers by an AI model."""
