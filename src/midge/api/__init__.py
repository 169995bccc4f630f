"""The operations of the Lambda API's control plane: plain functions, one module per resource."""
