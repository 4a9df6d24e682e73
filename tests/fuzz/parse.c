/*
 * parse.c - fuzzing what lib/options.c makes of the command line, and
 * lib/list.c of a list.  The input is cut into words at NUL bytes, which are
 * the command line, behind what GATHER_TOKEN is, if the first begins with T;
 * what is behind the first empty one is the list.
 *
 * What has to be true: either the command line is refused, with a message and
 * status 1, or only help is wanted, or the numbers and the token are those of
 * a second, simpler reader, which agrees if they are refused; the options go
 * together, the command is what was behind them, and the items are the
 * numbers, the words or the lines of the list.
 */
#include "fuzz.h"

#include "../../lib/list.h"
#include "../../lib/options.h"
#include <ctype.h>
#include <strings.h>

#define ROOM 4096
#define WORDS 32
#define MANY ((uint64_t)1 << 50) /* bytes, at most */

static char input[ROOM + 1];
static char *words_of[WORDS + 2], *before[WORDS + 2];
static struct options o;
static struct config config;
static jmp_buf ended;
static int messages;
static int printed;        /* bytes on standard output */
static char message[2048]; /* the first message */
static char *token;        /* what the environment says, or NULL */
static const char *list;   /* what there is of the list, */
static size_t left;        /* so many bytes of it; */
static bool is_slow;       /* not all of it is at hand at once */
static unsigned step;      /* how often something was chosen */

_Noreturn void fuzz_exit(int status) {
    MUST(status == 1 ? messages > 0 : status == 0 && printed > 0);
    MUST(status == 1 || o.argument['h'] != NULL || o.argument['V'] != NULL);
    longjmp(ended, 1 + (status == 0));
}

int fuzz_printf(const char *format, ...) {
    MUST(strlen(format) > 0);
    printed++;
    return 1;
}

ssize_t fuzz_write(int fd, const void *from, size_t n) {
    MUST(fd == 2 && n > 9 && memcmp(from, "gather: ", 8) == 0);
    MUST(((const char *)from)[n - 1] == '\n');
    if (messages == 0)
        snprintf(message, n + 1, "%.*s", (int)n, (const char *)from);
    messages++;
    return (ssize_t)n;
}

/* A number below n, of the list's choice. */
static unsigned choose(unsigned n) {
    step++;
    return (step * 7 + (unsigned)(left > 0 ? (unsigned char)*list : 5)) % n;
}

int fuzz_poll(struct pollfd *fds, nfds_t n, int timeout) {
    MUST(n == 1 && (fds[0].fd == 2 || fds[0].fd == 0));
    MUST(fds[0].fd == 0 || timeout > 0);
    fds[0].revents = 0;
    if (fds[0].fd == 0 && timeout == 0 && is_slow && choose(4) == 0)
        return 0;
    fds[0].revents = fds[0].fd == 0 ? POLLIN : POLLOUT;
    return 1;
}

ssize_t fuzz_read(int fd, void *to, size_t n) {
    MUST(fd == 0 && n > 0);
    errno = choose(2) ? EINTR : EAGAIN;
    if (is_slow && choose(4) == 0)
        return -1;
    if (n > left)
        n = left;
    if (is_slow && n > 1)
        n = 1 + choose((unsigned)n);
    if (n > 0)
        memcpy(to, list, n);
    list += n;
    left -= n;
    return (ssize_t)n;
}

int fuzz_nap(const struct timespec *nap, struct timespec *left) {
    (void)nap;
    (void)left;
    abort();
}

/* The list is standard input already. */
int fuzz_open(const char *name, int flags, ...) {
    MUST(name == o.argument['a'] && flags == O_RDONLY);
    return 0;
}

int fuzz_close(int fd) {
    (void)fd;
    abort();
}

int fuzz_isatty(int fd) {
    (void)fd;
    return 0;
}

char *fuzz_getenv(const char *name) {
    return strcmp(name, "GATHER_TOKEN") == 0 ? token : NULL;
}

/* --- A second reader */

/* Of numbers: false if it is none up to max. */
static bool is_number(
    const char *p, uint64_t max, bool units, uint64_t *value) {
    static const char letters[] = "kMG";
    unsigned long long n = 0, factor = 1;
    int digits = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (digits == 18)
            return false;
        digits++;
        n = n * 10 + (unsigned)(*p - '0');
    }
    const char *letter = *p != '\0' ? strchr(letters, *p) : NULL;
    if (units && letter != NULL) {
        for (const char *l = letters; l <= letter; l++)
            factor *= 1024;
        p++;
    }
    if (digits == 0 || *p != '\0' || n > max / factor)
        return false;
    *value = n * factor;
    return true;
}

/* Of seconds: digits with at most one point, and as many as -t or -d may have,
 * save what rounding may put on the other side of a limit. */
static bool is_seconds(const char *p, char letter) {
    const char *point = strchr(p, '.');
    double is = strtod(p, NULL);
    if (p[strspn(p, "0123456789.")] != '\0')
        return false;
    if (point != NULL && strchr(point + 1, '.') != NULL)
        return false;
    if (letter == 'd')
        return strpbrk(p, "0123456789") != NULL && is < 60 * (1 - 1e-9);
    return is > 1e-300 && is < 1e6 * (1 - 1e-9);
}

static const struct numeric {
    char letter;
    bool units;
    uint64_t max, otherwise;
} numbers[] = {
    {'j', false, 1000000, 20},
    {'n', false, NONE, 20},
    {'r', false, 1000000, 0},
    {'w', false, NONE - 1, 0},
    {'m', true, MANY, 64 << 20},
    {'s', true, MANY, 1 << 20},
};

static uint64_t value_of(const struct numeric *number) {
    uint64_t value = number->otherwise;
    const char *text = o.argument[(int)number->letter];
    MUST(text == NULL || is_number(text, number->max, number->units, &value));
    return value;
}

static bool starts_with(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

/* The command line was refused: is there something wrong with it? */
static void check_refusal(void) {
    uint64_t n = 0;
    if (starts_with(message, "gather: fatal: -")) {
        char letter = message[16];
        const char *text = o.argument[(int)letter];
        MUST(text != NULL && message[17] == ' ');
        if (letter == 't' || letter == 'd')
            MUST(!is_seconds(text, letter));
        for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
            MUST(numbers[i].letter != letter ||
                !is_number(text, numbers[i].max, numbers[i].units, &n));
        MUST(messages == 1);
        return;
    }
    static const char start[] =
        "gather: fatal: unable to understand the command line: ";
    MUST(starts_with(message, start));
    MUST(messages == 2); /* and the usage */
    const char *what = message + strlen(start);
    if (starts_with(what, "no GATHER_TOKEN")) {
        const char *t = token != NULL ? token : "";
        for (; isxdigit((unsigned char)*t); t++)
            n++;
        MUST(*t != '\0' || n != 2 * SECRET_SIZE);
    }
    if (starts_with(what, "no argument for -"))
        MUST(strchr("abcdjlmnoprstw", what[17]) != NULL);
    if (starts_with(what, "no -"))
        MUST(o.argument[what[4] & 127] == NULL &&
            o.argument[what[11] & 127] != NULL);
    const char *beside = strstr(what, " beside -");
    if (what[0] == '-' && beside == what + 2)
        MUST(o.argument[what[1] & 127] != NULL &&
            o.argument[beside[9] & 127] != NULL);
}

/* --- It was not */

/* The token is known if there has to be one. */
static void check_token(void) {
    char hex[2 * SECRET_SIZE + 1];
    if (!o.serves_elsewhere && o.mode != MODE_CLIENT)
        return;
    for (int i = 0; i < SECRET_SIZE; i++)
        sprintf(hex + 2 * i, "%02x", o.token[i]);
    MUST(token != NULL && strcasecmp(token, hex) == 0);
}

static void check_values(void) {
    MUST((uint64_t)config.jobs == value_of(&numbers[0]));
    MUST(o.cursors == value_of(&numbers[1]));
    MUST((uint64_t)config.retries == value_of(&numbers[2]));
    MUST(o.wanted == value_of(&numbers[3]));
    MUST(config.memory_limit == value_of(&numbers[4]));
    MUST(o.cursor_bytes == value_of(&numbers[5]));
    MUST(
        config.seconds >= 0 && (config.seconds > 0) == (o.argument['t'] != 0));
    MUST(config.pause == (o.argument['d'] ? strtod(o.argument['d'], NULL) : 0));
    MUST(config.pause >= 0 && config.pause <= PAUSE_MAX);
    MUST(o.argument['d'] == NULL || o.argument['r'] != NULL);
    MUST(o.argument['b'] == NULL || o.argument['p'] != NULL);
    if (o.argument['t'] != NULL)
        MUST(config.seconds == strtod(o.argument['t'], NULL));
    MUST(o.argument['o'] == NULL || strstr(o.argument['o'], "{}") != NULL);
}

static void must_lack(const char *letters) {
    for (; *letters != '\0'; letters++)
        MUST(o.argument[(int)*letters] == NULL);
}

/* The options mean something in this mode, and together. */
static void check_mode(int command_words) {
    enum mode mode = MODE_DEMONSTRATION;
    if (command_words > 0 || config.jobs == 0)
        mode = MODE_SERVER;
    if (o.argument['c'] != NULL)
        mode = MODE_CLIENT;
    MUST(o.mode == mode);
    must_lack("hV");
    if (mode == MODE_CLIENT)
        must_lack("0abjklmnopqrsuv");
    if (mode == MODE_SERVER)
        must_lack("csw");
    if (mode == MODE_DEMONSTRATION)
        must_lack("0abcklmortuw");
    MUST(mode == MODE_SERVER || o.items == NULL);
    MUST(mode != MODE_CLIENT || command_words > 0 || o.argument['w'] != NULL);
    MUST(o.argument['n'] == NULL ||
        (o.argument['0'] == NULL && o.argument['a'] == NULL &&
            o.items == NULL));
    MUST(o.items == NULL ||
        (o.argument['0'] == NULL && o.argument['a'] == NULL));
    MUST(o.argument['o'] == NULL ||
        (o.argument['m'] == NULL && o.argument['u'] == NULL));
    MUST(o.serves_elsewhere ==
        (mode == MODE_SERVER && (o.argument['b'] != NULL || config.jobs == 0)));
}

/* The command is these words, and {} if no item is mentioned. */
static void check_command(char **words, int n) {
    bool mentioned = o.argument['n'] != NULL;
    if (n == 0 && o.mode != MODE_SERVER) {
        MUST(o.command == NULL);
        return;
    }
    for (int i = 0; i < n; i++) {
        MUST(o.command[i] == words[i]);
        mentioned = mentioned || strstr(words[i], "{}") != NULL;
    }
    if (!mentioned) {
        MUST(strcmp(o.command[n], "{}") == 0);
        n++;
    }
    MUST(o.command[n] == NULL);
}

/* The command line made sense; `n` words in all. */
static void check_options(int n) {
    int first = optind; /* word behind the options */
    int end = first;
    while (end < n && strcmp(before[end], ":::") != 0)
        end++;
    MUST((o.items != NULL) == (end < n));
    if (o.items != NULL) {
        MUST(o.item_count == (uint64_t)(n - end - 1));
        for (int i = 0; i <= n - end - 1; i++)
            MUST(o.items[i] == before[end + 1 + i]);
    }
    check_values();
    check_mode(end - first);
    check_token();
    check_command(before + first, end - first);
}

/* --- The list */

/* Takes item number `which`.  Returns what list_next() does. */
static int take_item(uint32_t which_item, const char *text, size_t n) {
    struct item item = {.which = which_item};
    int was = messages;
    int r = list_next(&item);
    MUST(messages - was == (r < 0));
    if (r <= 0)
        return r;
    MUST(item.length == n && memcmp(item.text, text, n) == 0);
    MUST(strlen(item.text) == n);
    fuzz_free(item.text);
    return r;
}

static void check_known(void) {
    char digits[16];
    uint64_t length = o.items != NULL ? o.item_count : o.cursors;
    MUST(list_length() == length && list_speed() == LIST_KNOWN);
    for (uint32_t i = 0; i < length && i < 40; i++) {
        const char *text = digits;
        sprintf(digits, "%lu", (unsigned long)i);
        if (o.items != NULL)
            text = o.items[i];
        MUST(take_item(i, text, strlen(text)) == 1);
    }
    if (length < NONE)
        MUST(take_item((uint32_t)length, "", 0) == 0);
}

/* The items of a list against its lines; before that, how many are expected
 * in two looks. */
static void check_lines(const char *from, size_t n) {
    int separator = o.argument['0'] != NULL ? '\0' : '\n';
    const char *end = from + n, *to;
    uint32_t i = 0;
    int lines = n > 0 && end[-1] != separator;
    for (const char *p = from; p < end; p++)
        lines += *p == separator;
    list = from;
    left = n;
    step = 0;
    is_slow = n > 2 && (from[1] & 1);
    for (int most = 3; most < 100; most += 90) {
        int expected = list_expect(most);
        MUST(expected >= (lines < most ? lines : most) && expected <= most);
        MUST(is_slow || expected == (lines < most ? lines : most));
    }
    for (const char *p = from; p < end; p = to + 1) {
        to = memchr(p, separator, (size_t)(end - p));
        if (to == NULL)
            to = end;
        bool has_nul = memchr(p, '\0', (size_t)(to - p)) != NULL;
        int r = take_item(i, p, (size_t)(to - p));
        MUST(r == (has_nul ? -1 : 1));
        if (has_nul)
            return;
        i++;
    }
    MUST(take_item(i, "", 0) == 0);
}

/* The mutex of lib/say.c, for which there is nobody else. */
int fuzz_lock(pthread_mutex_t *mutex) {
    (void)mutex;
    return 0;
}

int fuzz_unlock(pthread_mutex_t *mutex) {
    (void)mutex;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static char name[] = "gather";
    static int n;
    static size_t at;
    if (bytes > ROOM)
        return -1;
    renew_variables();
    memcpy(input, data, bytes);
    input[bytes] = '\0';
    words_of[0] = name;
    token = input[0] == 'T' ? input + 1 : NULL;
    at = token != NULL ? strlen(input) + 1 : 0;
    for (n = 1; at < bytes && input[at] != '\0' && n < WORDS; n++) {
        words_of[n] = input + at;
        at += strlen(input + at) + 1;
    }
    words_of[n] = NULL;
    memcpy(before, words_of, sizeof(before));
    at += at < bytes && input[at] == '\0';
    messages = printed = 0;
    message[0] = '\0';
    optind = 0; /* glibc: afresh, whatever was left of a word */
    int how = setjmp(ended);
    if (how == 0) {
        options_read(&o, &config, n, words_of);
        MUST(messages == 0 && printed == 0);
        check_options(n);
        if (o.mode != MODE_CLIENT) {
            MUST(list_open(&o) == 0);
            if (list_speed() == LIST_KNOWN)
                check_known();
            else
                check_lines(input + at, at < bytes ? bytes - at : 0);
        }
        fuzz_free(o.command);
    } else if (how == 1) {
        check_refusal();
        if (o.command != NULL)
            fuzz_free(o.command); /* the process has ended */
    }
    MUST(held_blocks == 0);
    free_blocks();
    return 0;
}
