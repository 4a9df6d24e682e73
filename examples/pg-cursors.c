/*
 * pg-cursors.c - twenty cursors at once in one PostgreSQL database.  Each runs
 * in a child, which fetches its rows into structures.  The parent ends up with
 * twenty arrays of them, adds up the amounts, sorts the rows, and prints what
 * psql -A -t prints for
 *
 *     SELECT count(*), sum(amount) FROM sale;
 *     SELECT id, amount, shop FROM sale ORDER BY amount, id;
 *
 * if there are rows, id is the primary key, and none of the integers is NULL.
 *
 * It links gather's parts as they are.  The server is the one that PGHOST,
 * PGDATABASE and so on name.  All cursors see the table as it was at one
 * moment: the parent takes a snapshot, whose name travels as the text of the
 * items, with the range of each.  Structures travel as they lie in memory,
 * since both ends are processes of one program on one machine.
 */
#include "../lib/gather.h"
#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CURSORS 20
#define BATCH 10000 /* rows that a cursor fetches at a time */
#define TEXT_SIZE 400

struct sale {
    int64_t id, amount;
    int32_t shop;
};

static char snapshot[100];         /* its name in the server */
static int64_t lowest, highest;    /* ids in it */
static struct sale *rows[CURSORS]; /* what has arrived, by cursor */
static size_t count[CURSORS];      /* of rows */

/* Runs a statement, if there is a connection.  Returns its result, for
 * PQclear(), or NULL if it failed, which it has said in the name of `who`. */
static PGresult *run(PGconn *db, const char *who, const char *sql) {
    PGresult *result = NULL;
    if (PQstatus(db) == CONNECTION_OK)
        result = PQexec(db, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return result;
    const char *message = PQerrorMessage(db);
    say("%s: %.*s", who, (int)strcspn(message, "\n"), message);
    PQclear(result);
    return NULL;
}

/* The same, for a statement whose result does not matter. */
static bool done_with(PGconn *db, const char *who, const char *sql) {
    PGresult *result = run(db, who, sql);
    PQclear(result);
    return result != NULL;
}

/* --- In the children */

/* Fetches and delivers the next rows.  Returns how many there were, or -1 if
 * that failed, or -2 when the parent is gone. */
static int deliver(PGconn *db, const char *who) {
    static struct sale batch[BATCH];
    char sql[TEXT_SIZE];
    snprintf(sql, sizeof(sql), "FETCH %d FROM part", BATCH);
    PGresult *result = run(db, who, sql);
    if (result == NULL)
        return -1;
    int n = PQntuples(result);
    memset(batch, 0, sizeof(batch)); /* gaps travel, too */
    for (int i = 0; i < n; i++) {
        batch[i].id = strtoll(PQgetvalue(result, i, 0), NULL, 10);
        batch[i].amount = strtoll(PQgetvalue(result, i, 1), NULL, 10);
        batch[i].shop = (int32_t)strtol(PQgetvalue(result, i, 2), NULL, 10);
    }
    PQclear(result);
    return xclient(batch, (size_t)n * sizeof(*batch)) == 0 ? n : -2;
}

/* Declares the cursor that the text of an item describes.  Servers that can
 * are asked to look every second whether the child is still there. */
static bool declare(PGconn *db, const char *who, const char *text) {
    static const char check[] =
        "SELECT set_config(name, '1s', false) FROM pg_settings WHERE "
        "name = 'client_connection_check_interval' AND version() ~ 'linux'";
    char name[sizeof(snapshot)];
    char sql[TEXT_SIZE];
    int64_t low;
    int64_t high;
    if (sscanf(text, "%99s %" SCNd64 " %" SCNd64, name, &low, &high) != 3)
        return false;
    snprintf(sql, sizeof(sql),
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
        "SET TRANSACTION SNAPSHOT '%s'; "
        "DECLARE part NO SCROLL CURSOR FOR SELECT id, amount, shop FROM sale "
        "WHERE id BETWEEN '%" PRId64 "' AND '%" PRId64 "'",
        name, low, high);
    return done_with(db, who, check) && done_with(db, who, sql);
}

/* A cursor: a session of its own, in the parent's snapshot.  One that fails
 * ends the run. */
static int fetch(
    uint32_t item, const char *text, struct ending *ending, void *arg) {
    char who[20];
    int n = -1;
    (void)arg;
    snprintf(who, sizeof(who), "cursor %u", (unsigned)item);
    PGconn *db = PQconnectdb("");
    if (declare(db, who, text)) {
        do {
            n = deliver(db, who);
        } while (n > 0);
    }
    PQfinish(db);
    if (n == -1)
        ending->value = 1; /* as if it were an exit status */
    return n == -2 ? -1 : 0;
}

/* --- In the parent */

/* Takes the snapshot, which is there as long as this transaction is. */
static bool take_snapshot(PGconn *db) {
    static const char sql[] =
        "SELECT pg_export_snapshot(), coalesce(min(id), 1), "
        "coalesce(max(id), 0) FROM sale";
    static const char who[] = "unable to take a snapshot";
    if (!done_with(db, who, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        return false;
    PGresult *result = run(db, who, sql);
    if (result == NULL)
        return false;
    snprintf(snapshot, sizeof(snapshot), "%s", PQgetvalue(result, 0, 0));
    lowest = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
    highest = strtoll(PQgetvalue(result, 0, 2), NULL, 10);
    PQclear(result);
    return true;
}

/* The list: a snapshot and a range of ids for each cursor.  Ids may be further
 * apart than an int64_t has room for. */
static int next(struct item *item) {
    uint64_t span = (uint64_t)highest - (uint64_t)lowest;
    uint64_t step = span / CURSORS + 1;
    uint64_t first = step * item->which;
    if (item->which >= CURSORS)
        return 0;
    item->text = malloc(TEXT_SIZE);
    if (item->text == NULL) {
        say("unable to name a part: %s", strerror(errno));
        return -1;
    }
    int64_t low = 1;
    int64_t high = 0; /* nothing is left for this one */
    if (lowest <= highest && first <= span) {
        low = (int64_t)((uint64_t)lowest + first);
        high = highest;
        if (step <= span - first)
            high = (int64_t)((uint64_t)low + step - 1);
    }
    item->length = (size_t)snprintf(
        item->text, TEXT_SIZE, "%s %" PRId64 " %" PRId64, snapshot, low, high);
    return 1;
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
static int fork_children(const unsigned char *secret) {
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
        _exit(client(&me, fetch, NULL) == CLIENT_LOST ? 1 : 0);
    }
    return 0;
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
    size_t n = 0;
    long long sum = 0;
    for (int i = 0; i < CURSORS; i++)
        n += count[i];
    struct sale *all = malloc(n * sizeof(*all) + 1);
    if (all == NULL)
        return -1;
    n = 0;
    for (int i = 0; i < CURSORS; i++)
        for (size_t j = 0; j < count[i]; j++) {
            all[n] = rows[i][j];
            sum += all[n].amount;
            n++;
        }
    qsort(all, n, sizeof(*all), by_amount);
    printf("%zu|%lld\n", n, sum);
    for (size_t i = 0; i < n; i++)
        printf("%lld|%lld|%d\n", (long long)all[i].id,
            (long long)all[i].amount, (int)all[i].shop);
    free(all);
    return fflush(stdout);
}

int main(void) {
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
    if (signals_init() < 0 || secret_make(secret) < 0 ||
        server_open(NULL) < 0 || fork_children(secret) < 0)
        return 1;
    /* A connection must not be used on both sides of a fork, so this one is
     * made now; children wait for server() to give them their items. */
    PGconn *db = PQconnectdb("");
    if (!take_snapshot(db))
        return 1;
    int status = server(&config, &callbacks, &result);
    PQfinish(db);
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
