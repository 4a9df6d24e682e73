/*
 * port.c - other systems, as far as calls mean something else there: a library
 * to preload, for portability.sh.  PORT says what is to differ:
 *
 *     accept     what accept() returns does not block, like its listener, as
 *                on BSDs
 *     connect    nobody may connect to 0.0.0.0, as on FreeBSD 15
 *     limits     setrlimit() grants 64 descriptors and says nothing, as for
 *                what is above the limit of FreeBSD itself
 *     naps       nanosleep() lasts 20 ms or longer, as with a clock of 50 Hz
 *     poll       descriptors 0 to 2 do not block, and poll() does not know
 *                them: POLLNVAL, at once, as macOS says of devices
 *     reuse      SO_REUSEADDR lets a user listen beside a listener of his on
 *                another address of the same port, as on BSDs
 *     strerror   there is one place for all texts, as ISO C allows; the first
 *                to ask takes his time, until somebody else has asked
 *     unlimited  getrlimit() knows no limit of descriptors, though there is
 *                one, as on macOS
 *
 * For each call of nanosleep(), of strerror(), and of poll() with a descriptor
 * that it does not know, a byte is added to the file PORT_LOG.  What gather
 * executes goes without all this.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GRANTED 64   /* descriptors */
#define NAP 20000000 /* nanoseconds */

static const char *port = "";
static int log_fd = -1;

static int differs(const char *what) {
    return strcmp(port, what) == 0;
}

static void count(void) {
    if (log_fd >= 0 && write(log_fd, ".", 1) < 0)
        abort();
}

/* Sets a pointer to a function; POSIX has it so. */
static void find(void *function, const char *name) {
    *(void **)function = dlsym(RTLD_NEXT, name);
    if (*(void **)function == NULL)
        abort();
}

__attribute__((constructor)) static void begin(void) {
    const char *what = getenv("PORT");
    const char *path = getenv("PORT_LOG");
    if (what != NULL)
        port = what;
    if (path != NULL)
        log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    unsetenv("LD_PRELOAD");
    for (int fd = 0; fd < 3 && differs("poll"); fd++)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int accept(int s, struct sockaddr *from, socklen_t *length) {
    int (*real)(int, struct sockaddr *, socklen_t *);
    find(&real, "accept");
    int fd = real(s, from, length);
    if (fd >= 0 && differs("accept"))
        fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

int connect(int s, const struct sockaddr *to, socklen_t length) {
    int (*real)(int, const struct sockaddr *, socklen_t);
    const struct sockaddr_in *in = (const void *)to;
    if (differs("connect") && in->sin_addr.s_addr == 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    find(&real, "connect");
    return real(s, to, length);
}

int setsockopt(
    int s, int level, int name, const void *value, socklen_t length) {
    int (*real)(int, int, int, const void *, socklen_t);
    find(&real, "setsockopt");
    if (differs("reuse") && level == SOL_SOCKET && name == SO_REUSEADDR)
        real(s, level, SO_REUSEPORT, value, length);
    return real(s, level, name, value, length);
}

int poll(struct pollfd *fds, nfds_t n, int timeout) {
    int (*real)(struct pollfd *, nfds_t, int);
    find(&real, "poll");
    if (!differs("poll") || n != 1 || fds->fd < 0 || fds->fd > 2)
        return real(fds, n, timeout);
    count();
    fds->revents = POLLNVAL;
    return 1;
}

int nanosleep(const struct timespec *nap, struct timespec *rest) {
    int (*real)(const struct timespec *, struct timespec *);
    find(&real, "nanosleep");
    count();
    if (differs("naps") && nap->tv_sec == 0 && nap->tv_nsec < NAP)
        return real(&(struct timespec){.tv_nsec = NAP}, rest);
    return real(nap, rest);
}

/* Called through names with and without 64, which are alike where long has 64
 * bits. */
static int set_limit(int resource, const struct rlimit *limit) {
    int (*real)(int, const struct rlimit *);
    struct rlimit granted = *limit;
    find(&real, "setrlimit");
    if (resource == RLIMIT_NOFILE && differs("unlimited"))
        return 0;
    if (resource == RLIMIT_NOFILE && differs("limits") &&
        granted.rlim_cur > GRANTED)
        granted.rlim_cur = GRANTED;
    return real(resource, &granted);
}

static int get_limit(int resource, struct rlimit *limit) {
    int (*real)(int, struct rlimit *);
    find(&real, "getrlimit");
    int result = real(resource, limit);
    if (resource == RLIMIT_NOFILE && differs("unlimited")) {
        limit->rlim_cur = RLIM_INFINITY;
        limit->rlim_max = RLIM_INFINITY;
    }
    return result;
}

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit) {
    return set_limit((int)resource, limit);
}

int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit) {
    return set_limit((int)resource, (const void *)limit);
}

int getrlimit(__rlimit_resource_t resource, struct rlimit *limit) {
    return get_limit((int)resource, limit);
}

int getrlimit64(__rlimit_resource_t resource, struct rlimit64 *limit) {
    return get_limit((int)resource, (void *)limit);
}

char *strerror(int error) {
    static char text[100];
    static volatile int calls;
    char *(*real)(int);
    find(&real, "strerror");
    if (!differs("strerror"))
        return real(error);
    snprintf(text, sizeof(text), "%s", real(error));
    count();
    calls++;
    for (int i = 0; i < 500 && calls == 1; i++)
        poll(NULL, 0, 10);
    return text;
}
