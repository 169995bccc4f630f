"""The commands of ``midge``, one module each. They know the person at the terminal; what they show comes from below."""
