/* The thinnest Lambda Runtime API server there can be: one thread, epoll, an event always ready, nothing checked.
 * What a runtime client reaches against it is the ceiling that midge's figures are divided by.
 *
 * usage: rapi TOTAL WARMUP BODY_BYTES
 * prints "LISTEN <port>", and when TOTAL responses have come one JSON line:
 *   per_second    responses after the first WARMUP, by wall clock
 *   round_trip_us from an event sent to its response seen: p50, p99
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER (1 << 20)

struct connection {
    int fd;
    size_t used;
    long sent_at;
    char buffer[BUFFER];
};

static char *event_reply;
static size_t event_reply_size;
static const char accepted[] =
    "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";
static long total, warmup, seen, started_at;
static long *round_trips;

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

static void put(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t written = send(fd, data, size, MSG_NOSIGNAL);
        if (written < 0) {
            if (errno == EAGAIN || errno == EINTR) continue;
            return;
        }
        data += written;
        size -= written;
    }
}

static void make_event(size_t body_bytes) {
    event_reply = malloc(body_bytes + 1024);
    event_reply_size = sprintf(
        event_reply,
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
        "Lambda-Runtime-Deadline-Ms: 4102444800000\r\n"
        "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:f\r\n"
        "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0\r\n"
        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body_bytes);
    /* {"a":"xxx...x"}, as the load generator sends it through midge */
    char *body = event_reply + event_reply_size;
    memset(body, 'x', body_bytes);
    memcpy(body, "{\"a\":\"", 6);
    memcpy(body + body_bytes - 2, "\"}", 2);
    event_reply_size += body_bytes;
}

static void finish(void) {
    long count = seen - warmup;
    double seconds = (now() - started_at) / 1e9;
    qsort(round_trips, count, sizeof(long), compare);
    printf("{\"per_second\": %.1f, \"round_trip_us\": {\"p50\": %.1f, \"p99\": %.1f}}\n", count / seconds,
           round_trips[count / 2] / 1e3, round_trips[count * 99 / 100] / 1e3);
    exit(0);
}

static void on_get(struct connection *c) {
    c->sent_at = now();
    put(c->fd, event_reply, event_reply_size);
}

static void on_post(struct connection *c) {
    long t = now();
    if (seen == warmup) started_at = t;
    if (seen >= warmup) round_trips[seen - warmup] = t - c->sent_at;
    seen++;
    put(c->fd, accepted, sizeof accepted - 1);
    if (seen >= total) finish();
}

/* One whole request at the start of the buffer is answered and taken out; false if there is none. */
static int answer_one(struct connection *c) {
    char *end = strstr(c->buffer, "\r\n\r\n");
    if (!end) return 0;
    size_t head = end + 4 - c->buffer, body = 0;
    int post = c->buffer[0] == 'P';
    if (post) {
        char *length = strcasestr(c->buffer, "content-length:");
        if (length && length < end) body = strtoul(length + 15, NULL, 10);
    }
    if (c->used < head + body) return 0;
    if (post) on_post(c); else on_get(c);
    c->used -= head + body;
    memmove(c->buffer, c->buffer + head + body, c->used);
    c->buffer[c->used] = 0;
    return 1;
}

static void watch(int epoll, int fd, void *data) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void accept_one(int epoll, int listener) {
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct connection *c = calloc(1, sizeof *c);
    c->fd = fd;
    watch(epoll, fd, c);
}

static void read_some(struct connection *c) {
    ssize_t got = recv(c->fd, c->buffer + c->used, BUFFER - 1 - c->used, 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN) return;
        close(c->fd);
        free(c);
        return;
    }
    c->used += got;
    c->buffer[c->used] = 0;
    while (answer_one(c)) {}
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    total = atol(argv[1]);
    warmup = atol(argv[2]);
    round_trips = malloc(sizeof(long) * (total + 1));
    make_event(atol(argv[3]));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (void *)&address, size) || listen(listener, 512)) return 1;
    getsockname(listener, (void *)&address, &size);
    printf("LISTEN %d\n", ntohs(address.sin_port));
    fflush(stdout);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, listener, NULL);
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) read_some(events[i].data.ptr);
            else accept_one(epoll, listener);
        }
    }
}
