"""Snapshots of initialised processes, and restoring them: by copying the stopped process into another environment.

Only the ``tracer``, a small process of its own with midge's rights, lays hands on function code's processes, and never
while they run. See docs/decisions/0018.
"""
