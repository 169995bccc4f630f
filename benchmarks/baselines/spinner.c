/* Keeps every CPU from halting, with one SCHED_IDLE busy loop on each, until its standard input is closed: where
 * /dev/cpu_dma_latency cannot be held, this takes the waking of a halted virtual CPU out of a latency.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(void) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    for (long i = 0; i < cpus; i++) {
        if (fork()) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(i, &set);
        sched_setaffinity(0, sizeof set, &set);
        struct sched_param parameters = {0};
        sched_setscheduler(0, SCHED_IDLE, &parameters);
        for (volatile long k = 0;; k++) {}
    }
    char byte;
    while (read(0, &byte, 1) > 0) {}
    return 0;
}
