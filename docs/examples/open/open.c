/* A 512-bit address of its own, from C. `open serve PORT` says its address and echoes one connection to its end;
 * `open ask ADDRESS PORT` sends a line there and prints what comes back. PORT is the server's UDP port on this machine.
 * Build: cc -std=c11 open.c $(pkg-config --cflags --libs weft) -o open */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>

static weft_stack *open_stack(const char *port, const char *peer) {
    char config[600];
    int used = snprintf(config, sizeof config, "[network]\nname = \"example\"\nwork = 0\n[listen]\nudp = [\"127.0.0.1:%s\"]\n", port);
    if (peer) /* who it knows, and where */
        snprintf(config + used, sizeof config - (size_t)used,
                 "[[peer]]\naddress = \"%.*s\"\nendpoints = [\"127.0.0.1:%s\"]\n", (int)strcspn(peer, ":"), peer, strchr(peer, ' ') + 1);
    weft_stack *stack = NULL;
    if (weft_open(config, &stack) == 0) return stack;
    fprintf(stderr, "open: %s\n", weft_why());
    exit(1);
}

static int serve(const char *port) {
    weft_stack *stack = open_stack(port, NULL);
    weft_sockaddr own;
    weft_self(stack, WEFT_OVERLAY, &own);
    own.port = 7;
    char text[200];
    weft_format(&own, text, sizeof text);
    printf("%s\n", text);
    fflush(stdout);
    weft_fd listener = weft_listen(stack, &own, 1, NULL), flow = weft_accept(stack, listener, NULL);
    char bytes[4096];
    ssize_t count = 0;
    while ((count = weft_read(stack, flow, bytes, sizeof bytes, 0)) > 0) weft_write(stack, flow, bytes, (size_t)count, 0);
    int end = weft_finish(stack, flow);
    weft_free(stack);
    return count == 0 && end == 0 ? 0 : 1;
}

static int ask(const char *address, const char *port) {
    char peer[300];
    snprintf(peer, sizeof peer, "%s %s", address, port);
    weft_stack *stack = open_stack("0", peer);
    weft_sockaddr to;
    if (weft_parse(address, &to) != 0) return 2;
    weft_fd flow = weft_connect(stack, NULL, &to, NULL);
    char back[16] = "";
    if (flow < 0 || weft_write(stack, flow, "hello\n", 6, 0) != 6 || weft_shutdown(stack, flow, WEFT_WRITE) != 0) {
        fprintf(stderr, "open: %s\n", strerror((int)-flow));
        return 1;
    }
    for (ssize_t got = 0, count; (count = weft_read(stack, flow, back + got, sizeof back - 1 - (size_t)got, 0)) > 0;) got += count;
    fputs(back, stdout);
    int end = weft_finish(stack, flow);
    weft_free(stack);
    return end == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "serve") == 0) return serve(argv[2]);
    if (argc == 4 && strcmp(argv[1], "ask") == 0) return ask(argv[2], argv[3]);
    fprintf(stderr, "usage: open serve PORT | open ask ADDRESS PORT\n");
    return 2;
}
