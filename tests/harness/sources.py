"""Functions that several tests run."""

STOPWATCH = """
import threading, time
ticks = [time.monotonic()]
def count():
    while True:
        ticks.append(time.monotonic())
        time.sleep(0.001)
threading.Thread(target=count, daemon=True).start()
def handler(event, context):
    seen = [*ticks, time.monotonic()]
    del ticks[:-1]
    return max(after - before for before, after in zip(seen, seen[1:]))
"""
"""Answers with the longest time, since it was asked last, in which a thread of its own saw no time pass."""
