"""PyTake: a WhatsApp backend and its complete monitoring and observability."""
