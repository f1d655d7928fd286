"""The embedded trace server."""
