"""Metrics on disk: series, and what is kept of each minute's values."""
