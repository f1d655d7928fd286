"""The WhatsApp backend: API and worker."""
