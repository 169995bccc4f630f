"""Where log events are kept: log groups and log streams as files, written by one thread, read by another by time."""
