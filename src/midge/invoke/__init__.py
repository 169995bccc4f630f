"""Invocations: from a function and a qualifier to an execution environment, and to its outcome."""
