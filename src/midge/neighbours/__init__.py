"""Other AWS services that run beside midge, in processes of their own."""
