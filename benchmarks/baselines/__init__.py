"""What midge is divided by: bare runtime clients, bare processes, and a peer. Nothing here imports midge."""
