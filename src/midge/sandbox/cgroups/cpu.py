"""How much of the CPU a memory size buys.

Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html: 1,769 MB are worth one virtual CPU, and
there are six at most.
"""

_MEMORY_MB_PER_CORE = 1_769
_CORES = 6
_SHARES_PER_CORE = 1_024
_LEAST_SHARES, _MOST_SHARES = 2, 262_144
_MOST_WEIGHT = 10_000

PERIOD_MICROSECONDS = 100_000
"""Of which a group may use its quota: the kernel's own default."""


def cores(memory_size_mb: int) -> float:
    """The processors' worth of time, by AWS's measure."""
    return min(_CORES, memory_size_mb / _MEMORY_MB_PER_CORE)


def quota_microseconds(memory_size_mb: int) -> int:
    """Of each period."""
    return int(cores(memory_size_mb) * PERIOD_MICROSECONDS)


def shares(memory_size_mb: int) -> int:
    """Version 1's relative share: 1,024 for a core."""
    return max(_LEAST_SHARES, int(cores(memory_size_mb) * _SHARES_PER_CORE))


def weight(memory_size_mb: int) -> int:
    """Version 2's, which the kernel's own documentation maps from shares in this way."""
    return 1 + (shares(memory_size_mb) - _LEAST_SHARES) * (_MOST_WEIGHT - 1) // (_MOST_SHARES - _LEAST_SHARES)
