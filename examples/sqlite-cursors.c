/*
 * sqlite-cursors.c - twenty cursors at once in one SQLite database.  Each runs
 * in a child, which fetches its rows into an array of structures.  The parent
 * ends up with twenty arrays, adds up the amounts, sorts the rows, and prints
 * what the sqlite3 shell prints for
 *
 *     SELECT count(*), sum(amount) FROM sale;
 *     SELECT id, amount, shop FROM sale ORDER BY amount, id;
 *
 * if there are rows, and these are integers, none of them NULL.
 *
 * It links gather's parts as they are.  Structures travel as they lie in
 * memory, gaps and byte order included, since both ends are processes of one
 * program on one machine; anything else would have to write them out member by
 * member.  A pointer means nothing at the other end.
 */
#include "../lib/gather.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CURSORS 20
#define PATIENCE 10000 /* milliseconds to wait for a lock of the database */

struct sale {
    int64_t id, amount;
    int32_t shop;
};

static struct sale *rows[CURSORS]; /* what has arrived, by cursor */
static size_t count[CURSORS];      /* of rows */

/* Opens the database for one process: a connection must not be used on both
 * sides of a fork.  Returns an SQLite status; *db is for sqlite3_close(). */
static int open_database(const char *file, sqlite3 **db) {
    int rc = sqlite3_open_v2(file, db, SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(*db, PATIENCE);
    return rc;
}

/* --- In the children */

/* Has a row of a cursor put into *sale.  Gaps are cleared, as they travel,
 * too. */
static void take_row(sqlite3_stmt *statement, struct sale *sale) {
    memset(sale, 0, sizeof(*sale));
    sale->id = sqlite3_column_int64(statement, 0);
    sale->amount = sqlite3_column_int64(statement, 1);
    sale->shop = sqlite3_column_int(statement, 2);
}

/* Steps a cursor to its end, then delivers its rows.  Returns an SQLite
 * status, or -1 when the parent is gone. */
static int deliver(sqlite3_stmt *statement) {
    struct sale *found = NULL;
    size_t n = 0;
    size_t room = 0;
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (n == room) {
            room = 2 * room + 1000;
            struct sale *more = realloc(found, room * sizeof(*found));
            if (more == NULL) {
                rc = SQLITE_NOMEM;
                break;
            }
            found = more;
        }
        take_row(statement, &found[n]);
        n++;
    }
    if (rc == SQLITE_DONE)
        rc = xclient(found, n * sizeof(*found)) == 0 ? SQLITE_OK : -1;
    free(found);
    return rc;
}

/* A cursor: a part of the table, by ranges of id.  One that fails ends the
 * run. */
static int fetch(
    uint32_t item, const char *text, struct ending *ending, void *file) {
    static const char sql[] =
        "SELECT id, amount, shop FROM sale, (SELECT min(id) AS low,"
        " max(id) / ?2 - min(id) / ?2 + 1 AS step FROM sale) "
        "WHERE id >= low + step * ?1 AND id < "
        "CASE ?1 + 1 WHEN ?2 THEN 9.3e18 ELSE low + step * (?1 + 1) END";
    sqlite3_stmt *statement = NULL;
    sqlite3 *db;
    (void)text; /* the list has none */
    int rc = open_database(file, &db);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(statement, 1, item);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(statement, 2, CURSORS);
    if (rc == SQLITE_OK)
        rc = deliver(statement);
    if (rc > 0) {
        say("cursor %u: %s", (unsigned)item, sqlite3_errmsg(db));
        ending->value = 1; /* as if it were an exit status */
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return rc < 0 ? -1 : 0;
}

/* --- In the parent */

/* The list: so many items, numbered, without texts. */
static int next(struct item *item) {
    return item->which < CURSORS;
}

/* An item has come to its end: takes its bytes, which were malloc()ed, as an
 * array. */
static void done(struct item *item) {
    if (item->outcome != COMPLETE)
        return;
    rows[item->which] = (void *)item->array;
    count[item->which] = (size_t)item->bytes / sizeof(struct sale);
    item->array = NULL;
}

/* Forks the children; their life is client().  Returns 0, or -1. */
static int fork_children(const unsigned char *secret, char *file) {
    for (uint32_t k = 0; k < CURSORS; k++) {
        struct identity me = {
            .kind = CLIENT_CHILD,
            .number = k,
            .secret = secret,
        };
        int pid = child_fork();
        if (pid < 0)
            return -1;
        if (pid > 0)
            continue;
        close(s); /* it is the parent's */
        _exit(client(&me, fetch, file) == CLIENT_LOST ? 1 : 0);
    }
    return 0;
}

/* Makes one array of all.  Returns NULL if there is no memory. */
static struct sale *join(size_t *n) {
    *n = 0;
    for (int i = 0; i < CURSORS; i++)
        *n += count[i];
    struct sale *all = malloc(*n * sizeof(*all) + 1);
    if (all == NULL)
        return NULL;
    struct sale *to = all;
    for (int i = 0; i < CURSORS; i++) {
        if (count[i] > 0)
            memcpy(to, rows[i], count[i] * sizeof(*to));
        to += count[i];
    }
    return all;
}

static int by_amount(const void *a, const void *b) {
    const struct sale *x = a;
    const struct sale *y = b;
    if (x->amount != y->amount)
        return x->amount < y->amount ? -1 : 1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return 0;
}

/* All data are here: what the parent wanted them for.  Returns 0, or -1 with
 * errno set. */
static int process_rows(void) {
    size_t n;
    long long sum = 0;
    struct sale *all = join(&n);
    if (all == NULL)
        return -1;
    for (size_t i = 0; i < n; i++)
        sum += all[i].amount;
    qsort(all, n, sizeof(*all), by_amount);
    printf("%zu|%lld\n", n, sum);
    for (size_t i = 0; i < n; i++)
        printf("%lld|%lld|%d\n", (long long)all[i].id,
            (long long)all[i].amount, (int)all[i].shop);
    free(all);
    return fflush(stdout);
}

int main(int argc, char **argv) {
    static const struct callbacks callbacks = {.next = next, .done = done};
    unsigned char secret[SECRET_SIZE];
    struct config config = {
        .secret = secret,
        .jobs = CURSORS,
        .list_speed = LIST_KNOWN,
        .list_length = CURSORS,
        .destination = TO_ARRAYS,
    };
    struct result result;
    sqlite3 *db;
    if (argc != 2 || signals_init() < 0 || secret_make(secret) < 0 ||
        server_open(NULL) < 0 || fork_children(secret, argv[1]) < 0)
        return 1;
    /* Cursors do not begin before server(); from here until they have ended
     * nobody writes, so they all see the same.  This process forks no more. */
    if (open_database(argv[1], &db) != SQLITE_OK ||
        sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        say("unable to lock %s: %s", argv[1], sqlite3_errmsg(db));
        return 1;
    }
    int status = server(&config, &callbacks, &result);
    sqlite3_close(db);
    if (result.signal != 0)
        signals_die(result.signal);
    if (status < 0 || result.count[COMPLETE] < CURSORS)
        return 1;
    if (process_rows() < 0) {
        say("unable to process the rows: %s", strerror(errno));
        return 1;
    }
    return 0;
}
