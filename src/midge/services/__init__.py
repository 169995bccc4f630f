"""AWS services beside Lambda that midge answers itself."""
