"""Node.js runtimes: midge's own bootstrap on the machine's Node.js. ``bootstrap.mjs`` runs inside."""
