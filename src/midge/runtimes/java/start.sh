#!/bin/sh
# Starts AWS's runtime interface client for Java: start.sh MAJOR JAVA CLASSPATH JNI. Runs inside.
# The heap is the part of the function's memory that AWS gives it; the other options are those of AWS's runtimes:
# https://docs.aws.amazon.com/lambda/latest/dg/java-customization.html
major=$1 java=$2 classpath=$3 jni=$4
heap=$(((AWS_LAMBDA_FUNCTION_MEMORY_SIZE * 1024 * 85 + 50) / 100))

set -- "-XX:MaxHeapSize=${heap}k" -XX:+UseSerialGC -Xshare:auto
[ "$major" -lt 11 ] || set -- "$@" --add-opens=java.base/java.io=ALL-UNNAMED
# Compiling for throughput pays where there is time before the first event, or in versions whose default it was.
if [ "$major" -ge 17 ] && { [ "$major" -lt 25 ] || [ "${AWS_LAMBDA_INITIALIZATION_TYPE-}" = on-demand ]; }; then
    set -- "$@" -XX:+TieredCompilation -XX:TieredStopAtLevel=1
fi
[ "$major" -lt 24 ] || set -- "$@" --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow
[ "$jni" = - ] || set -- "$@" "-Dcom.amazonaws.services.lambda.runtime.api.client.runtimeapi.NativeClient.JNI=$jni"

# The logger's messages leave framed, each as one event, and in order with what is printed.
exec 3>&1
export _LAMBDA_TELEMETRY_LOG_FD=3

set -- "$java" "$@" -Dorg.crac.Core.Compat=com.amazonaws.services.lambda.crac \
    -classpath "$classpath" com.amazonaws.services.lambda.runtime.api.client.AWSLambda "$_HANDLER"
# shellcheck source=src/midge/runtimes/shell/exec.sh
. "$(dirname "$0")/../shell/exec.sh"
