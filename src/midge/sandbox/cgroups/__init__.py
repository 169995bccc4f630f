"""Limits on an environment by the kernel's control groups: memory, CPU, number of processes, and standing still."""
