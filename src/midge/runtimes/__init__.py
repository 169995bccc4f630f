"""Which of AWS's runtimes there are, where this machine has them, and how environments of each start."""
