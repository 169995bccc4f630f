"""midge measured against baselines of the same run on the same machine: ``make bench``.

A figure alone says more about the machine than about midge, so every result is a ratio: to the bare runtime client, the
bare fork, the bare spawn, or a peer. Baseline and midge take turns within a round; what is reported is the median of the
rounds' ratios. See docs/benchmarks.md for what each row means.
"""
