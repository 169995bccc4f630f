"""What midge and its functions have to say: function logs, metrics, midge's own log."""
