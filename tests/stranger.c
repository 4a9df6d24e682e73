/*
 * stranger.c - a hostile peer that speaks the wire; strangers.sh runs it.
 *
 *     stranger ATTACK PORT GO [late]
 *
 * Attacks the gather that listens on PORT of the loopback interface, and
 * creates the file GO when the attack is under way or, if it is one that
 * gather answers by closing the connection, when that has happened; if told to
 * be late, always then.  Attacks from within take the token from GATHER_TOKEN
 * and are given an item first; its number is printed.  Where they deliver what
 * is right before they do what is wrong, that is the file data.TEXT, TEXT
 * being the item's.  Ends when gather has closed all connections: with status
 * 0, or with 1 and a message when gather did not do what it should.
 */
#include "../protocol.h"
#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define MANY 1000   /* silent connections */
#define PATIENCE 60 /* seconds until this program gives up */

static unsigned short port;        /* gather's, host byte order */
static const char *go;             /* the file to be created */
static unsigned char token[TOKEN]; /* of the run, if it is known */
static uint32_t item;              /* what we were given */
static char text[64];              /* its text */
static unsigned char *data;        /* what its command would say, */
static size_t length;              /* of so many bytes */

/* Ends the attack: it could not be made, or gather did not defend itself. */
static void fail(const char *what) {
    fprintf(stderr, "stranger: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* A new connection.  Returns -1 if there is nobody any more. */
static int dial(void) {
    struct sockaddr_in to;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) fail("socket");
    memset(&to, 0, sizeof(to));
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* The same; there has to be somebody. */
static int call(void) {
    int fd = dial();
    if (fd < 0) fail("connect");
    return fd;
}

/* Closes a connection the hard way: the other end gets a reset. */
static void reset(int fd) {
    struct linger hard = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
}

/* Sends bytes; that they cannot be sent any more is what we want to cause. */
static void push(int fd, const void *bytes, size_t n) {
    size_t sent = writen(fd, bytes, n);
    (void)sent;
}

/* Reads until gather has closed the connection, and closes it here. */
static void until_closed(int fd) {
    char waste[4096];
    while (readn(fd, waste, sizeof(waste), 0) == sizeof(waste)) continue;
    close(fd);
}

/* Lets the commands of the run go on. */
static void let_go(void) {
    int fd = open(go, O_WRONLY | O_CREAT, 0666);
    if (fd < 0) fail(go);
    close(fd);
}

/* What a client begins with, in m: it says it is child `which_child`. */
static size_t opening(uint32_t *m, uint32_t which_child) {
    memcpy(m, MAGIC, 4);
    memcpy(m + 1, token, TOKEN);
    header(m + 1 + TOKEN / 4, which_child, 0);
    return 4 + TOKEN + HEADER;
}

/* Enters as a client without a number, or as a child that there is already,
 * and is given an item.  Returns the connection. */
static int enter(uint32_t who) {
    uint32_t m[16];
    char name[80];
    int fd = call();
    push(fd, m, opening(m, who));
    if (readn(fd, m, HEADER, 0) < HEADER) fail("no item: the connection");
    item = ntohl(m[0]);
    uint32_t n = ntohl(m[1]);
    if (item >= NONE || n >= sizeof(text)) fail("no item");
    if (readn(fd, text, n, 0) < n) fail("no text");
    snprintf(name, sizeof(name), "data.%s", text);
    FILE *file = fopen(name, "r");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) fail(name);
    length = (size_t)ftell(file);
    rewind(file);
    if ((data = malloc(length + 1)) == NULL ||
        fread(data, 1, length, file) < length)
        fail(name);
    fclose(file);
    printf("%u\n", (unsigned)item);
    fflush(stdout);
    return fd;
}

/* Sends the header of a data message that is not what it should be, and some
 * bytes behind it. */
static void lie(int fd, uint32_t w, uint32_t n) {
    uint32_t m[2];
    header(m, w, n);
    push(fd, m, HEADER);
    push(fd, data, length < n ? length : n);
}

/* Makes an end message in m: as many bytes of payload as are wanted. */
static size_t end(
    uint32_t *m, uint32_t status, uint64_t bytes, uint32_t payload) {
    memset(m, 0, 64);
    header(m, item | END, payload);
    m[2] = htonl(status);
    m[3] = htonl((uint32_t)(bytes >> 32));
    m[4] = htonl((uint32_t)bytes);
    return HEADER + payload;
}

/* Delivers the item as it should be, and ends it as it should not. */
static void misreport(
    int fd, uint32_t status, uint64_t bytes, uint32_t payload) {
    uint32_t m[16];
    lie(fd, item, (uint32_t)length);
    push(fd, m, end(m, status, bytes, payload));
}

/* --- From outside */

static void none(void) { /* an opening without the token, then nothing */
    uint32_t m[3];
    int fd = call();
    memcpy(m, MAGIC, 4);
    header(m + 1, NONE, 0);
    push(fd, m, sizeof(m));
    shutdown(fd, SHUT_WR);
    until_closed(fd);
}

static void wrong(void) { /* another token */
    uint32_t m[16];
    int fd = call();
    size_t n = opening(m, NONE);
    memset(m + 1, 0x5a, TOKEN);
    push(fd, m, n);
    until_closed(fd);
}

static void near(void) { /* the token but for its last bit */
    uint32_t m[16];
    int fd = call();
    size_t n = opening(m, NONE);
    m[TOKEN / 4] ^= htonl(1);
    push(fd, m, n);
    until_closed(fd);
}

static void magic(void) { /* another protocol, or version */
    uint32_t m[16];
    int fd = call();
    size_t n = opening(m, NONE);
    m[0] ^= htonl(3); /* GAT2 */
    push(fd, m, n);
    until_closed(fd);
}

static void number(void) { /* a child that there is not */
    uint32_t m[16];
    int fd = call();
    push(fd, m, opening(m, 123456));
    until_closed(fd);
}

static void sized(void) { /* an opening that says there is more of it */
    uint32_t m[16];
    int fd = call();
    size_t n = opening(m, NONE);
    m[n / 4 - 1] = htonl(5);
    memcpy(m + n / 4, "empty", 5);
    push(fd, m, n + 5);
    until_closed(fd);
}

static void garbage(void) { /* a million bytes of anything */
    unsigned char m[4096];
    uint32_t x = 1;
    int fd = call();
    for (size_t i = 0; i < sizeof(m); i++)
        m[i] = (unsigned char)((x = x * 1103515245 + 12345) >> 16);
    for (int i = 0; i < 256; i++) push(fd, m, sizeof(m));
    until_closed(fd);
}

static void half(int late) { /* half an opening, for ever */
    uint32_t m[16];
    int fd = call();
    push(fd, m, opening(m, NONE) / 2);
    if (!late) let_go();
    until_closed(fd);
}

static void drip(int late) { /* an opening that is right, but no faster */
    uint32_t m[16];
    int fd = call();
    size_t n = opening(m, NONE);
    if (!late) let_go();
    for (size_t i = 0; i < n && !ready(fd, POLLIN, now() + 1); i++)
        push(fd, (char *)m + i, 1);
    if (!ready(fd, POLLIN, now())) fail("a slow opening is taken");
    until_closed(fd);
}

static void silent(int late) { /* a thousand connections that say nothing */
    static int fd[MANY];
    for (int i = 0; i < MANY; i++) fd[i] = call();
    if (!late) let_go();
    for (int i = 0; i < MANY; i++) until_closed(fd[i]);
}

static void flood(int late) { /* as many as can be, one after the other */
    (void)late;
    for (unsigned i = 0;; i++) {
        int fd = dial();
        if (fd >= 0 && i % 2 != 0) push(fd, "GAT1GAT1", 8);
        if (fd >= 0 && i % 8 != 0) reset(fd); /* else ports run out */
        if (fd >= 0 && i % 8 == 0) close(fd);
        if (i == MANY) let_go();
        if (fd < 0 && errno == ECONNREFUSED) return;
    }
}

/* --- From within */

/* Wants an item and no other; it is that, if allowed, or goodbye.  Leaves. */
static void want(uint32_t w, int allowed) {
    uint32_t m[16];
    int fd = call();
    push(fd, m, opening(m, END | w));
    if (readn(fd, m, HEADER, 0) < HEADER) fail("no answer");
    item = ntohl(m[0]);
    if ((item != w || !allowed) && (item != NONE || m[1] != 0))
        fail("another item than the one that was wanted");
    if (item == NONE) until_closed(fd);
    else close(fd);
}

static void wanted(void) { /* the item of a child, who may not be there yet */
    want(3, 1);
}

static void absent(void) { /* an item that there is not */
    want(1000000, 0);
}

static void range(void) { /* an item that there is not */
    int fd = enter(NONE);
    lie(fd, item + 1000000, 1000);
    until_closed(fd);
}

static void foreign(void) { /* data for an item of somebody else */
    int fd = enter(NONE);
    lie(fd, item == 3 ? 4 : 3, 1000);
    until_closed(fd);
}

static void foreign_end(void) { /* the end of an item of somebody else */
    uint32_t m[16];
    int fd = enter(NONE);
    size_t n = end(m, 0, 0, 12);
    m[0] = htonl((item == 3 ? 4 : 3) | END);
    push(fd, m, n);
    until_closed(fd);
}

static void nobody(void) { /* data for the number that means none */
    int fd = enter(NONE);
    lie(fd, NONE, 1000);
    until_closed(fd);
}

static void over(void) { /* one byte more than a message may have */
    int fd = enter(NONE);
    lie(fd, item, DATA_MAX + 1);
    until_closed(fd);
}

static void huge(void) { /* as much as a header can say */
    int fd = enter(NONE);
    lie(fd, item, 0xffffffffu);
    until_closed(fd);
}

static void empty(void) { /* a data message without data */
    int fd = enter(NONE);
    lie(fd, item, 0);
    until_closed(fd);
}

static void part(void) { /* half of the data, and an end that counts all */
    uint32_t m[16];
    int fd = enter(NONE);
    lie(fd, item, (uint32_t)(length / 2));
    push(fd, m, end(m, 0, length, 12));
    until_closed(fd);
}

static void fewer(void) { /* an end that counts fewer bytes than came */
    int fd = enter(NONE);
    misreport(fd, 0, length - 1, 12);
    until_closed(fd);
}

static void more(void) { /* ... more ... */
    int fd = enter(NONE);
    misreport(fd, 0, length + 1, 12);
    until_closed(fd);
}

static void high(void) { /* ... 4 GiB more ... */
    int fd = enter(NONE);
    misreport(fd, 0, length + ((uint64_t)1 << 32), 12);
    until_closed(fd);
}

static void shorter(void) { /* an end that is not long enough */
    int fd = enter(NONE);
    misreport(fd, 0, length, 11);
    until_closed(fd);
}

static void longer(void) { /* ... too long */
    int fd = enter(NONE);
    misreport(fd, 0, length, 13);
    until_closed(fd);
}

static void status(void) { /* a status that is none */
    int fd = enter(NONE);
    misreport(fd, STATUS_MAX + 1, length, 12);
    until_closed(fd);
}

static void bare(void) { /* all the data, but no end */
    int fd = enter(NONE);
    lie(fd, item, (uint32_t)length);
    close(fd);
}

static void cut(void) { /* gone in the middle of the data */
    uint32_t m[2];
    int fd = enter(NONE);
    header(m, item, length);
    push(fd, m, HEADER);
    push(fd, data, length / 2);
    close(fd);
}

static void rst(void) { /* a reset in the middle of the data */
    uint32_t m[2];
    int fd = enter(NONE);
    header(m, item, length);
    push(fd, m, HEADER);
    push(fd, data, length / 2);
    reset(fd);
}

static void rst_end(void) { /* a reset in the middle of the end */
    uint32_t m[16];
    int fd = enter(NONE);
    size_t n = end(m, 0, length, 12);
    lie(fd, item, (uint32_t)length);
    push(fd, m, n - 2);
    reset(fd);
}

static void impostor(void) { /* a child that there is already */
    int fd = enter(3);
    close(fd);
}

static void again(void) { /* an item that has been delivered, once more */
    uint32_t m[16];
    int fd = enter(NONE);
    misreport(fd, 0, length, 12);
    ready(fd, POLLIN, now() + 0.2); /* time to be believed */
    memset(data, 'x', length);
    lie(fd, item, (uint32_t)length);
    push(fd, m, end(m, 0, length, 12));
    let_go();
    until_closed(fd);
}

static void after_end(void) { /* more data, at once behind the end */
    uint32_t m[16];
    int fd = enter(NONE);
    lie(fd, item, (uint32_t)length);
    size_t n = end(m, 0, length, 12);
    header(m + n / 4, item, 5);
    memcpy(m + n / 4 + 2, "again", 5);
    push(fd, m, n + HEADER + 5);
    let_go();
    until_closed(fd);
}

static void unasked(void) { /* data before there is an item */
    uint32_t m[16];
    int fd = call();
    size_t n = opening(m, NONE);
    header(m + n / 4, 19, 5);
    memcpy(m + n / 4 + 2, "early", 5);
    push(fd, m, n + HEADER + 5);
    until_closed(fd);
}

/* What is attempted; `open` ones may have to be late. */
static const struct {
    const char *name;
    void (*attack)(void);
    void (*open)(int late);
} attacks[] = {{"none", none, NULL}, {"wrong", wrong, NULL},
    {"near", near, NULL}, {"magic", magic, NULL}, {"number", number, NULL},
    {"sized", sized, NULL}, {"garbage", garbage, NULL}, {"half", NULL, half},
    {"drip", NULL, drip}, {"silent", NULL, silent}, {"flood", NULL, flood},
    {"wanted", wanted, NULL}, {"absent", absent, NULL}, {"range", range, NULL},
    {"foreign", foreign, NULL}, {"foreign-end", foreign_end, NULL},
    {"nobody", nobody, NULL}, {"over", over, NULL}, {"huge", huge, NULL},
    {"empty", empty, NULL}, {"part", part, NULL}, {"fewer", fewer, NULL},
    {"more", more, NULL}, {"high", high, NULL}, {"shorter", shorter, NULL},
    {"longer", longer, NULL}, {"status", status, NULL}, {"bare", bare, NULL},
    {"cut", cut, NULL}, {"rst", rst, NULL}, {"rst-end", rst_end, NULL},
    {"impostor", impostor, NULL}, {"again", again, NULL},
    {"after-end", after_end, NULL}, {"unasked", unasked, NULL}};

int main(int argc, char **argv) {
    const char *secret = getenv("GATHER_TOKEN");
    struct rlimit files;
    if (argc < 4) return 2;
    port = (unsigned short)strtoul(argv[2], NULL, 10);
    go = argv[3];
    for (size_t i = 0; secret != NULL && i < TOKEN; i++) {
        unsigned byte = 0;
        if (sscanf(secret + 2 * i, "%2x", &byte) != 1) return 2;
        token[i] = (unsigned char)byte;
    }
    signal(SIGPIPE, SIG_IGN);
    alarm(PATIENCE);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        if (strcmp(attacks[i].name, argv[1]) != 0) continue;
        if (attacks[i].attack != NULL) attacks[i].attack();
        else attacks[i].open(argc > 4);
        let_go();
        return 0;
    }
    return 2;
}
