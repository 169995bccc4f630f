"""Asynchronous invocation: events are accepted onto a durable queue, invoked, retried, and reported where they ended."""
