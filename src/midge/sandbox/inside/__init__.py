"""What runs on the far side of the sandbox's wall, in the runtime's own interpreter.

These modules import each other and the standard library only, in a dialect that Python 3.9 understands: they are
executed by whichever interpreter a function's runtime names, not by midge's.
"""
