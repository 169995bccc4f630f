"""AWS's wire protocols, driven by the service models: routing, parsing, constraints and rendering.

Pure: no I/O but reading the model's file once.
"""
