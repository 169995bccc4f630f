"""Event sources that are polled: what kinds there are, and the filters between a record and a function."""
