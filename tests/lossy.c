/*
 * lossy.c - a line with delay and loss, between two network interfaces.
 *
 *     lossy INTERFACE INTERFACE MILLISECONDS PERCENT
 *
 * Every frame that comes in at one leaves at the other, so much later, in
 * order, unless it is among those that are lost, the same in every run.  For
 * Linux, and kernels without netem; it ends when it is killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define QUEUE 4096    /* frames under way, in a direction, at most */
#define LARGEST 70000 /* bytes of a frame, with what the kernel tells of it   \
                       */

struct frame {
    double due; /* when it leaves, seconds */
    size_t n;
    char *bytes; /* malloc()ed */
};

struct line { /* one direction */
    int from, to;
    struct frame queue[QUEUE];
    unsigned first, last; /* to leave; the next one's place */
};

static struct line lines[2];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A socket that gets all frames of an interface, with what they lack: their
 * checksums, and that they are to be cut.  Ends the program if there is none.
 */
static int tap(const char *name) {
    int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1;
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = (int)if_nametoindex(name)};
    struct packet_mreq all = {
        .mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    if (fd < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) <
            0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) <
            0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        perror(name);
        exit(1);
    }
    return fd;
}

/* Takes a frame in, or loses it. */
static void take(struct line *l, double delay, int percent) {
    static char bytes[LARGEST];
    ssize_t n = recv(l->from, bytes, sizeof(bytes), 0);
    if (n <= 0 || l->last - l->first == QUEUE || rand() % 100 < percent)
        return;
    struct frame *f = &l->queue[l->last % QUEUE];
    if ((f->bytes = malloc((size_t)n)) == NULL) return;
    memcpy(f->bytes, bytes, f->n = (size_t)n);
    f->due = now() + delay;
    l->last++;
}

/* Sends what is due.  Returns when the next one is, if before `by`. */
static double give(struct line *l, double by) {
    while (l->first != l->last) {
        struct frame *f = &l->queue[l->first % QUEUE];
        if (f->due > now()) return f->due < by ? f->due : by;
        if (send(l->to, f->bytes, f->n, 0) < 0) perror("a frame is lost");
        free(f->bytes);
        l->first++;
    }
    return by;
}

int main(int argc, char **argv) {
    if (argc != 5) return 1;
    double delay = atof(argv[3]) / 1000;
    int percent = atoi(argv[4]);
    lines[1].to = lines[0].from = tap(argv[1]);
    lines[0].to = lines[1].from = tap(argv[2]);
    for (;;) {
        double by = now() + 1;
        for (int i = 0; i < 2; i++) by = give(&lines[i], by);
        int ms = (int)((by - now()) * 1000);
        struct pollfd f[2] = {{.fd = lines[0].from, .events = POLLIN},
            {.fd = lines[1].from, .events = POLLIN}};
        if (poll(f, 2, ms > 0 ? ms : 0) <= 0) continue;
        for (int i = 0; i < 2; i++)
            if (f[i].revents != 0) take(&lines[i], delay, percent);
    }
}
