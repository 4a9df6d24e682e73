/*
 * options.c - the command line.  All there is to say of an option stands in
 * one row of the table: the string for getopt(), the usage, -h and the
 * refusals follow from it.
 */
#include "options.h"
#include "say.h"
#include <float.h>
#include <stdio.h>
#include <stdlib.h>

extern char **environ;

#define BYTES_MAX ((uint64_t)1 << 50)
#define SECONDS_MAX 1000000
#define LEAST DBL_MIN /* above 0 */

/* The modes in which an option means something. */
#define IN(mode) (1u << (mode))
#define DEMONSTRATION IN(MODE_DEMONSTRATION)
#define SERVER IN(MODE_SERVER)
#define CLIENT IN(MODE_CLIENT)

struct option {
    char letter;
    const char *argument; /* its name, or NULL if there is none */
    unsigned modes;
    const char *not_with; /* letters; ':' stands for items after ::: */
    const char *needs;    /* letters */
    const char *help;
};

static const struct option table[] = {
    {'0', NULL, SERVER, ":", "", "items end with a NUL byte, not a newline"},
    {'a', "file", SERVER, ":", "", "items are the lines of file"},
    {'b', "address", SERVER, "", "p",
        "listen there; serve clients from elsewhere"},
    {'c', "host[:port]", CLIENT, "", "", "be a client of the server there"},
    {'d', "seconds", SERVER, "", "r", "pause before an item runs again (0)"},
    {'h', NULL, DEMONSTRATION | SERVER | CLIENT, "", "", "show this"},
    {'j', "jobs", DEMONSTRATION | SERVER, "", "", "so many at once (20)"},
    {'k', NULL, SERVER, "", "", "keep going when an item has failed"},
    {'l', "log", SERVER, "", "", "write a ledger: a line for each item"},
    {'m', "bytes", SERVER, "", "", "memory for what waits (64M)"},
    {'n', "cursors", DEMONSTRATION | SERVER, "0a:", "",
        "items are numbers (20)"},
    {'o', "template", SERVER, "mu", "", "a file for each item, {} its number"},
    {'p', "port", DEMONSTRATION | SERVER, "", "", "listen there (ingreslock)"},
    {'q', NULL, DEMONSTRATION | SERVER, "", "", "show no progress"},
    {'r', "retries", SERVER, "", "", "run an item that failed again (0)"},
    {'s', "bytes", DEMONSTRATION, "", "", "size of a cursor (1M)"},
    {'t', "seconds", SERVER | CLIENT, "", "", "time that an item may take"},
    {'T', NULL, SERVER, "", "", "begin each line with its item and a TAB"},
    {'u', NULL, SERVER, "", "", "output in the order of completion"},
    {'v', NULL, DEMONSTRATION | SERVER, "", "", "tell what happens"},
    {'V', NULL, DEMONSTRATION | SERVER | CLIENT, "", "", "show the version"},
    {'w', "which", CLIENT, "", "", "deliver that item and no other"},
};
#define ROWS (sizeof(table) / sizeof(table[0]))

/* --- What is wrong, and how it should be */

/* Puts the usage into text: options of the modes, those without an argument
 * together. */
static void make_usage(char *text, size_t size_of_text, unsigned modes) {
    size_t n = (size_t)snprintf(text, size_of_text, " [-");
    for (size_t i = 0; i < ROWS; i++)
        if (table[i].argument == NULL && (table[i].modes & modes) != 0) {
            text[n] = table[i].letter;
            n++;
        }
    n += (size_t)snprintf(text + n, size_of_text - n, "]");
    for (size_t i = 0; i < ROWS; i++)
        if (table[i].argument != NULL && (table[i].modes & modes) != 0 &&
            table[i].letter != 'c')
            n += (size_t)snprintf(text + n, size_of_text - n, " [-%c %s]",
                table[i].letter, table[i].argument);
}

/* Says what is wrong with the command line, and how it should be. */
static void misused(const char *what, const char *name) {
    char server[512], client[512];
    make_usage(server, sizeof(server), DEMONSTRATION | SERVER);
    make_usage(client, sizeof(client), CLIENT);
    say("fatal: unable to understand the command line: %s%s", what, name);
    say("usage: gather%s [command ... [::: item ...]], or "
        "gather -c host[:port]%s [command ...]",
        server, client);
    exit(1);
}

static void misused_letter(const char *what, int letter) {
    const char name[2] = {(char)letter, '\0'};
    misused(what, name);
}

/* Ends the process when it has written what was asked for. */
static void end_output(void) {
    if (fflush(stdout) != 0 || ferror(stdout)) {
        say("fatal: unable to write standard output: %s", strerror(errno));
        exit(1);
    }
    exit(0);
}

/* Shows what there is, on standard output. */
static void show_help(void) {
    printf("usage: gather [option ...] [command ... [::: item ...]]\n"
           "       gather -c host[:port] [option ...] [command ...]\n\n");
    for (size_t i = 0; i < ROWS; i++)
        printf("  -%c %-12s %s\n", table[i].letter,
            table[i].argument != NULL ? table[i].argument : "", table[i].help);
    printf("\nWithout a command it demonstrates itself.  "
           "The manual is gather(1).\n");
    end_output();
}

static void show_version(void) {
    printf("gather %s\n", VERSION);
    end_output();
}

/* --- Values */

/* The value of an option, or else its default, as a whole number. */
static uint64_t number(const struct options *options, int letter,
    const char *otherwise, uint64_t least, uint64_t most) {
    const char *text = options->argument[letter];
    if (text == NULL)
        text = otherwise;
    size_t digits = strspn(text, "0123456789");
    uint64_t n = strtoull(text, NULL, 10);
    bool is_number = digits > 0 && digits <= 18 && text[digits] == '\0';
    if (!is_number || n < least || n > most) {
        say("fatal: -%c %s: not a whole number from %ju to %ju", letter, text,
            (uintmax_t)least, (uintmax_t)most);
        exit(1);
    }
    return n;
}

/* The same for a number of bytes: k, M or G may stand behind it. */
static uint64_t number_of_bytes(
    const struct options *options, int letter, const char *otherwise) {
    static const char units[] = "kMG";
    const char *text = options->argument[letter];
    int shift = 0;
    if (text == NULL)
        text = otherwise;
    size_t digits = strspn(text, "0123456789");
    const char *unit =
        text[digits] != '\0' ? strchr(units, text[digits]) : NULL;
    if (unit != NULL)
        shift = 10 * (int)(unit - units + 1);
    uint64_t n = strtoull(text, NULL, 10);
    bool is_number = digits > 0 && digits <= 18 &&
        text[digits + (unit != NULL ? 1 : 0)] == '\0';
    if (!is_number || n > BYTES_MAX >> shift) {
        say("fatal: -%c %s: not a number of bytes from 0 to %ju, which k, M "
            "or G may follow",
            letter, text, (uintmax_t)BYTES_MAX);
        exit(1);
    }
    return n << shift;
}

/* Seconds, perhaps with a fraction, from 0 or LEAST on; 0 if the option is not
 * given. */
static double number_of_seconds(
    const struct options *options, int letter, double least, int most) {
    const char *text = options->argument[letter];
    char *end = NULL;
    if (text == NULL)
        return 0;
    bool plain = text[strspn(text, "0123456789.")] == '\0';
    double seconds = plain ? strtod(text, &end) : 0;
    bool is_number = plain && end != text && *end == '\0';
    if (!is_number || seconds < least || seconds > most) {
        say("fatal: -%c %s: not a number of seconds %s %d", letter, text,
            least > 0 ? "above 0, up to" : "from 0 to", most);
        exit(1);
    }
    return seconds;
}

/* Takes the token out of the environment, so that neither commands nor
 * /proc/PID/environ have it: the string is overwritten where it stands. */
static void forget_token(void) {
    static const char name[] = "GATHER_TOKEN=";
    for (char **variable = environ; *variable != NULL; variable++)
        if (strncmp(*variable, name, strlen(name)) == 0)
            memset(*variable + strlen(name), 'x',
                strlen(*variable + strlen(name)));
    unsetenv("GATHER_TOKEN");
}

/* The token that servers and clients from elsewhere share. */
static void take_token(struct options *options) {
    const char *hex = getenv("GATHER_TOKEN");
    size_t n = hex != NULL ? strspn(hex, "0123456789abcdefABCDEF") : 0;
    if (n != (size_t)2 * SECRET_SIZE || hex[n] != '\0')
        misused("no GATHER_TOKEN of 32 hex digits for ", "-b, -c or -j 0");
    for (size_t i = 0; i < SECRET_SIZE; i++) {
        const char byte[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        options->token[i] = (unsigned char)strtoul(byte, NULL, 16);
    }
}

/* --- Combinations */

static bool is_given(const struct options *options, char letter) {
    if (letter == ':')
        return options->items != NULL;
    return options->argument[(int)letter] != NULL;
}

/* Refuses an option that means nothing in this mode. */
static void refuse_in_mode(const struct options *options, int letter) {
    if (letter == 'w')
        misused_letter("no -c for -", letter);
    if (options->mode == MODE_CLIENT)
        misused_letter("-c beside -", letter);
    if (options->mode == MODE_SERVER)
        misused_letter("a command beside -", letter);
    misused_letter("no command for -", letter);
}

/* Refuses an option without another one that it needs. */
static void refuse_alone(char letter, char other) {
    char what[] = "no -? for -";
    what[4] = other;
    misused_letter(what, letter);
}

/* Refuses an option beside another one, or beside items after :::. */
static void refuse_pair(char letter, char other) {
    char what[] = "-? beside -";
    what[1] = letter;
    if (other == ':')
        misused_letter("items after ::: beside -", letter);
    misused_letter(what, other);
}

/* Refuses an option that is given, if something else that is given forbids
 * it. */
static void check_option(
    const struct options *options, const struct option *option) {
    if (!is_given(options, option->letter))
        return;
    for (const char *other = option->not_with; *other != '\0'; other++)
        if (is_given(options, *other))
            refuse_pair(option->letter, *other);
    if ((option->modes & IN(options->mode)) == 0)
        refuse_in_mode(options, option->letter);
    for (const char *other = option->needs; *other != '\0'; other++)
        if (!is_given(options, *other))
            refuse_alone(option->letter, *other);
}

static void check_combinations(const struct options *options) {
    const char *template = options->argument['o'];
    for (size_t i = 0; i < ROWS; i++)
        check_option(options, &table[i]);
    if (options->mode == MODE_CLIENT && options->items != NULL)
        misused("items after ::: beside ", "-c");
    if (options->mode == MODE_DEMONSTRATION && options->items != NULL)
        misused("no command for ", "the items after :::");
    if (options->mode == MODE_CLIENT && options->command == NULL &&
        options->argument['w'] == NULL)
        misused("no command for ", "-c");
    if (template != NULL && strstr(template, "{}") == NULL)
        misused("no {} for ", "-o");
}

/* --- Reading */

/* Makes the command of n words.  An item that is not mentioned goes last, but
 * not a mere number. */
static void make_command(struct options *options, char **words, int n) {
    static char braces[] = "{}";
    bool mentioned = options->argument['n'] != NULL;
    options->command = calloc((size_t)n + 2, sizeof(*options->command));
    if (options->command == NULL) {
        say("fatal: unable to hold the command: %s", strerror(errno));
        exit(1);
    }
    for (int i = 0; i < n; i++) {
        options->command[i] = words[i];
        mentioned = mentioned || strstr(words[i], braces) != NULL;
    }
    if (!mentioned)
        options->command[n] = braces;
}

/* Takes the items after ::: of `count` words.  Returns how many words stand
 * before that. */
static int take_items(struct options *options, char **words, int count) {
    int n = 0;
    while (n < count && strcmp(words[n], ":::") != 0)
        n++;
    if (n == count)
        return n;
    options->items = words + n + 1;
    options->item_count = (uint64_t)(count - n - 1);
    for (char **item = options->items; *item != NULL; item++)
        if (strcmp(*item, ":::") == 0)
            misused("a second ", ":::");
    return n;
}

/* Reads the options.  Returns the index of the word behind them. */
static int take_options(struct options *options, int argc, char **argv) {
    char letters[2 * ROWS + 2] = ":";
    size_t n = 1;
    int letter;
    for (size_t i = 0; i < ROWS; i++) {
        letters[n] = table[i].letter;
        n++;
        if (table[i].argument == NULL)
            continue;
        letters[n] = ':';
        n++;
    }
    /* it stops at the first word that is no option; glibc's, too, as the
     * Makefile asks for POSIX */
    while ((letter = getopt(argc, argv, letters)) != -1) {
        if (letter == ':')
            misused_letter("no argument for -", optopt);
        if (letter == '?')
            misused_letter("no option -", optopt);
        options->argument[letter] = optarg != NULL ? optarg : "";
    }
    if (options->argument['h'] != NULL)
        show_help();
    if (options->argument['V'] != NULL)
        show_version();
    return optind;
}

/* Where the bytes of items are to end up. */
static enum destination destination(const struct options *options) {
    if (options->mode == MODE_DEMONSTRATION)
        return TO_ARRAYS;
    if (is_given(options, 'o'))
        return TO_FILES;
    return is_given(options, 'u') ? TO_OUTPUT_AS_COMPLETED : TO_OUTPUT;
}

static void take_values(struct options *options, struct config *config) {
    options->cursors = number(options, 'n', "20", 0, NONE);
    options->cursor_bytes = number_of_bytes(options, 's', "1M");
    options->wanted = (uint32_t)number(options, 'w', "0", 0, NONE - 1);
    config->jobs = (int)number(options, 'j', "20", 0, CHILDREN_MAX);
    config->files = options->argument['o'];
    config->memory_limit = number_of_bytes(options, 'm', "64M");
    config->retries = (int)number(options, 'r', "0", 0, RETRIES_MAX);
    config->pause = number_of_seconds(options, 'd', 0, PAUSE_MAX);
    config->seconds = number_of_seconds(options, 't', LEAST, SECONDS_MAX);
    config->tagged = is_given(options, 'T');
    config->keep_going = is_given(options, 'k');
    config->verbose = is_given(options, 'v');
}

void options_read(
    struct options *options, struct config *config, int argc, char **argv) {
    memset(options, 0, sizeof(*options));
    memset(config, 0, sizeof(*config));
    int first = take_options(options, argc, argv);
    take_values(options, config);
    char **words = argv + first;
    int n = take_items(options, words, argc - first);
    options->mode = MODE_DEMONSTRATION;
    if (options->argument['c'] != NULL)
        options->mode = MODE_CLIENT;
    else if (n > 0 || config->jobs == 0)
        options->mode = MODE_SERVER;
    config->destination = destination(options);
    if (n > 0 || options->mode == MODE_SERVER)
        make_command(options, words, n);
    check_combinations(options);
    options->serves_elsewhere = options->mode == MODE_SERVER &&
        (options->argument['b'] != NULL || config->jobs == 0);
    if (options->serves_elsewhere || options->mode == MODE_CLIENT)
        take_token(options);
    if (options->serves_elsewhere)
        config->token = options->token;
    forget_token();
}
