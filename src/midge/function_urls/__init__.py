"""Function URLs as rules: their addresses, and HTTP to events and back. Pure."""
