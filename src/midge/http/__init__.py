"""The listeners: the AWS endpoint and midge's own pages. They know sockets and routes, and no Lambda."""
