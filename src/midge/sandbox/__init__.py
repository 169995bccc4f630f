"""Where function code runs, kept apart from the machine and from other functions."""
