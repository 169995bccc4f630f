"""Nouns, arithmetic, limits and errors of the Lambda API. No I/O; imports nothing above itself."""
