"""Customers, known by phone number or by business-scoped user id."""
