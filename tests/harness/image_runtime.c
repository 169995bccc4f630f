/* A runtime for container images that have nothing else in them: linked statically, it speaks the Runtime API and answers
 * an event, a JSON text of a verb and an argument such as "read /etc/hosts", with a JSON text. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char reply[65536];
static char answer[65536];
static int count;
static char **arguments;

static int exchange(const char *request, char *into, size_t size) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9001)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, (struct sockaddr *)&address, sizeof address) != 0) return -1;
    if (write(connection, request, strlen(request)) < 0) return -1;
    size_t length = 0;
    for (;;) {
        ssize_t got = read(connection, into + length, size - 1 - length);
        if (got <= 0) break;
        length += (size_t)got;
        into[length] = 0;
        char *body = strstr(into, "\r\n\r\n");
        char *sized = strcasestr(into, "\r\nContent-Length:");
        if (body && sized && length >= (size_t)(body + 4 - into) + strtoul(sized + 17, NULL, 10)) break;
    }
    close(connection);
    return length > 0 ? 0 : -1;
}

static void add(const char *text) { strncat(answer, text, sizeof answer - strlen(answer) - 1); }

static void perform(char *verb, char *argument) {
    answer[0] = 0;
    if (!strcmp(verb, "argv")) {
        for (int number = 0; number < count; number++) { add(number ? " " : ""); add(arguments[number]); }
    } else if (!strcmp(verb, "cwd")) {
        if (!getcwd(answer, sizeof answer)) add(strerror(errno));
    } else if (!strcmp(verb, "id")) {
        snprintf(answer, sizeof answer, "%d:%d", (int)getuid(), (int)getgid());
    } else if (!strcmp(verb, "env")) {
        char *value = getenv(argument);
        add(value ? value : "(unset)");
    } else if (!strcmp(verb, "list")) {
        DIR *directory = opendir(argument);
        struct dirent *entry;
        if (!directory) { add(strerror(errno)); return; }
        while ((entry = readdir(directory)))
            if (entry->d_name[0] != '.') { add(entry->d_name); add(" "); }
        closedir(directory);
    } else if (!strcmp(verb, "read")) {
        int file = open(argument, O_RDONLY);
        ssize_t got = file < 0 ? -1 : read(file, answer, sizeof answer - 1);
        if (got < 0) add(strerror(errno)); else answer[got] = 0;
        if (file >= 0) close(file);
    } else if (!strcmp(verb, "write")) {
        int file = open(argument, O_WRONLY | O_CREAT, 0644);
        if (file < 0 || write(file, "x", 1) != 1) add(strerror(errno)); else add("written");
        if (file >= 0) close(file);
    } else if (!strcmp(verb, "device")) {
        add(mknod(argument, S_IFCHR | 0600, 0) ? strerror(errno) : "made");
    } else if (!strcmp(verb, "exit")) {
        exit(atoi(argument));
    } else {
        add("unknown verb");
    }
}

int main(int argc, char **argv) {
    static char request[140000], head[512];
    count = argc;
    arguments = argv;
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("the image's runtime has begun\n");
    for (;;) {
        if (exchange("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n", reply, sizeof reply)) return 1;
        char id[128] = "", *found = strcasestr(reply, "\r\nLambda-Runtime-Aws-Request-Id:");
        char *body = strstr(reply, "\r\n\r\n");
        if (!found || !body) return 2;
        sscanf(found + 33, " %127[^\r]", id);
        char *event = body + 4, *space;
        size_t length = strlen(event);
        if (length >= 2 && event[0] == '"') { event[length - 1] = 0; event++; }
        space = strchr(event, ' ');
        if (space) *space = 0;
        perform(event, space ? space + 1 : "");
        char *target = request + sizeof head, *start = target;
        *target++ = '"';
        for (char *c = answer; *c; c++) {
            if (*c == '\n') { *target++ = '\\'; *target++ = 'n'; }
            else if (*c == '\t') { *target++ = '\\'; *target++ = 't'; }
            else if ((unsigned char)*c < 32) { *target++ = '?'; }
            else { if (*c == '"' || *c == '\\') *target++ = '\\'; *target++ = *c; }
        }
        *target++ = '"';
        *target = 0;
        int written = snprintf(head, sizeof head,
            "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
            id, strlen(start));
        memcpy(start - written, head, (size_t)written);
        if (exchange(start - written, reply, sizeof reply)) return 3;
    }
}
