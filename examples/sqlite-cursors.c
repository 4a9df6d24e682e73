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
 * It links server.o, client.o and signals.o as they are.  Structures travel as
 * they lie in memory, gaps and byte order included, since both ends are
 * processes of one program on one machine; anything else would have to write
 * them out member by member.  A pointer means nothing at the other end.
 */
#include "../protocol.h"

#include <sqlite3.h>

#define CURSORS 20

struct sale {
    int64_t id, amount;
    int32_t shop;
};

static struct run run; /* all zero: no option is in force */
static struct sale *rows[CURSORS];
static size_t count[CURSORS];

/* Opens the database for one process: a connection must not be used on both
 * sides of a fork.  Returns an SQLite status; *db is for sqlite3_close(). */
static int open_database(const char *file, sqlite3 **db) {
    int rc = sqlite3_open_v2(file, db, SQLITE_OPEN_READWRITE, NULL);
    return rc == SQLITE_OK ? sqlite3_busy_timeout(*db, 10000) : rc; /* ms */
}

/* Steps a cursor to its end, then delivers its rows.  Returns 0; an SQLite
 * status; or -1 when the parent is gone. */
static int deliver(sqlite3_stmt *cur) {
    struct sale *found = NULL;
    size_t n = 0, room = 0;
    int rc;
    while ((rc = sqlite3_step(cur)) == SQLITE_ROW) {
        if (n == room) {
            room = 2 * room + 1000;
            struct sale *more = realloc(found, room * sizeof(*found));
            if (more == NULL) break;
            found = more;
        }
        memset(&found[n], 0, sizeof(*found)); /* gaps travel, too */
        found[n].id = sqlite3_column_int64(cur, 0);
        found[n].amount = sqlite3_column_int64(cur, 1);
        found[n++].shop = sqlite3_column_int(cur, 2);
    }
    if (rc == SQLITE_DONE) rc = xclient(found, n * sizeof(*found));
    free(found);
    return rc;
}

/* A cursor, in its child: a part of the table, by ranges of id.  If it returns
 * another status than 0 the item has failed, and with it the run. */
static int fetch(uint32_t item, const char *text, void *file) {
    static const char sql[] =
        "SELECT id, amount, shop FROM sale, (SELECT min(id) AS low,"
        " max(id) / ?2 - min(id) / ?2 + 1 AS step FROM sale) "
        "WHERE id >= low + step * ?1 AND id < "
        "CASE ?1 + 1 WHEN ?2 THEN 9.3e18 ELSE low + step * (?1 + 1) END";
    sqlite3_stmt *cur = NULL;
    sqlite3 *db;
    (void)text;
    int rc = open_database(file, &db);
    if (rc == SQLITE_OK) rc = sqlite3_prepare_v2(db, sql, -1, &cur, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(cur, 1, item);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(cur, 2, CURSORS);
    if (rc == SQLITE_OK) rc = deliver(cur);
    if (rc > 0) say("cursor %u: %s", (unsigned)item, sqlite3_errmsg(db));
    sqlite3_finalize(cur);
    sqlite3_close(db);
    return rc;
}

/* The list: so many items, numbered, without texts. */
static int next(struct item *item) {
    (void)item;
    return run.given < CURSORS;
}

/* An item is over: takes its bytes, which were malloc()ed, as an array. */
static void done(struct item *item) {
    if (item->status != 0) return;
    rows[item->which] = (void *)item->data;
    count[item->which] = item->held / sizeof(struct sale);
    item->data = NULL;
}

static int by_amount(const void *a, const void *b) {
    const struct sale *x = a, *y = b;
    if (x->amount != y->amount) return x->amount < y->amount ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* All data are here: what the parent wanted them for. */
static int process(void) {
    size_t n = 0, k = 0;
    long long sum = 0;
    for (int i = 0; i < CURSORS; i++) n += count[i];
    struct sale *all = malloc(n * sizeof(*all) + 1);
    if (all == NULL) return -1;
    for (int i = 0; i < CURSORS; k += count[i++])
        if (count[i] > 0) memcpy(all + k, rows[i], count[i] * sizeof(*all));
    for (k = 0; k < n; k++) sum += all[k].amount;
    qsort(all, n, sizeof(*all), by_amount);
    printf("%zu|%lld\n", n, sum);
    for (k = 0; k < n; k++)
        printf("%lld|%lld|%d\n", (long long)all[k].id,
            (long long)all[k].amount, (int)all[k].shop);
    free(all);
    return fflush(stdout);
}

int main(int argc, char **argv) {
    sqlite3 *db;
    run.jobs = CURSORS;
    run.ready = run.keep = 1; /* the list is known; items stay in memory */
    run.next = next;
    run.done = done;
    if (argc != 2 || signals_init() < 0 || make_token(run.token) < 0 ||
        server_open(NULL) < 0)
        return 1;
    for (uint32_t k = 0; k < CURSORS; k++) {
        int pid = child_fork();
        if (pid < 0) return 1;
        if (pid > 0) continue;
        close(s); /* from here on the life of a child */
        _exit(client(run.token, k, fetch, argv[1]) != 0);
    }
    /* Cursors do not begin before server(); from here until they have ended
     * nobody writes, so they all see the same.  This process forks no more. */
    if (open_database(argv[1], &db) != SQLITE_OK ||
        sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        say("unable to lock %s: %s", argv[1], sqlite3_errmsg(db));
        return 1;
    }
    int result = server(&run);
    sqlite3_close(db);
    if (run.signal != 0) signals_die(run.signal);
    if (result == 0 && (result = process()) != 0)
        say("unable to process the rows: %s", strerror(errno));
    return result == 0 ? 0 : 1;
}
