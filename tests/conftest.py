"""Loads the support plugin for every test."""

pytest_plugins = ["tests.support.fixtures"]
