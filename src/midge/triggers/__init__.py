"""What happens elsewhere and invokes functions."""
