"""Runs, checks, backs up and drills the whole stack."""
