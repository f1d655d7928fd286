"""What the embedded servers share: Go-style flags, YAML with variables, sizes and durations, serving ASGI."""
