"""Runbooks as pages: where the links of alerts lead."""
