#!/bin/sh
# Starts AWS's runtime client for Ruby: ruby.sh RUBY CLIENT. Runs inside.
set -- "$1" "$2" "$_HANDLER"
# shellcheck source=src/midge/runtimes/shell/exec.sh
. "$(dirname "$0")/exec.sh"
