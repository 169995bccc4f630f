#!/bin/sh
# Starts a .NET function: start.sh DOTNET CLIENT. Runs inside, in the function's directory.
# A handler with a colon is Assembly::Type::Method, loaded by AWS's client; any other is an executable assembly or program.
# https://docs.aws.amazon.com/lambda/latest/dg/csharp-handler.html
dotnet=$1 client=$2

file_of() { # suffix: the assembly's file, or else the only one that ends so
    if [ -f "$assembly$1" ]; then
        echo "./$assembly$1"
        return
    fi
    wanted=$assembly$1
    set -- ./*"$1"
    if [ $# -eq 1 ] && [ -f "$1" ]; then
        echo "$1"
        return
    fi
    echo "there is no $wanted in $PWD, and no other file is the only one of its kind" >&2
    return 1
}

case $_HANDLER in
*:*)
    assembly=${LAMBDA_DOTNET_MAIN_ASSEMBLY:-${_HANDLER%%:*}}
    assembly=${assembly%.dll}
    dependencies=$(file_of .deps.json) || exit 105
    configuration=$(file_of .runtimeconfig.json) || exit 106
    set -- "$dotnet" exec --depsfile "$dependencies" --runtimeconfig "$configuration" "$client" "$_HANDLER"
    ;;
*)
    program=${_HANDLER%.dll}
    if [ ! -f "$program.dll" ] && [ -f "$program" ]; then
        set -- "$PWD/$program"
    else
        set -- "$dotnet" exec "$PWD/$program.dll"
    fi
    ;;
esac
# shellcheck source=src/midge/runtimes/shell/exec.sh
. "$(dirname "$0")/../shell/exec.sh"
