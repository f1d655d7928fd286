"""The HTTP API: thin ASGI functions over the store, the query engine and the ruler."""
