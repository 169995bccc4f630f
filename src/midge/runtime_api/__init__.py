"""What a runtime talks to: the Runtime API of one execution environment."""
