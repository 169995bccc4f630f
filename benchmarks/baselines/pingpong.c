/* One byte back and forth between two processes, each on a CPU of its own: the floor under any request, and the word on
 * whether latency means anything on this machine today.
 *
 * usage: pingpong CPU_A CPU_B      prints {"p50_us": ..., "p99_us": ...}
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 10000

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    static long times[ROUNDS];
    int ends[2];
    char byte = 0;
    if (argc != 3 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return 2;
    if (!fork()) {
        pin(atoi(argv[2]));
        close(ends[0]);
        while (read(ends[1], &byte, 1) == 1 && write(ends[1], &byte, 1) == 1) {}
        _exit(0);
    }
    pin(atoi(argv[1]));
    close(ends[1]);
    for (int i = 0; i < ROUNDS; i++) {
        long before = now();
        if (write(ends[0], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1) return 1;
        times[i] = now() - before;
    }
    qsort(times, ROUNDS, sizeof(long), compare);
    printf("{\"p50_us\": %.1f, \"p99_us\": %.1f}\n", times[ROUNDS / 2] / 1e3, times[ROUNDS * 99 / 100] / 1e3);
    return 0;
}
