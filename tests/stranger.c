/*
 * stranger.c - a hostile peer that speaks the wire; strangers.sh and soak.sh
 * run it.
 *
 *     stranger ATTACK PORT GO [late]
 *     stranger renewed PORT GO NUMBER
 *     stranger squat FILE HOW [ADDRESS PORT]
 *
 * Attacks the gather that listens on PORT of the loopback interface, and
 * creates the file GO when the attack is under way or, if it is one that
 * gather answers by closing the connection, when that has happened; if told to
 * be late, always then.  Attacks from within take the token from GATHER_TOKEN
 * and are given an item first; its number is printed.  Where they deliver what
 * is right before they do what is wrong, that is the file data.TEXT, TEXT
 * being the item's.  Ends when gather has closed all connections: with status
 * 0, or with 1 and a message when gather did not do what it should.
 *
 * `squat` is a server in the place of gather's, at any port of the loopback
 * interface or the one that is given: it puts its port into FILE, and
 * everything that the first client sends, until that hangs up, into FILE.got.
 * HOW is what it has instead of a proof: see squat().
 *
 * What this program knows of the wire is written here once more, SipHash-2-4
 * included, so that it finds a mistake of gather's that both of its sides
 * make.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MANY 1200   /* connections, more than a server keeps */
#define KEPT (19 + 1024) /* of those that have proved nothing */
#define PATIENCE 60 /* seconds until this program gives up */

#define MAGIC "GAT2"       /* clients from elsewhere, and the server */
#define MAGIC_CHILD "gat2" /* children of the server */
#define NONCE 16           /* bytes */
#define PROOF 8
#define HEADER 8
#define HELLO (4 + NONCE)          /* bytes of what a client begins with, */
#define ANSWER (4 + NONCE + PROOF) /* of what a server answers, */
#define OPENING (HEADER + PROOF)   /* and of what the client says then */
#define END_SIZE 16                /* bytes of an end, without its text */
#define END_MAX (END_SIZE + 255)
#define NOBODY 0x7fffffffu /* any item; goodbye */
#define END 0x80000000u
#define DATA_MAX (1u << 30)
#define KINDS 5 /* ways to end: 0 to 4 */
#define CORK 3  /* TCP_CORK, which Linux has */

static unsigned short port;     /* gather's, host byte order */
static const char *go;          /* the file to be created */
static unsigned char token[16]; /* of the run, if it is known */
static uint32_t item;           /* what we were given */
static char text[64];           /* its text */
static unsigned char *data;     /* what its command would say, */
static size_t length;           /* of so many bytes */

/* One conversation, as far as it has come. */
struct talk {
    int fd;
    unsigned char hello[HELLO];
    unsigned char answer[ANSWER];
    unsigned char opening[OPENING];
};

/* Ends the attack: it could not be made, or gather did not defend itself. */
static void fail(const char *what) {
    fprintf(stderr, "stranger: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Waits for input, or the deadline, of now().  Is there some? */
static int ready(int fd, double deadline) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    double left = deadline - now();
    return poll(&p, 1, left > 0 ? (int)(left * 1000) + 1 : 0) > 0;
}

/* Reads n bytes, if there are so many.  Returns how many there were. */
static size_t pull(int fd, void *bytes, size_t n) {
    size_t got = 0;
    while (got < n) {
        ssize_t r = read(fd, (char *)bytes + got, n - got);
        if (r <= 0) break;
        got += (size_t)r;
    }
    return got;
}

/* Sends bytes; that they cannot be sent any more is what we want to cause. */
static void push(int fd, const void *bytes, size_t n) {
    for (size_t sent = 0; sent < n;) {
        ssize_t r = write(fd, (const char *)bytes + sent, n - sent);
        if (r <= 0) return;
        sent += (size_t)r;
    }
}

static void put(unsigned char *to, uint32_t n) {
    n = htonl(n);
    memcpy(to, &n, 4);
}

static uint32_t get(const unsigned char *from) {
    uint32_t n;
    memcpy(&n, from, 4);
    return ntohl(n);
}

static void put_header(unsigned char *to, uint32_t w, uint32_t n) {
    put(to, w);
    put(to + 4, n);
}

/* SipHash-2-4, as its authors describe it: words are little endian. */
static uint64_t word(const unsigned char *from, size_t n) {
    uint64_t x = 0;
    while (n-- > 0) x = x << 8 | from[n];
    return x;
}

#define ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))
static void rounds(uint64_t *v, int n) {
    while (n-- > 0) {
        v[0] += v[1], v[1] = ROTATE(v[1], 13) ^ v[0], v[0] = ROTATE(v[0], 32);
        v[2] += v[3], v[3] = ROTATE(v[3], 16) ^ v[2];
        v[0] += v[3], v[3] = ROTATE(v[3], 21) ^ v[0];
        v[2] += v[1], v[1] = ROTATE(v[1], 17) ^ v[2], v[2] = ROTATE(v[2], 32);
    }
}

static void sip(unsigned char *to, const unsigned char *key,
    const unsigned char *from, size_t n) {
    uint64_t k[2] = {word(key, 8), word(key + 8, 8)};
    uint64_t v[4] = {0x736f6d6570736575u ^ k[0], 0x646f72616e646f6du ^ k[1],
        0x6c7967656e657261u ^ k[0], 0x7465646279746573u ^ k[1]};
    size_t whole = n - n % 8;
    for (size_t i = 0; i <= whole; i += 8) {
        uint64_t m = i < whole ? word(from + i, 8)
                               : word(from + i, n % 8) | (uint64_t)n << 56;
        v[3] ^= m;
        rounds(v, 2);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    rounds(v, 4);
    uint64_t hash = v[0] ^ v[1] ^ v[2] ^ v[3];
    for (int i = 0; i < 8; i++) to[i] = (unsigned char)(hash >> 8 * i);
}

/* Is it that?  The example of the paper: key 00 01 ... 0f, data 00 01 ... 0e.
 */
static void check_sip(void) {
    unsigned char bytes[16], hash[8];
    for (int i = 0; i < 16; i++) bytes[i] = (unsigned char)i;
    sip(hash, bytes, bytes, 15);
    if (word(hash, 8) != 0xa129ca6149be45e5u) fail("SipHash-2-4");
}

/* Makes the proof of a role, for what has been said; `header` is a client's.
 */
static void make_proof(unsigned char *to, const char *role,
    const unsigned char *key, const struct talk *talk,
    const unsigned char *header) {
    unsigned char all[6 + 2 * NONCE + HEADER];
    memcpy(all, role, 6);
    memcpy(all + 6, talk->hello + 4, NONCE);
    memcpy(all + 6 + NONCE, talk->answer + 4, NONCE);
    if (header != NULL) memcpy(all + 6 + 2 * NONCE, header, HEADER);
    sip(to, key, all, sizeof(all) - (header != NULL ? 0 : HEADER));
}

static void make_random(unsigned char *to, size_t n) {
    int fd = open("/dev/urandom", O_RDONLY);
    if (fd < 0 || pull(fd, to, n) < n) fail("/dev/urandom");
    close(fd);
}

/* A new connection.  Returns -1 if there is nobody any more. */
static int dial(void) {
    struct sockaddr_in to;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) fail("socket");
    memset(&to, 0, sizeof(to));
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = inet_addr("127.0.0.1");
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

/* Reads until gather has closed the connection, and closes it here. */
static void until_closed(int fd) {
    char waste[4096];
    while (pull(fd, waste, sizeof(waste)) == sizeof(waste)) continue;
    close(fd);
}

/* Lets the commands of the run go on. */
static void let_go(void) {
    int fd = open(go, O_WRONLY | O_CREAT, 0666);
    if (fd < 0) fail(go);
    close(fd);
}

/* A new conversation: sends the hello, and receives the answer, if there is
 * one: gather gives none if nobody is expected from elsewhere. */
static struct talk greet(const char *magic) {
    struct talk talk;
    memset(&talk, 0, sizeof(talk));
    talk.fd = call();
    memcpy(talk.hello, magic, 4);
    make_random(talk.hello + 4, NONCE);
    push(talk.fd, talk.hello, HELLO);
    if (pull(talk.fd, talk.answer, ANSWER) < ANSWER) talk.answer[0] = 0;
    return talk;
}

/* Asks for an item, with the proof that belongs to a key. */
static void ask(struct talk *talk, uint32_t w, const unsigned char *key) {
    put_header(talk->opening, w, 0);
    make_proof(talk->opening + HEADER, "client", key, talk, talk->opening);
    push(talk->fd, talk->opening, OPENING);
}

/* Has gather prove that it knows the token. */
static void check_server(const struct talk *talk) {
    unsigned char proof[PROOF];
    make_proof(proof, "server", token, talk, NULL);
    errno = 0;
    if (memcmp(talk->answer, MAGIC, 4) != 0) fail("no answer of a server");
    if (memcmp(talk->answer + 4 + NONCE, proof, PROOF) != 0)
        fail("the proof of the server is wrong");
}

/* Enters as a client from elsewhere, with the token, and is given an item. */
static struct talk enter_talk(void) {
    unsigned char m[HEADER];
    char name[80];
    struct talk talk = greet(MAGIC);
    check_server(&talk);
    ask(&talk, NOBODY, token);
    if (pull(talk.fd, m, HEADER) < HEADER) fail("no item: the connection");
    item = get(m);
    uint32_t n = get(m + 4);
    if (item >= NOBODY || n >= sizeof(text)) fail("no item");
    if (pull(talk.fd, text, n) < n) fail("no text");
    snprintf(name, sizeof(name), "data.%s", text);
    FILE *file = fopen(name, "r");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) fail(name);
    length = (size_t)ftell(file);
    rewind(file);
    data = malloc(length + 1);
    if (data == NULL || fread(data, 1, length, file) < length) fail(name);
    fclose(file);
    printf("%u\n", (unsigned)item);
    fflush(stdout);
    return talk;
}

static int enter(void) { return enter_talk().fd; }

/* Sends the header of a data message that is not what it should be, and some
 * bytes behind it. */
static void lie(int fd, uint32_t w, uint32_t n) {
    unsigned char m[HEADER];
    put_header(m, w, n);
    push(fd, m, HEADER);
    push(fd, data, length < n ? length : n);
}

/* Makes an end message in m, of HEADER + END_MAX + 1 bytes: as many bytes of
 * payload as are wanted. */
static size_t end(
    unsigned char *m, uint32_t kind, uint64_t bytes, uint32_t payload) {
    memset(m, 'x', HEADER + END_MAX + 1);
    put_header(m, item | END, payload);
    put(m + HEADER, kind);
    put(m + HEADER + 4, 0);
    put(m + HEADER + 8, (uint32_t)(bytes >> 32));
    put(m + HEADER + 12, (uint32_t)bytes);
    return HEADER + payload;
}

/* Delivers the item as it should be, and ends it as it should not. */
static void misreport(
    int fd, uint32_t kind, uint64_t bytes, uint32_t payload) {
    unsigned char m[HEADER + END_MAX + 1];
    lie(fd, item, (uint32_t)length);
    push(fd, m, end(m, kind, bytes, payload));
}

/* --- From outside */

static void none(void) { /* not a word */
    int fd = call();
    shutdown(fd, SHUT_WR);
    until_closed(fd);
}

static void torn(void) { /* half a hello, and gone */
    int fd = call();
    push(fd, MAGIC "12345678", 12);
    shutdown(fd, SHUT_WR);
    until_closed(fd);
}

static void left(void) { /* gone when the server has shown its proof */
    struct talk talk = greet(MAGIC);
    shutdown(talk.fd, SHUT_WR);
    until_closed(talk.fd);
}

static void torn_opening(void) { /* half an opening, and gone */
    struct talk talk = greet(MAGIC);
    push(talk.fd, "opening", 7);
    shutdown(talk.fd, SHUT_WR);
    until_closed(talk.fd);
}

static void rst_opening(void) { /* a reset in the place of an opening */
    struct talk talk = greet(MAGIC);
    reset(talk.fd);
}

static void wrong(void) { /* another token */
    unsigned char key[16];
    struct talk talk = greet(MAGIC);
    memset(key, 0x5a, sizeof(key));
    ask(&talk, NOBODY, key);
    until_closed(talk.fd);
}

static void near(void) { /* the token but for its last bit */
    unsigned char key[16];
    struct talk talk = greet(MAGIC);
    memcpy(key, token, sizeof(key));
    key[15] ^= 1;
    ask(&talk, NOBODY, key);
    until_closed(talk.fd);
}

static void near_proof(void) { /* the proof but for one bit; each of them */
    for (int bit = 0; bit < 8 * PROOF; bit++) {
        struct talk talk = greet(MAGIC);
        put_header(talk.opening, NOBODY, 0);
        make_proof(talk.opening + HEADER, "client", token, &talk,
            talk.opening);
        talk.opening[HEADER + bit / 8] ^= (unsigned char)(1 << bit % 8);
        push(talk.fd, talk.opening, OPENING);
        if (pull(talk.fd, talk.opening, 1) > 0) fail("a wrong proof is taken");
        close(talk.fd);
    }
}

static void near_header(void) { /* a header that somebody has changed */
    struct talk talk = greet(MAGIC);
    put_header(talk.opening, END | 1000000u, 0);
    make_proof(talk.opening + HEADER, "client", token, &talk, talk.opening);
    put_header(talk.opening, NOBODY, 0);
    push(talk.fd, talk.opening, OPENING);
    until_closed(talk.fd);
}

static void magic(void) { /* the version before this one, with its opening */
    unsigned char m[4 + 16 + HEADER];
    int fd = call();
    memcpy(m, "GAT1", 4);
    memcpy(m + 4, token, 16);
    put_header(m + 20, NOBODY, 0);
    push(fd, m, sizeof(m));
    until_closed(fd);
}

static void next_magic(void) { /* a version that there will be */
    int fd = call();
    push(fd, "GAT3567890123456789012345678", 28);
    until_closed(fd);
}

static void odd_magic(void) { /* one that would rule a terminal */
    int fd = call();
    push(fd, "GAT\0337890123456789012345678", 28);
    until_closed(fd);
}

static void web(void) { /* something else altogether */
    int fd = call();
    push(fd, "GET / HTTP/1.0\r\n\r\n", 18);
    until_closed(fd);
}

static void number(void) { /* a child that there is not */
    struct talk talk = greet(MAGIC);
    ask(&talk, 123456, token);
    until_closed(talk.fd);
}

static void child_number(void) { /* the number of a child, with the token */
    struct talk talk = greet(MAGIC);
    ask(&talk, 3, token);
    until_closed(talk.fd);
}

static void child(void) { /* the same at the door of the children */
    struct talk talk = greet(MAGIC_CHILD);
    ask(&talk, 3, token);
    until_closed(talk.fd);
}

static void left_child(void) { /* gone from there */
    struct talk talk = greet(MAGIC_CHILD);
    shutdown(talk.fd, SHUT_WR);
    until_closed(talk.fd);
}

static void reflect(void) { /* the server's own proof */
    struct talk talk = greet(MAGIC);
    put_header(talk.opening, NOBODY, 0);
    memcpy(talk.opening + HEADER, talk.answer + 4 + NONCE, PROOF);
    push(talk.fd, talk.opening, OPENING);
    until_closed(talk.fd);
}

/* The server's nonce as one's own, on another connection, whose proof might
 * then serve on this one. */
static void cross(void) {
    struct talk talk = greet(MAGIC), other = talk;
    other.fd = call();
    memcpy(other.hello + 4, talk.answer + 4, NONCE);
    push(other.fd, other.hello, HELLO);
    if (pull(other.fd, other.answer, ANSWER) < ANSWER) fail("no answer");
    put_header(talk.opening, NOBODY, 0);
    memcpy(talk.opening + HEADER, other.answer + 4 + NONCE, PROOF);
    push(talk.fd, talk.opening, OPENING);
    until_closed(talk.fd);
    close(other.fd);
}

static void sized(void) { /* an opening that says there is more of it */
    struct talk talk = greet(MAGIC);
    put_header(talk.opening, NOBODY, 5);
    make_proof(talk.opening + HEADER, "client", token, &talk, talk.opening);
    push(talk.fd, talk.opening, OPENING);
    push(talk.fd, "empty", 5);
    until_closed(talk.fd);
}

static void garbage(void) { /* a million bytes of anything */
    unsigned char m[4096];
    uint32_t x = 1;
    int fd = call();
    for (size_t i = 0; i < sizeof(m); i++) {
        x = x * 1103515245 + 12345;
        m[i] = (unsigned char)(x >> 16);
    }
    for (int i = 0; i < 256; i++) push(fd, m, sizeof(m));
    until_closed(fd);
}

static void half(int late) { /* half an opening, for ever */
    struct talk talk = greet(MAGIC);
    push(talk.fd, "half....", 8);
    if (!late) let_go();
    until_closed(talk.fd);
}

static void half_hello(int late) { /* half a hello, for ever */
    int fd = call();
    push(fd, MAGIC "half", 8);
    if (!late) let_go();
    until_closed(fd);
}

static void drip(int late) { /* all that is right, but no faster */
    struct talk talk;
    memset(&talk, 0, sizeof(talk));
    memcpy(talk.hello, MAGIC, 4);
    talk.fd = call();
    if (!late) let_go();
    for (size_t i = 0; i < HELLO && !ready(talk.fd, now() + 1); i++)
        push(talk.fd, talk.hello + i, 1);
    if (!ready(talk.fd, now())) fail("a slow hello is taken");
    until_closed(talk.fd);
}

static void silent(int late) { /* many connections that say nothing */
    static int fd[MANY];
    for (int i = 0; i < MANY; i++) fd[i] = call();
    if (!late) let_go();
    for (int i = 0; i < MANY; i++) until_closed(fd[i]);
}

/* Silent connections, of which gather keeps at most the newest 64, and one for
 * each of its 19 children.  It has 3 seconds to hang up on the others: after 5
 * it would do so in any case. */
static void bounded(int late) {
    static struct pollfd p[MANY];
    int kept = MANY, gone = 0;
    double deadline = now() + 3;
    (void)late;
    for (int i = 0; i < MANY; i++) {
        p[i].fd = call();
        p[i].events = POLLIN;
    }
    while (kept > KEPT && now() < deadline) {
        poll(NULL, 0, 10);
        if (poll(p, MANY, 0) < 0) fail("poll");
        for (kept = 0, gone = 0; gone < MANY; gone++)
            kept += p[gone].revents == 0;
    }
    errno = 0;
    if (kept > KEPT) fail("more strangers than may be are kept");
    for (int i = MANY - 40; i < MANY; i++)
        if (p[i].revents != 0) fail("a new stranger goes before an old one");
    let_go();
    for (int i = 0; i < MANY; i++) until_closed(p[i].fd);
}

/* As many silent connections as are wanted; whichever is closed is made anew,
 * as long as gather is there. */
static void renewed(int most) {
    static struct pollfd p[MANY];
    if (most > MANY) fail("too many are wanted");
    for (int i = 0; i < most; i++) p[i].fd = -1;
    for (;;) {
        for (int i = 0; i < most; i++) {
            if (p[i].fd >= 0 && p[i].revents == 0) continue;
            if (p[i].fd >= 0) close(p[i].fd);
            p[i].fd = dial();
            p[i].events = POLLIN;
            p[i].revents = 0;
            if (p[i].fd < 0) return;
        }
        let_go();
        poll(p, (nfds_t)most, -1);
    }
}

static void churn(int late) { /* many that come and go */
    (void)late;
    for (int i = 0; i < MANY; i++) {
        int fd = call();
        if (i % 3 == 1) push(fd, MAGIC "012345", 10);
        if (i % 3 == 2) push(fd, MAGIC "0123456789abcdef", HELLO);
        reset(fd);
    }
}

/* Strangers who say nothing: one more every second, as long as gather is
 * there.  So at no time there is none. */
static void always(int late) {
    (void)late;
    for (int fd = call(); fd >= 0; fd = dial()) {
        let_go();
        poll(NULL, 0, 1000); /* the connection stays as it is */
    }
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
    unsigned char m[HEADER];
    struct talk talk = greet(MAGIC);
    check_server(&talk);
    ask(&talk, END | w, token);
    if (pull(talk.fd, m, HEADER) < HEADER) fail("no answer");
    item = get(m);
    if ((item != w || !allowed) && (item != NOBODY || get(m + 4) != 0))
        fail("another item than the one that was wanted");
    if (item == NOBODY) until_closed(talk.fd);
    else close(talk.fd);
}

static void wanted(void) { /* the item of a child, who may not be there yet */
    want(3, 1);
}

static void absent(void) { /* an item that there is not */
    want(1000000, 0);
}

static void range(void) { /* an item that there is not */
    int fd = enter();
    lie(fd, item + 1000000, 1000);
    until_closed(fd);
}

static void foreign(void) { /* data for an item of somebody else */
    int fd = enter();
    lie(fd, item == 3 ? 4 : 3, 1000);
    until_closed(fd);
}

static void foreign_end(void) { /* the end of an item of somebody else */
    unsigned char m[HEADER + END_MAX + 1];
    int fd = enter();
    size_t n = end(m, 0, 0, END_SIZE);
    put(m, (item == 3 ? 4u : 3u) | END);
    push(fd, m, n);
    until_closed(fd);
}

static void nobody(void) { /* data for the number that means none */
    int fd = enter();
    lie(fd, NOBODY, 1000);
    until_closed(fd);
}

static void over(void) { /* one byte more than a message may have */
    int fd = enter();
    lie(fd, item, DATA_MAX + 1);
    until_closed(fd);
}

static void huge(void) { /* as much as a header can say */
    int fd = enter();
    lie(fd, item, 0xffffffffu);
    until_closed(fd);
}

static void empty(void) { /* a data message without data */
    int fd = enter();
    lie(fd, item, 0);
    until_closed(fd);
}

static void part(void) { /* half of the data, and an end that counts all */
    unsigned char m[2 * HEADER + END_MAX + 1];
    int fd = enter();
    lie(fd, item, (uint32_t)(length / 2));
    push(fd, m, end(m, 0, length, END_SIZE));
    until_closed(fd);
}

static void fewer(void) { /* an end that counts fewer bytes than came */
    int fd = enter();
    misreport(fd, 0, length - 1, END_SIZE);
    until_closed(fd);
}

static void more(void) { /* ... more ... */
    int fd = enter();
    misreport(fd, 0, length + 1, END_SIZE);
    until_closed(fd);
}

static void high(void) { /* ... 4 GiB more ... */
    int fd = enter();
    misreport(fd, 0, length + ((uint64_t)1 << 32), END_SIZE);
    until_closed(fd);
}

static void shorter(void) { /* an end that is not long enough */
    int fd = enter();
    misreport(fd, 0, length, END_SIZE - 1);
    until_closed(fd);
}

static void longer(void) { /* ... too long */
    int fd = enter();
    misreport(fd, 0, length, END_MAX + 1);
    until_closed(fd);
}

static void status(void) { /* an end of a kind that there is not */
    int fd = enter();
    misreport(fd, KINDS, length, END_SIZE);
    until_closed(fd);
}

/* Ends the item with a value. */
static void misvalue(uint32_t kind, uint32_t value) {
    unsigned char m[HEADER + END_MAX + 1];
    int fd = enter();
    lie(fd, item, (uint32_t)length);
    size_t n = end(m, kind, length, END_SIZE);
    put(m + HEADER + 4, value);
    push(fd, m, n);
    until_closed(fd);
}

static void exit_value(void) { /* an exit status that is none */
    misvalue(0, 256);
}

static void signal_value(void) { /* a signal that is none */
    misvalue(1, 1024);
}

static void bare(void) { /* all the data, but no end */
    int fd = enter();
    lie(fd, item, (uint32_t)length);
    close(fd);
}

static void cut(void) { /* gone in the middle of the data */
    unsigned char m[HEADER];
    int fd = enter();
    put_header(m, item, (uint32_t)length);
    push(fd, m, HEADER);
    push(fd, data, length / 2);
    close(fd);
}

static void rst(void) { /* a reset in the middle of the data */
    unsigned char m[HEADER];
    int fd = enter();
    put_header(m, item, (uint32_t)length);
    push(fd, m, HEADER);
    push(fd, data, length / 2);
    reset(fd);
}

static void rst_end(void) { /* a reset in the middle of the end */
    unsigned char m[2 * HEADER + END_MAX + 1];
    int fd = enter();
    size_t n = end(m, 0, length, END_SIZE);
    lie(fd, item, (uint32_t)length);
    push(fd, m, n - 2);
    reset(fd);
}

static void again(void) { /* an item that has been delivered, once more */
    unsigned char m[2 * HEADER + END_MAX + 1];
    int fd = enter();
    misreport(fd, 0, length, END_SIZE);
    ready(fd, now() + 0.2); /* time to be believed */
    memset(data, 'x', length);
    lie(fd, item, (uint32_t)length);
    push(fd, m, end(m, 0, length, END_SIZE));
    let_go();
    until_closed(fd);
}

/* An item as it should be, and hanging up, in one segment: whoever has read the
 * end can see that there is nobody for another item. */
static void finished(void) {
    int yes = 1, fd = enter();
    setsockopt(fd, IPPROTO_TCP, CORK, &yes, sizeof(yes));
    misreport(fd, 0, length, END_SIZE);
    shutdown(fd, SHUT_WR);
    until_closed(fd);
}

static void after_end(void) { /* more data, at once behind the end */
    unsigned char m[2 * HEADER + END_MAX + 1];
    int fd = enter();
    lie(fd, item, (uint32_t)length);
    size_t n = end(m, 0, length, END_SIZE);
    put_header(m + n, item, 5);
    memcpy(m + n + HEADER, "again", 5);
    push(fd, m, n + HEADER + 5);
    let_go();
    until_closed(fd);
}

static void unasked(void) { /* data before there is an item */
    unsigned char m[OPENING + HEADER + 5];
    struct talk talk = greet(MAGIC);
    check_server(&talk);
    put_header(m, NOBODY, 0);
    make_proof(m + HEADER, "client", token, &talk, m);
    put_header(m + OPENING, 19, 5);
    memcpy(m + OPENING + HEADER, "early", 5);
    push(talk.fd, m, sizeof(m));
    until_closed(talk.fd);
}

/* An item is delivered as it should be, and then all that was said by somebody
 * else, who has heard it, the proof included. */
static void replay(void) {
    unsigned char m[HEADER + END_MAX + 1];
    struct talk talk = enter_talk();
    misreport(talk.fd, 0, length, END_SIZE);
    int fd = call();
    push(fd, talk.hello, HELLO);
    push(fd, talk.opening, OPENING);
    lie(fd, item, (uint32_t)length);
    push(fd, m, end(m, 0, length, END_SIZE));
    if (pull(fd, m, ANSWER + 1) > ANSWER) fail("it is answered once more");
    until_closed(fd);
    let_go();
    until_closed(talk.fd);
}

static void escape(void) { /* a reason that would rule a terminal */
    unsigned char m[HEADER + END_MAX + 1];
    int fd = enter();
    size_t n = end(m, 3, 0, END_SIZE + 9);
    memcpy(m + HEADER + END_SIZE, "\033[2J\n\0\2335n", 9);
    push(fd, m, n);
    let_go();
    until_closed(fd);
}

/* --- In the place of the server */

/* Has a client say its hello, and hangs up. */
static void hang_up(int fd, FILE *all) {
    unsigned char got[HELLO];
    size_t n = pull(fd, got, HELLO);
    fwrite(got, 1, n, all);
    close(fd);
}

/* Waits for one client, and says, whatever that says:
 *   random     what a server says, but with a proof of chance
 *   echo       the client's nonce as its own, and no proof
 *   recorded:PORT  what the server there has answered to somebody else
 *   old        a header, as if no proof were needed
 *   close      nothing, and hangs up; three times, then like random
 *   shut       nothing, and hangs up, for ever
 * then gives it an item to run. */
static void squat(const char *file, const char *how, const char *address,
    const char *at_port) {
    unsigned char m[ANSWER + HEADER + 2], got[4096];
    struct sockaddr_in at;
    socklen_t n = sizeof(at);
    char name[200];
    size_t k = ANSWER;
    int s = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    memset(&at, 0, sizeof(at));
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = inet_addr(address);
    at.sin_port = htons((unsigned short)strtoul(at_port, NULL, 10));
    if (s < 0 || bind(s, (struct sockaddr *)&at, n) < 0 || listen(s, 5) < 0 ||
        getsockname(s, (struct sockaddr *)&at, &n) < 0)
        fail("listen");
    make_random(m, sizeof(m));
    memcpy(m, MAGIC, 4);
    if (strncmp(how, "recorded:", 9) == 0) {
        port = (unsigned short)strtoul(how + 9, NULL, 10);
        struct talk talk = greet(MAGIC);
        check_server(&talk);
        memcpy(m, talk.answer, ANSWER);
        close(talk.fd);
    }
    snprintf(name, sizeof(name), "%s.got", file);
    FILE *all = fopen(name, "w"), *f = fopen(file, "w");
    if (all == NULL || f == NULL) fail(name);
    fprintf(f, "%u\n", (unsigned)ntohs(at.sin_port));
    fclose(f);
    int fd = accept(s, NULL, NULL);
    int times = strcmp(how, "close") == 0 ? 3 : 0;
    for (int i = 0; i < times || strcmp(how, "shut") == 0; i++) {
        hang_up(fd, all);
        fd = accept(s, NULL, NULL);
    }
    if (fd < 0 || pull(fd, got, HELLO) < HELLO) fail("no client");
    fwrite(got, 1, HELLO, all);
    if (strcmp(how, "echo") == 0) memcpy(m + 4, got + 4, NONCE);
    if (strcmp(how, "old") == 0) k = 0;
    put_header(m + k, 0, 2);
    memcpy(m + k + HEADER, "ab", 2);
    push(fd, m, k + HEADER + 2);
    if (strcmp(how, "old") == 0) push(fd, m, sizeof(m)); /* enough to judge */
    while ((k = pull(fd, got, 1)) > 0) fwrite(got, 1, k, all);
    fclose(all);
}

/* What is attempted; `open` ones may have to be late. */
static const struct {
    const char *name;
    void (*attack)(void);
    void (*open)(int late);
} attacks[] = {
    {"none", none, NULL},
    {"torn", torn, NULL},
    {"left", left, NULL},
    {"left-child", left_child, NULL},
    {"torn-opening", torn_opening, NULL},
    {"rst-opening", rst_opening, NULL},
    {"wrong", wrong, NULL},
    {"near", near, NULL},
    {"near-proof", near_proof, NULL},
    {"near-header", near_header, NULL},
    {"magic", magic, NULL},
    {"next-magic", next_magic, NULL},
    {"odd-magic", odd_magic, NULL},
    {"web", web, NULL},
    {"number", number, NULL},
    {"child-number", child_number, NULL},
    {"child", child, NULL},
    {"reflect", reflect, NULL},
    {"cross", cross, NULL},
    {"sized", sized, NULL},
    {"garbage", garbage, NULL},
    {"half", NULL, half},
    {"half-hello", NULL, half_hello},
    {"drip", NULL, drip},
    {"silent", NULL, silent},
    {"bounded", NULL, bounded},
    {"renewed", NULL, renewed},
    {"churn", NULL, churn},
    {"always", NULL, always},
    {"flood", NULL, flood},
    {"wanted", wanted, NULL},
    {"absent", absent, NULL},
    {"range", range, NULL},
    {"foreign", foreign, NULL},
    {"foreign-end", foreign_end, NULL},
    {"nobody", nobody, NULL},
    {"over", over, NULL},
    {"huge", huge, NULL},
    {"empty", empty, NULL},
    {"part", part, NULL},
    {"fewer", fewer, NULL},
    {"more", more, NULL},
    {"high", high, NULL},
    {"shorter", shorter, NULL},
    {"longer", longer, NULL},
    {"status", status, NULL},
    {"exit", exit_value, NULL},
    {"signal", signal_value, NULL},
    {"bare", bare, NULL},
    {"cut", cut, NULL},
    {"rst", rst, NULL},
    {"rst-end", rst_end, NULL},
    {"again", again, NULL},
    {"finished", finished, NULL},
    {"after-end", after_end, NULL},
    {"unasked", unasked, NULL},
    {"replay", replay, NULL},
    {"escape", escape, NULL},
};

int main(int argc, char **argv) {
    const char *secret = getenv("GATHER_TOKEN");
    struct rlimit files;
    int option = 0; /* a number, or 1 for `late` */
    if (argc < 4) return 2;
    if (argc > 4) option = strcmp(argv[4], "late") == 0 ? 1 : atoi(argv[4]);
    port = (unsigned short)strtoul(argv[2], NULL, 10);
    go = argv[3];
    for (size_t i = 0; secret != NULL && i < sizeof(token); i++) {
        unsigned byte = 0;
        if (sscanf(secret + 2 * i, "%2x", &byte) != 1) return 2;
        token[i] = (unsigned char)byte;
    }
    signal(SIGPIPE, SIG_IGN);
    alarm(PATIENCE);
    check_sip();
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (strcmp(argv[1], "squat") == 0) {
        if (argc < 6) squat(argv[2], argv[3], "127.0.0.1", "0");
        else squat(argv[2], argv[3], argv[4], argv[5]);
        return 0;
    }
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        if (strcmp(attacks[i].name, argv[1]) != 0) continue;
        if (attacks[i].attack != NULL) attacks[i].attack();
        else attacks[i].open(option);
        let_go();
        return 0;
    }
    return 2;
}
