/*
 * gather.pml - a model of how gather comes to its end: who waits for what, who
 * wakes whom, what is reported.  model.sh has spin check it, see there.
 *
 * What stands for what.  The program has one lock, so what a thread does from
 * taking it to giving it up is one atomic step here.  `pc` says where a thread
 * has given it up:
 *
 *   NEW       no connection yet           OPEN    opening(): in readn()
 *   MORE      next_item(): waits, q.more  LIST    list_item(): in run->next()
 *   HEAR      converse(): in hear(), for the next header; reply() before it
 *   ROOM      place(): wait_in_line()     FLUSHED place(): q.flushing is set
 *   HELD      receive(): in put(), what was held
 *   BODY      receive(): in hear()        PIECE   receive(): in put() again
 *   PUT       flush(): in put()           LINE    finish(): wait_in_line()
 *   LEARN     list_item(), called at the end of xserve(): in run->next()
 *   GONE      xserve() has returned
 *
 * The inline functions have the names of those they stand for: room(), grow(),
 * release(), place(), retire(), put(), flush(), put_back(), finish(),
 * open_file(), close_file(), list_item(), next_item(), attempt(), abort_run()
 * and serve() of server.c.  take() is waiting(), take_turn() the end of
 * finish(), listed_item() what next_item() does with list_item().  leave(),
 * learn() and close_conn() are the end of xserve().  What a thread does after
 * an abort is left out: it may as well have gone, which leave() is.
 * mainthread is server() with heed(), over(), watch() and admit(), and
 * signals.c below these; one step of it is what happens between two calls of
 * poll().  `wake` is a byte in the self-pipe.  world is everybody else:
 * children that connect, others who come, whoever kills them at any moment,
 * and sends a signal to gather.  What a client sends is chosen when its thread
 * reads it.  A dead client's data may have arrived before, all or some, and
 * then its end of file.
 *
 * A condition is exact: more[k] says that thread k waits for q.more, own[k]
 * that it waits for its conn's wake.  A signal wakes one that waits, any one,
 * and is lost if none does; nobody wakes by itself.
 *
 * Data are counted in pieces, item i has LENGTH(i) of them; a piece takes 1 of
 * memory, as does an item by itself, out of MEMORY (-m).
 *
 * Clients 0 to CHILDREN - 1 are the children.  The OTHERS behind them are not
 * forked: up to so many at a time, each a place where, when one has gone, the
 * next may come.  They are guests, who take any item (-c), those with one wish
 * (-c -w), any of 0 to ITEMS, of which ITEMS is not in the list; or strangers,
 * whom opening() refuses, for what they said or since its time is up.  All of
 * them may come, or fewer.  Who is too slow (cn->left) counts as killed.
 *
 * With FILES (-o) an item has a file: part[i] says that item->fd is open,
 * file[i] that it has got its final name.
 *
 * Left out: arrays (run.keep), which have no turns; pass(), which is BODY and
 * PIECE at once; the deadline of over(), which ends who does not go by
 * himself, and whoever an abort finds outside a full house; a shortage of
 * memory itself, which aborts.
 *
 * Options of the run: CHILDREN (-j), ITEMS, MEMORY, RETRIES (-r), KEEP_GOING
 * (-k), UNORDERED (-u), FILES (-o), READY (run.ready), LIMIT (run.limit).
 * run.remote is set if GUESTS or PICKY are, run.prompt unless STALL is.  What
 * may happen in it: KILLS, so many clients are killed; FAILURES, so many runs
 * of items fail; FAULTS, so many calls for a file fail; TERM, a signal
 * arrives; STALL, the list stops without an end; GUESTS, PICKY and STRANGERS,
 * so many others come, of those with any wish, with one, and without the
 * token.
 *
 * What is proven, by the assertions below and by the absence of states where
 * nothing can go on: the run ends.  An item is reported once, and complete
 * only if its end said so and each of its pieces has been written once, and
 * always if nothing happens but strangers.  Pieces are written by one thread
 * at a time, item by item, in order unless UNORDERED.  With FILES there is a
 * file under the final name if and only if the item is complete, and no .part
 * in the end.  Memory stays within the limit, except for what room() names.
 * If the list stalls, all that came from it is out; but an item that is to run
 * again waits if the only thread left is the one that reads the list.  That
 * there is no endless busy loop is proven by a search for cycles.
 *
 * Others: who wants one item gets no other, and that one unless somebody else
 * has or had it, or it is not in the list.  The run may only wait for more of
 * them while nobody is there, which it has said, and either the item whose
 * turn it is waits for a client, or none has ever been let in.  A stranger
 * does not have the list read, and keeps nobody out for good; nor do others
 * keep children out.
 */
#ifndef CHILDREN
#define CHILDREN 3
#endif
#ifndef ITEMS
#define ITEMS 5
#endif
#ifndef MEMORY
#define MEMORY 2
#endif
#ifndef RETRIES
#define RETRIES 0
#endif
#ifndef KEEP_GOING
#define KEEP_GOING 0
#endif
#ifndef UNORDERED
#define UNORDERED 0
#endif
#ifndef READY
#define READY 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef FAILURES
#define FAILURES 0
#endif
#ifndef TERM
#define TERM 0
#endif
#ifndef STALL
#define STALL 0
#endif
#define PROMPT (!STALL)
#ifndef LENGTH
#define LENGTH(i) ((2 * (i) + 2) % 3) /* 2, 1, 0, 2, 1 */
#endif

#ifndef OTHERS
#define OTHERS 0
#endif
#ifndef LIMIT
#define LIMIT (CLIENTS + 1)
#endif
#ifndef GUESTS
#define GUESTS 0
#endif
#ifndef PICKY
#define PICKY 0
#endif
#ifndef STRANGERS
#define STRANGERS 0
#endif
#ifndef FILES
#define FILES 0
#endif
#ifndef FAULTS
#define FAULTS 0
#endif

#ifndef BREAK_RETRY
#define BREAK_RETRY 0
#endif

#define CLIENTS (CHILDREN + OTHERS) /* threads at a time, at most */
#define REMOTE (GUESTS + PICKY > 0) /* run->remote */
#define ORDERED (!UNORDERED && !FILES)
#define NOBODY 15 /* no item, no thread; any item */

/* Where a thread is; see above. */
#define NEW 0
#define OPEN 1
#define MORE 2
#define LIST 3
#define LEARN 4
#define HEAR 5
#define ROOM 6
#define FLUSHED 7
#define HELD 8
#define BODY 9
#define PIECE 10
#define PUT 11
#define LINE 12
#define GONE 13

/* Where flush() was called: in receive(), which goes on, or returns 0; at the
 * end of finish(), and then there is a client, or not. */
#define AGAIN 0
#define FAIL 1
#define NEXT 2
#define QUIT 3

/* What a thread does next, while it has the lock. */
#define STOP 0
#define NEXT_ITEM 1
#define LIST_ITEM 2
#define ATTEMPT 3
#define PLACE 4
#define RECEIVED 5
#define FINISH 6
#define TAKE_TURN 7
#define FLUSH 8
#define GO_ON 9
#define LEAVE 10
#define CLOSE 11
#define PUT_BACK 12 /* and `then` */
#define RETIRE 13

/* What is known of an item's run (item->status), and of its report. */
#define OK 0
#define FAILED 1
#define LOST 2
#define UNSAID 3

/* A client: runs; has ended; has been reaped.  Its connection. */
#define NONE 0
#define ALIVE 0
#define DEAD 1
#define REAPED 2
#define QUEUED 1
#define SERVED 2

/* struct item */
byte tries[ITEMS];
byte status[ITEMS];
byte held[ITEMS];  /* pieces in memory */
byte space[ITEMS]; /* item->room */
bit written[ITEMS];
bit done[ITEMS];
bit waiting[ITEMS];
bit promised[ITEMS];
bit busy[ITEMS];
byte owner[ITEMS];
bit part[ITEMS]; /* item->fd: its file is open, as .part */

/* q and run */
unsigned pending : 3; /* q.waiting */
unsigned turn : 4 = NOBODY;
bit flushing;
byte line[CLIENTS];
unsigned lined : 3;
unsigned total : 5; /* q.held */
unsigned open : 3;
unsigned given : 3;
unsigned threads : 3;
bit reading, listed, aborted;

/* conditions, threads, clients */
bit more[CLIENTS];
bit own[CLIENTS];
byte pc[CLIENTS];
byte cn_item[CLIENTS];
byte wanted[CLIENTS];
bit picky[CLIENTS];    /* came with -w */
bit stranger[CLIENTS]; /* has no token */
byte sent[CLIENTS];    /* pieces of this run so far */
bit out[CLIENTS];      /* what place() returned */
byte back[CLIENTS];    /* where flush() returns to */
byte child[CLIENTS];
byte conn[CLIENTS];
unsigned children : 2 = CHILDREN;
bit wake, term, told, finished;
bit looking = 1; /* poll() waits for connections, too */

/* what the assertions need, and what the world may still do */
byte said[ITEMS];  /* the report */
byte wrote[ITEMS]; /* pieces of it on standard output, or in its file */
bit file[ITEMS];   /* its file has its name */
bit taken[ITEMS];  /* somebody has or had it, and has not failed */
unsigned over : 3; /* items that have been retired */
bit writing, came; /* a client of others was let in */
unsigned kills : 2 = KILLS;
unsigned failures : 2 = FAILURES;
unsigned terms : 1 = TERM;
unsigned faults : 1 = FAULTS;
unsigned guests : 2 = GUESTS;
unsigned pickies : 3 = PICKY;
unsigned strangers : 2 = STRANGERS;
bit stalled;

/* --- conditions */

inline signal_more() {
    if
    :: more[0] -> more[0] = 0
    :: CLIENTS > 1 && more[1 % CLIENTS] -> more[1 % CLIENTS] = 0
    :: CLIENTS > 2 && more[2 % CLIENTS] -> more[2 % CLIENTS] = 0
    :: CLIENTS > 3 && more[3 % CLIENTS] -> more[3 % CLIENTS] = 0
    :: else
    fi
}

inline broadcast_more() {
    d_step {
        more[0] = 0;
        more[1 % CLIENTS] = 0;
        more[2 % CLIENTS] = 0;
        more[3 % CLIENTS] = 0
    }
}

inline signal_line() {
    if
    :: lined > 0 -> own[line[0]] = 0
    :: else
    fi
}

inline enqueue(me) {
    line[lined] = me;
    lined++;
    own[me] = 1
}

inline dequeue(me) {
    d_step {
        b = 0;
        do
        :: line[b] != me -> b++
        :: else -> break
        od;
        lined--;
        do
        :: b < lined -> line[b] = line[b + 1]; b++
        :: else -> break
        od;
        line[lined] = 0;
        b = 0
    }
}

/* --- memory */

#ifdef BREAK_EXCEED
#define nobody_has_turn false
#else
#define nobody_has_turn \
    (turn != NOBODY && waiting[turn % ITEMS] && !promised[turn % ITEMS])
#endif
#define room(n) (total + (n) <= MEMORY || nobody_has_turn)
#define holding(i) ((UNORDERED || RETRIES > 0) && !written[i])
#define ended (aborted || (listed && open == 0))

/* grow() with n = 1: allocates one more, or two if it has one. */
inline grow(i, from, exceed) {
    grown = 1;
    if
    :: from + 1 <= space[i]
    :: else ->
        if
#ifndef BREAK_LIMIT
        :: !exceed && !room(1) -> grown = 0
#endif
        :: else ->
            space[i] = space[i] + 1;
            total++;
            assert(total <= MEMORY || exceed || nobody_has_turn)
        fi
    fi
}

inline release(i) {
    total = total - space[i];
    space[i] = 0;
    held[i] = 0;
    signal_line();
    if
    :: !listed -> signal_more()
    :: else
    fi
}

/* --- the end of an item */

/* run->done(): the report. */
inline report(i, how) {
    assert(said[i] == UNSAID);
    said[i] = how;
    assert(how != OK || wrote[i] == LENGTH(i));
    assert(!FILES || file[i] == (how == OK))
}

inline retire(i) {
    report(i, status[i]);
    assert(held[i] == 0);
    release(i);
    total--;
    assert(!ORDERED || over == i);
    over++;
    turn = (ORDERED && i + 1 < given -> i + 1 : NOBODY);
    open--;
    if
    :: open == 0 ->
#ifdef BREAK_LAST
        wake = (wake || listed);
#else
        wake = 1;
#endif
        if
#ifndef BREAK_BROADCAST
        :: listed -> signal_more()
#endif
        :: else
        fi
    :: else
    fi;
    d_step { /* nothing of it matters any more */
        status[i] = OK; written[i] = 0; done[i] = 0; busy[i] = 0;
        tries[i] = 0; owner[i] = NOBODY
    }
}

/* Its client loses its connection, and ends. */
inline hang_up(k) {
    if
    :: child[k] == ALIVE && conn[k] == SERVED ->
        child[k] = DEAD;
        wake = (wake || k < CHILDREN)
    :: else
    fi
}

/* What it does to everybody else comes at the end of the step. */
inline abort_run() {
    ending = (ending || !aborted);
    aborted = 1
}
inline abort_rest() {
    if
    :: ending ->
        ending = 0;
        for (b : 0 .. CLIENTS - 1) {
            hang_up(b);
            own[b] = 0
        }
        b = 0;
        broadcast_more();
        wake = 1
    :: else
    fi
}

inline put_back(i) {
    waiting[i] = 1;
    pending++;
    owner[i] = NOBODY;
    taken[i] = 0;
    if
    :: UNORDERED && turn == i -> turn = NOBODY
    :: else
    fi;
    release(i);
#ifndef BREAK_PUT_BACK
    broadcast_more()
#endif
}

/* waiting(): the item, or NOBODY, is in `i` then. */
inline take(want) {
    d_step {
        i = 0;
        do
        :: i == ITEMS -> i = NOBODY; break
        :: i < ITEMS && waiting[i] &&
           (want == NOBODY -> !promised[i] : want == i) ->
            waiting[i] = 0;
            promised[i] = 0;
            pending--;
            break
        :: else -> i++
        od
    }
    if
    :: i != NOBODY && pending == 0 && listed -> signal_more()
    :: else
    fi
}

/* --- files */

/* The disk is full, at any of these moments: the run is aborted. */
inline open_file(i) {
    wrote[i] = 0;
    if
    :: part[i] = 1
    :: faults > 0 -> faults--; abort_run()
    fi
}

inline close_file(i) {
    part[i] = 0;
    if
#ifdef BREAK_CLOSE
    :: file[i] = 1
#else
    :: status[i] == OK -> file[i] = 1
#endif
    :: status[i] == OK && faults > 0 ->
        faults--;
        abort_run();
#ifndef BREAK_RENAME
        status[i] = LOST
#endif
    :: status[i] != OK
    fi
}

/* --- what threads do; each of these ends where the lock is given up */

/* put(): begins to write what item i holds; written() is the rest. */
inline put(i) {
    assert(!writing && held[i] > 0);
    assert(FILES || turn == i);
    assert(!ORDERED || over == i);
    writing = !FILES;
    written[i] = !FILES
}
inline put_done(i) {
    d_step {
        writing = 0;
        wrote[i] = wrote[i] + held[i];
        for (b : 0 .. ITEMS - 1) { /* one after the other */
            assert(FILES || b == i || wrote[b] == 0 || said[b] != UNSAID)
        }
        b = 0;
        held[i] = 0
    }
    if
    :: FILES && faults > 0 && !aborted -> faults--; abort_run()
    :: true
    fi
}

#ifdef BREAK_CURIOUS
#define LOOKS(me) true
#else
#define LOOKS(me) !stranger[me]
#endif

/* The end of xserve(): first what may be a last look at the list. */
inline leave(me) {
    if
#ifndef BREAK_LEARN
    :: REMOTE && open == 0 && !ended && !reading && LOOKS(me) ->
        assert(!stranger[me]);
        begin_list();
        pc[me] = LEARN
#endif
    :: else -> act = CLOSE
    fi
}
inline close_conn(me) {
    threads--;
    pc[me] = GONE;
    cn_item[me] = NOBODY;
    sent[me] = 0;
    out[me] = 0;
    hang_up(me);
#ifndef BREAK_WAKE
    wake = (wake || !aborted); /* after that it sleeps, in fact */
#endif
    if
    :: me >= CHILDREN -> /* somebody else may come */
        pc[me] = NEW;
        conn[me] = NONE;
        child[me] = ALIVE;
        wanted[me] = NOBODY;
        picky[me] = 0;
        stranger[me] = 0
    :: else
    fi
}

/* Goes as far as the next put(), with pc at PUT; or to an item to RETIRE, from
 * where it begins again; or there is none. */
inline flush(me) {
    act = GO_ON;
    if
    :: !aborted && !flushing && turn != NOBODY ->
        if
        :: (done[turn] || (!busy[turn] && !holding(turn))) &&
           held[turn] > 0 ->
#ifndef BREAK_FLUSHING
            flushing = 1;
#endif
            put(turn);
            pc[me] = PUT;
            act = STOP
        :: done[turn] && held[turn] == 0 -> t = turn; act = RETIRE
        :: else
        fi
    :: else
    fi;
    if
    :: act != GO_ON
    :: else ->
        if
#ifndef BREAK_OWNER
        :: turn != NOBODY && owner[turn % ITEMS] != NOBODY ->
            own[owner[turn % ITEMS]] = 0
#endif
        :: else -> signal_line()
        fi
    fi
}

/* Returns with pc at ROOM, FLUSHED, HELD or BODY. */
inline place(me, i) {
    out[me] = 0;
    if
    :: turn == i && flushing -> own[me] = 1; pc[me] = FLUSHED
    :: else ->
        grown = 0;
        if
#ifndef BREAK_TURN
        :: FILES || (turn == i && !holding(i)) -> out[me] = 1
#endif
        :: else -> grow(i, held[i], 0)
        fi;
        if
        :: !out[me] && !grown ->
            if
            :: UNORDERED && turn == NOBODY -> turn = i
            :: else
            fi;
#ifndef BREAK_TURN
            out[me] = (turn == i)
#endif
        :: else
        fi;
        if
        :: out[me] -> grow(i, 0, 1)
        :: else
        fi;
        if
        :: !out[me] && !grown -> enqueue(me); pc[me] = ROOM
        :: else ->
            busy[i] = 1;
            if
            :: room(1) || turn == NOBODY -> signal_line()
            :: else
            fi;
            if
            :: out[me] && held[i] > 0 -> put(i); pc[me] = HELD
            :: else -> pc[me] = BODY
            fi
        fi
    fi
}

/* list_item(), up to run->next(), and when that has returned; then the item,
 * or NOBODY, is in `i`. */
inline begin_list() {
    reading = 1;
#ifndef BREAK_TOLD
    wake = (wake || children == 0)
#endif
}
inline list_item() {
    reading = 0;
#ifndef BREAK_PROMPT
    wake = (wake || aborted);
#endif
    if
    :: given < ITEMS ->
        i = given;
        given++;
        if
        :: ORDERED && turn == NOBODY -> turn = i
        :: else
        fi;
        open++;
        total++;
        signal_more()
    :: else ->
        i = NOBODY;
        listed = 1;
#ifndef BREAK_LISTED
        broadcast_more();
#endif
        wake = 1
    fi
}

/* The first half, up to the client's answer; item i. */
inline attempt(me) {
    status[i] = LOST;
    assert(!picky[me] || wanted[me] == i);
    if
    :: child[me] != ALIVE -> /* ready() */
        act = PUT_BACK;
        then = LEAVE
    :: else ->
        tries[i]++;
        taken[i] = 1;
        owner[i] = me;
        cn_item[me] = i;
        pc[me] = HEAR;
        if
        :: FILES -> open_file(i)
        :: else
        fi
    fi
}

/* From its beginning, or where it has been woken. */
inline next_item(me) {
    act = STOP;
    i = NOBODY;
    if
    :: !aborted -> take(wanted[me])
    :: else
    fi;
    if
    :: aborted -> act = LEAVE
    :: !aborted && i != NOBODY -> act = ATTEMPT
    :: !aborted && i == NOBODY && !picky[me] && wanted[me] != NOBODY ->
        wanted[me] = NOBODY; /* no promise holds twice */
        act = NEXT_ITEM
    :: else ->
        if
        :: (picky[me] && wanted[me] < given) ||
#ifdef BREAK_ASK
           picky[me] ||
#endif
           (listed && (picky[me] ||
               (pending == 0 && (open == 0 || RETRIES == 0)))) ->
            assert(!picky[me] || wanted[me] >= ITEMS ||
                   taken[wanted[me] % ITEMS]);
#ifndef BREAK_CHAIN
            signal_more();
#endif
            act = LEAVE
        :: else ->
            if
            :: !listed && !reading &&
               (picky[me] || open < threads || room(1)) ->
                begin_list();
                pc[me] = LIST
            :: else -> more[me] = 1; pc[me] = MORE
            fi
        fi
    fi
}
inline listed_item(me) {
    list_item();
    then = (pc[me] == LEARN -> CLOSE : NEXT_ITEM);
    act = then;
    if
#ifdef BREAK_WANTED
    :: i != NOBODY && pc[me] == LIST -> act = ATTEMPT
#else
    :: i != NOBODY && pc[me] == LIST && !picky[me] -> act = ATTEMPT
#endif
    :: i != NOBODY && (pc[me] == LEARN || picky[me]) -> act = PUT_BACK
    :: else
    fi
}

/* Has `st` been sent by the client, or LOST. */
inline finish(me, st) {
    i = cn_item[me];
    status[i] = st;
    back[me] =
        (st == LOST || (st != OK && picky[me] && RETRIES > 0) -> QUIT : NEXT);
    sent[me] = 0;
    out[me] = 0;
    owner[i] = NOBODY;
    act = TAKE_TURN;
    if
    :: FILES -> close_file(i)
    :: else
    fi;
    if
    :: st != OK && tries[i] <= RETRIES && (!written[i] || BREAK_RETRY) ->
        cn_item[me] = NOBODY;
        act = PUT_BACK;
        then = FLUSH
    :: else ->
        done[i] = 1;
        if
        :: st != OK && !KEEP_GOING -> abort_run()
        :: else
        fi;
        if
        :: FILES -> cn_item[me] = NOBODY; t = i; act = RETIRE
        :: !FILES && aborted -> act = LEAVE
        :: else ->
            if
            :: !written[i] && (st == LOST || (st != OK && RETRIES > 0)) ->
                release(i)
            :: else
            fi
        fi
    fi
}

/* The end of finish(), from where it waits for the turn, without order. */
inline take_turn(me) {
    i = cn_item[me];
    act = STOP;
    if
    :: UNORDERED && turn != NOBODY && turn != i -> enqueue(me); pc[me] = LINE
    :: else ->
        if
#ifdef BREAK_ORDER
        :: true -> turn = i
#else
        :: UNORDERED -> turn = i
        :: else
#endif
        fi;
        cn_item[me] = NOBODY;
        act = FLUSH
    fi
}

/* What comes behind flush(). */
inline go_on(me) {
    act = STOP;
    pc[me] = HEAR;
    if
    :: back[me] == AGAIN
    :: back[me] == FAIL -> st = LOST; act = FINISH
    :: back[me] == NEXT -> act = NEXT_ITEM
    :: back[me] == QUIT -> act = LEAVE
    fi;
    back[me] = AGAIN
}

/* --- the processes */

/* A stranger goes when opening() gives up. */
#ifdef BREAK_OPENING
#define STAYS(me) !(pc[me] == OPEN && stranger[me])
#else
#define STAYS(me) true
#endif

/* Is the lock all that thread `me` needs? */
#define runs(me) \
    (pc[me] != NEW && pc[me] != GONE && !(pc[me] == MORE && more[me]) && \
     !((pc[me] == LIST || pc[me] == LEARN) && stalled) && STAYS(me) && \
     !((pc[me] == ROOM || pc[me] == FLUSHED || pc[me] == LINE) && own[me]))

/* What it does then: first where it was, then, in turn, what `act` says. */
proctype xserve(byte me) {
    byte i, b, t, st, act, then;
    bit grown, ending;
    do
    :: atomic { runs(me) ->
        act = STOP;
        i = cn_item[me];
        if
        :: pc[me] == ROOM || pc[me] == LINE -> dequeue(me)
        :: pc[me] == HELD || pc[me] == PIECE -> put_done(i)
        :: pc[me] == PUT -> i = turn; put_done(i); flushing = 0
        :: else
        fi;
        if
#ifdef BREAK_TOKEN
        :: pc[me] == OPEN ->
#else
        :: pc[me] == OPEN && !stranger[me] ->
#endif
            came = (came || me >= CHILDREN);
            act = NEXT_ITEM
        :: pc[me] == OPEN && (child[me] != ALIVE || stranger[me]) ->
            act = LEAVE
        :: pc[me] == MORE -> act = NEXT_ITEM
        :: pc[me] == LIST || pc[me] == LEARN -> act = LIST_ITEM
        :: (pc[me] == LIST || pc[me] == LEARN) && STALL && !READY ->
            stalled = 1
        :: aborted && pc[me] == HEAR && sent[me] == LENGTH(i) ->
            status[i] = OK; /* the end came before the abort */
            done[i] = 1;
            act = LEAVE
        :: aborted && pc[me] > LEARN -> act = LEAVE
        :: !aborted && pc[me] == HEAR && sent[me] < LENGTH(i) -> act = PLACE
        :: !aborted && pc[me] == HEAR && sent[me] == LENGTH(i) ->
            st = OK;
            act = FINISH
        :: !aborted && pc[me] == HEAR && failures > 0 ->
            failures--;
            st = FAILED;
            act = FINISH
        :: !aborted && pc[me] == HEAR &&
           (child[me] != ALIVE || stranger[me]) ->
#ifdef BREAK_EOF
            st = OK;
#else
            st = LOST;
#endif
            act = FINISH
        :: !aborted && (pc[me] == ROOM || pc[me] == FLUSHED) -> act = PLACE
        :: !aborted && pc[me] == HELD -> pc[me] = BODY
        :: !aborted && pc[me] == BODY ->
            held[i]++;
            sent[me]++;
            act = RECEIVED
        :: !aborted && pc[me] == BODY && child[me] != ALIVE ->
            back[me] = FAIL;
            act = RECEIVED
        :: !aborted && pc[me] == PIECE -> busy[i] = 0; pc[me] = HEAR
        :: !aborted && pc[me] == PUT -> act = FLUSH
        :: !aborted && pc[me] == LINE -> act = TAKE_TURN
        fi;
        do
        :: act == STOP -> break
        :: act == NEXT_ITEM -> next_item(me)
        :: act == LIST_ITEM -> listed_item(me)
        :: act == ATTEMPT -> act = STOP; attempt(me)
        :: act == PLACE -> act = STOP; place(me, i)
        :: act == RECEIVED ->
            if
            :: out[me] && held[i] > 0 -> put(i); pc[me] = PIECE; act = STOP
            :: else ->
                busy[i] = 0;
                act = (!out[me] && turn == i -> FLUSH : GO_ON)
            fi
        :: act == FINISH -> finish(me, st)
        :: act == TAKE_TURN -> take_turn(me)
        :: act == FLUSH -> pc[me] = HEAR; flush(me)
        :: act == GO_ON -> go_on(me)
        :: act == LEAVE -> act = STOP; leave(me)
        :: act == CLOSE -> act = STOP; close_conn(me)
        :: act == PUT_BACK -> put_back(i); act = then
        :: act == RETIRE -> retire(t); act = (aborted -> LEAVE : FLUSH)
        od;
        abort_rest();
        d_step { i = 0; b = 0; t = 0; st = 0; then = 0; grown = 0 }
    }
    :: finished -> break
    od
}

/* What may happen to client k: a child connects; others come, as long as there
 * are some, and connect; anybody is killed. */
#define QUEUE(k) (conn[k] == QUEUED)
#define FREE(k) \
    (k >= CHILDREN && conn[k] == NONE && \
     (k == CHILDREN || conn[(k + CLIENTS - 1) % CLIENTS] != NONE))
#define FATE(k) \
    :: atomic { k < CHILDREN && child[k] == ALIVE && conn[k] == NONE -> \
        conn[k] = QUEUED \
    } \
    :: atomic { FREE(k) && guests > 0 -> guests--; conn[k] = QUEUED } \
    :: atomic { FREE(k) && strangers > 0 -> \
        strangers--; \
        stranger[k] = 1; \
        conn[k] = QUEUED \
    } \
    :: atomic { FREE(k) && pickies > 0 -> \
        pickies--; \
        picky[k] = 1; \
        wanted[k] = 0; \
        do \
        :: wanted[k] < ITEMS -> wanted[k]++ \
        :: break \
        od; \
        conn[k] = QUEUED \
    } \
    :: atomic { child[k] == ALIVE && kills > 0 && \
                (k < CHILDREN || conn[k] != NONE) -> \
        kills--; \
        child[k] = DEAD; \
        wake = (wake || k < CHILDREN) \
    }

proctype world() {
    do
    FATE(0)
#if CLIENTS > 1
    FATE(1)
#endif
#if CLIENTS > 2
    FATE(2)
#endif
#if CLIENTS > 3
    FATE(3)
#endif
    :: atomic { kills > 0 -> kills = 0 }
    :: atomic { strangers > 0 -> strangers = 0 }
    :: atomic { guests > 0 -> guests = 0 }
    :: atomic { pickies > 0 -> pickies = 0 }
    :: atomic { terms > 0 -> terms = 0; term = 1; wake = 1 }
    :: atomic { terms > 0 -> terms = 0 }
    :: finished -> break
    od
}

#define arrived \
    (looking && (QUEUE(0) || QUEUE(1 % CLIENTS) || QUEUE(2 % CLIENTS) || \
     QUEUE(3 % CLIENTS)))

inline serve(k) {
    conn[k] = SERVED;
    pc[k] = OPEN;
    threads++
}

/* Nothing can go on.  Only a list that stalls may do that; or if others may
 * come, that nobody is there, which has been said: then the turn is that of an
 * item for which nobody has come, or nobody at all has.  Who is there, and
 * would take any item, takes those that wait. */
inline quiet() {
    if
    :: !REMOTE ->
        assert(stalled && children > 0);
        assert(open == 0 || (threads == 1 && pending > 0))
    :: else ->
        assert(stalled || (threads == 0 && children == 0 && !ended));
        assert(stalled || told);
        assert(stalled || open > 0 || !came);
        assert(open == 0 ||
               (ORDERED -> waiting[turn % ITEMS] : pending == open));
        for (k : 0 .. CLIENTS - 1) {
            assert(pending == 0 || pc[k] != MORE || picky[k])
        }
    fi
}

active proctype mainthread() {
    byte k, b, i;
    bit ending;
    atomic {
        for (k : 0 .. ITEMS - 1) {
            said[k] = UNSAID;
            owner[k] = NOBODY
        }
        for (k : 0 .. CLIENTS - 1) {
            cn_item[k] = NOBODY;
            wanted[k] = (k < CHILDREN -> k : NOBODY);
            if
#ifdef BREAK_SHUT_OUT
            :: READY && k < CHILDREN && k < ITEMS ->
#else
            :: READY && !REMOTE && k < CHILDREN && k < ITEMS ->
#endif
                list_item();
                put_back(i);
                promised[i] = 1
            :: else
            fi;
            run xserve(k)
        }
        wake = REMOTE; /* heed() comes before watch() */
        k = 0;
        i = 0;
        run world()
    }
    do
    :: atomic { wake || arrived ->
        wake = 0;
        do /* admit() */
        :: threads < LIMIT && QUEUE(0) -> serve(0)
        :: threads < LIMIT && QUEUE(1 % CLIENTS) -> serve(1 % CLIENTS)
        :: threads < LIMIT && QUEUE(2 % CLIENTS) -> serve(2 % CLIENTS)
        :: threads < LIMIT && QUEUE(3 % CLIENTS) -> serve(3 % CLIENTS)
        :: else -> break
        od;
        for (k : 0 .. CHILDREN - 1) { /* heed() */
            if
            :: child[k] == DEAD ->
                child[k] = REAPED;
                children--;
#ifndef BREAK_PROMISE
                take(k);
                if
                :: i != NOBODY -> put_back(i)
                :: else
                fi
#endif
            :: else
            fi
        }
        k = 0;
        i = 0;
        if
#if !defined BREAK_NO_CHILD && !defined BREAK_READER
        :: children == 0 && !REMOTE && !ended &&
           (threads == 0 ||
            (reading && (threads == 1 || open == 0))) -> abort_run()
#endif
#ifdef BREAK_READER
        :: children == 0 && !REMOTE && !ended &&
           (threads == 0 || (reading && open == 0)) -> abort_run()
#endif
#ifdef BREAK_SAY
        :: children == 0 && REMOTE && threads == 0 && !ended && open > 0 ->
#else
        :: children == 0 && REMOTE && threads == 0 && !ended ->
#endif
            told = 1
        :: else
        fi;
        if
        :: term -> term = 0; abort_run()
        :: else
        fi;
        abort_rest();
        looking = (threads < LIMIT);
        if
        :: ended && children == 0 && !(reading && PROMPT) &&
           (aborted || threads == 0) ->
            break /* over() */
        :: else
        fi
    }
    :: timeout -> quiet(); goto stop
    od;
    atomic {
        assert(aborted || (given == ITEMS && over == ITEMS));
        for (k : 0 .. ITEMS - 1) {
            if
            :: k < given && said[k] == UNSAID ->
#ifndef BREAK_PART
                part[k] = 0;
#endif
#ifndef BREAK_REPORT
                status[k] = (status[k] == OK -> LOST : status[k]);
#endif
                report(k, status[k])
            :: else
            fi;
            assert(!part[k]);
            assert(KILLS + FAILURES + FAULTS + TERM > 0 || said[k] == OK)
        }
    }
stop:
    finished = 1
}
