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
 *   GONE      xserve() has returned
 *
 * The inline functions have the names of those they stand for: room(), grow(),
 * release(), place(), retire(), flush(), put_back(), finish(), list_item(),
 * next_item(), attempt() and abort_run() of server.c; take_turn() is the end
 * of finish().  What a thread does after an abort is left out: it may as well
 * have gone, which leave() is.  mainthread is server()
 * with heed(), over(), watch() and admit(), and signals.c below these; one
 * step of it is what happens between two calls of poll().  `wake` is a byte
 * in the self-pipe.  world is everybody else: children that connect, whoever
 * kills them at any moment, and sends a signal to gather.  What a client sends
 * is chosen when its thread reads it.  A dead client's data may have arrived
 * before, all or some, and then its end of file.
 *
 * A condition is exact: more[k] says that thread k waits for q.more, own[k]
 * that it waits for its conn's wake.  A signal wakes one that waits, any one,
 * and is lost if none does; nobody wakes by itself.
 *
 * Data are counted in pieces, item i has LENGTH(i) of them; a piece takes 1 of
 * memory, as does an item by itself, out of MEMORY (-m).  Left out: files (-o)
 * and arrays (run.keep), which have no turns; strangers; the deadline of
 * over(), which nobody needs here; a shortage of memory itself, which aborts.
 *
 * Options of the run: CHILDREN, ITEMS, MEMORY, RETRIES (-r), KEEP_GOING (-k),
 * UNORDERED (-u), READY (run.ready).  What may happen in it: KILLS, so many
 * children are killed; FAILURES, so many runs of items fail; TERM, a signal
 * arrives; STALL, the list stops without an end.
 *
 * What is proven, by the assertions below and by the absence of states where
 * nothing can go on: the run ends.  An item is reported once, and complete
 * only if its end said so and each of its pieces has been written once.
 * Pieces are written by one thread at a time, item by item, in order unless
 * UNORDERED.  Memory stays within the limit, except for what room() names.
 * If the list stalls, all that came from it is out; but an item that is to run
 * again waits if the only thread left is the one that reads the list.  That
 * there is no endless busy loop is proven by a search for cycles.
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
#ifndef LENGTH
#define LENGTH(i) ((2 * (i) + 2) % 3) /* 2, 1, 0, 2, 1 */
#endif

#ifndef BREAK_RETRY
#define BREAK_RETRY 0
#endif

#define NOBODY 15 /* no item, no thread */

/* Where a thread is; see above. */
#define NEW 0
#define OPEN 1
#define MORE 2
#define LIST 3
#define HEAR 4
#define ROOM 5
#define FLUSHED 6
#define HELD 7
#define BODY 8
#define PIECE 9
#define PUT 10
#define LINE 11
#define GONE 12

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

/* What is known of an item's run (item->status), and of its report. */
#define OK 0
#define FAILED 1
#define LOST 2
#define UNSAID 3

/* A child: runs; has ended; has been reaped.  Its connection. */
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
bit busy[ITEMS];
byte owner[ITEMS];

/* q and run */
byte first[CHILDREN];
unsigned promised : 2;
byte stack[ITEMS]; /* q.waiting, the last is taken first */
unsigned stacked : 3;
unsigned turn : 4 = NOBODY;
bit flushing;
byte line[CHILDREN];
unsigned lined : 2;
unsigned total : 5; /* q.held */
unsigned open : 3;
unsigned given : 3;
unsigned threads : 2;
bit reading, listed, aborted;

/* conditions, threads, children */
bit more[CHILDREN];
bit own[CHILDREN];
byte pc[CHILDREN];
byte cn_item[CHILDREN];
byte sent[CHILDREN]; /* pieces of this run so far */
bit out[CHILDREN];           /* what place() returned */
byte back[CHILDREN]; /* where flush() returns to */
byte child[CHILDREN];
byte conn[CHILDREN];
unsigned children : 2 = CHILDREN;
bit wake, term, finished;

/* what the assertions need, and what the world may still do */
byte said[ITEMS];  /* the report */
byte wrote[ITEMS]; /* pieces of it on standard output */
unsigned over : 3;         /* items that have been retired */
bit writing;
unsigned kills : 2 = KILLS;
unsigned failures : 2 = FAILURES;
unsigned terms : 1 = TERM;
bit stalled;

/* --- conditions */

inline signal_more() {
    if
    :: more[0] -> more[0] = 0
    :: CHILDREN > 1 && more[1 % CHILDREN] -> more[1 % CHILDREN] = 0
    :: CHILDREN > 2 && more[2 % CHILDREN] -> more[2 % CHILDREN] = 0
    :: else
    fi
}

inline broadcast_more() {
    for (b : 0 .. CHILDREN - 1) {
        more[b] = 0
    }
    b = 0
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

/* --- memory */

#ifdef BREAK_EXCEED
#define room(n) (total + (n) <= MEMORY)
#else
#define room(n) \
    (total + (n) <= MEMORY || (turn != NOBODY && waiting[turn % ITEMS]))
#endif
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
            assert(total <= MEMORY || exceed ||
                   (turn != NOBODY && waiting[turn % ITEMS]))
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
    assert(how != OK || wrote[i] == LENGTH(i))
}

inline retire(i) {
    report(i, status[i]);
    assert(held[i] == 0);
    release(i);
    total--;
    assert(UNORDERED || over == i);
    over++;
    if
    :: UNORDERED || i + 1 >= given -> turn = NOBODY
    :: else -> turn = i + 1
    fi;
    open--;
    if
    :: open == 0 ->
#ifdef BREAK_LAST
        if
        :: listed -> wake = 1
        :: else
        fi;
#else
        wake = 1;
#endif
        if
        :: listed ->
#ifdef BREAK_BROADCAST
            signal_more()
#else
            broadcast_more()
#endif
        :: else
        fi
    :: else
    fi;
    /* nothing of it matters any more */
    status[i] = OK; written[i] = 0; done[i] = 0; busy[i] = 0; tries[i] = 0;
    owner[i] = NOBODY
}

/* Its client loses its connection, and ends. */
inline hang_up(k) {
    if
    :: child[k] == ALIVE && conn[k] == SERVED -> child[k] = DEAD; wake = 1
    :: else
    fi
}

inline abort_run() {
    if
    :: !aborted ->
        aborted = 1;
        for (b : 0 .. CHILDREN - 1) {
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
    stack[stacked] = i;
    stacked++;
    waiting[i] = 1;
    owner[i] = NOBODY;
    if
    :: UNORDERED && turn == i -> turn = NOBODY
    :: else
    fi;
    release(i);
#ifndef BREAK_PUT_BACK
    signal_more()
#endif
}

/* --- what threads do; each of these ends where the lock is given up */

/* put(): begins to write what item i holds; written() is the rest. */
inline put(i) {
    assert(!writing && held[i] > 0);
    assert(turn == i);
    assert(UNORDERED || over == i);
    writing = 1;
    written[i] = 1
}
inline put_done(i) {
    writing = 0;
    wrote[i] = wrote[i] + held[i];
    for (b : 0 .. ITEMS - 1) { /* one after the other */
        assert(b == i || wrote[b] == 0 || said[b] != UNSAID)
    }
    b = 0;
    held[i] = 0
}

inline leave(me) {
    threads--;
    pc[me] = GONE;
    cn_item[me] = NOBODY;
    sent[me] = 0;
    out[me] = 0;
    hang_up(me);
    wake = 1
}

/* Goes as far as the next put(); then pc is PUT, or HEAR if there is none. */
inline flush(me) {
    do
    :: !aborted && !flushing && turn != NOBODY ->
        if
        :: (done[turn] || (!busy[turn] && !holding(turn))) &&
           held[turn] > 0 ->
#ifndef BREAK_FLUSHING
            flushing = 1;
#endif
            put(turn);
            pc[me] = PUT;
            break
        :: done[turn] && held[turn] == 0 -> t = turn; retire(t)
        :: else -> break
        fi
    :: else -> break
    od;
    if
    :: pc[me] == PUT -> act = STOP
    :: else ->
        act = GO_ON;
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
        :: turn == i && !holding(i) -> out[me] = 1
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

/* The first half, up to the client's answer; item i. */
inline attempt(me) {
    tries[i]++;
    status[i] = LOST;
    if
    :: child[me] != ALIVE -> /* ready() */
        tries[i]--;
        put_back(i);
        act = LEAVE
    :: else ->
        owner[i] = me;
        cn_item[me] = i;
        pc[me] = HEAR
    fi
}

inline next_item(me) {
    act = STOP;
    i = NOBODY;
    if
    :: aborted -> act = LEAVE
    :: !aborted && first[me] != NOBODY ->
        i = first[me];
        first[me] = NOBODY;
        promised--;
        if
        :: promised == 0 -> broadcast_more()
        :: else
        fi;
        act = ATTEMPT
    :: !aborted && first[me] == NOBODY && stacked > 0 ->
        stacked--;
        i = stack[stacked];
        stack[stacked] = 0;
        waiting[i] = 0;
        act = ATTEMPT
    :: else ->
        if
        :: !listed && !reading && (open < threads || room(1)) ->
            reading = 1;
#ifndef BREAK_TOLD
            wake = (wake || children == 0);
#endif
            pc[me] = LIST
        :: else ->
            if
            :: listed && promised == 0 && (open == 0 || RETRIES == 0) ->
                act = LEAVE
            :: else -> more[me] = 1; pc[me] = MORE
            fi
        fi
    fi
}

/* list_item(), when run->next() has returned. */
inline list_item(me) {
    reading = 0;
    if
    :: given < ITEMS ->
        i = given;
        given++;
        if
        :: !UNORDERED && turn == NOBODY -> turn = i
        :: else
        fi;
        open++;
        total++;
        signal_more();
        act = ATTEMPT
    :: else ->
        listed = 1;
#ifdef BREAK_LISTED
        signal_more();
#else
        broadcast_more();
#endif
        wake = 1;
        act = NEXT_ITEM
    fi
}

/* Has `st` been sent by the client, or LOST. */
inline finish(me, st) {
    i = cn_item[me];
    status[i] = st;
    back[me] = (st == LOST -> QUIT : NEXT);
    sent[me] = 0;
    out[me] = 0;
    owner[i] = NOBODY;
    act = TAKE_TURN;
    if
    :: st != OK && tries[i] <= RETRIES && (!written[i] || BREAK_RETRY) ->
        put_back(i);
        cn_item[me] = NOBODY;
        act = FLUSH
    :: else ->
        done[i] = 1;
        if
        :: st != OK && !KEEP_GOING -> abort_run(); act = LEAVE
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

/* Is the lock all that thread `me` needs? */
#define runs(me) \
    (pc[me] != NEW && pc[me] != GONE && !(pc[me] == MORE && more[me]) && \
     !(pc[me] == LIST && stalled) && \
     !((pc[me] == ROOM || pc[me] == FLUSHED || pc[me] == LINE) && own[me]))

/* What it does then: first where it was, then, in turn, what `act` says. */
proctype xserve(byte me) {
    byte i, b, t, st, act;
    bit grown;
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
        :: pc[me] == OPEN -> act = NEXT_ITEM
        :: pc[me] == OPEN && child[me] != ALIVE -> act = LEAVE
        :: pc[me] == MORE -> act = NEXT_ITEM
        :: pc[me] == LIST -> act = LIST_ITEM
        :: pc[me] == LIST && STALL && !READY -> stalled = 1
        :: aborted && pc[me] == HEAR && sent[me] == LENGTH(i) ->
            status[i] = OK; /* the end came before the abort */
            done[i] = 1;
            act = LEAVE
        :: aborted && pc[me] > LIST -> act = LEAVE
        :: !aborted && pc[me] == HEAR && sent[me] < LENGTH(i) -> act = PLACE
        :: !aborted && pc[me] == HEAR && sent[me] == LENGTH(i) ->
            st = OK;
            act = FINISH
        :: !aborted && pc[me] == HEAR && failures > 0 ->
            failures--;
            st = FAILED;
            act = FINISH
        :: !aborted && pc[me] == HEAR && child[me] != ALIVE ->
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
        :: act == NEXT_ITEM -> next_item(me)
        :: act == LIST_ITEM -> list_item(me)
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
        :: act == STOP -> break
        od;
        i = 0; b = 0; t = 0; st = 0; grown = 0
    }
    :: finished -> break
    od
}

/* What may happen to child k. */
#define FATE(k) \
    :: atomic { child[k] == ALIVE && conn[k] == NONE -> conn[k] = QUEUED } \
    :: atomic { child[k] == ALIVE && kills > 0 -> \
        kills--; \
        child[k] = DEAD; \
        wake = 1 \
    }

proctype world() {
    do
    FATE(0)
#if CHILDREN > 1
    FATE(1)
#endif
#if CHILDREN > 2
    FATE(2)
#endif
    :: atomic { kills > 0 -> kills = 0 }
    :: atomic { terms > 0 -> terms = 0; term = 1; wake = 1 }
    :: atomic { terms > 0 -> terms = 0 }
    :: finished -> break
    od
}

#define QUEUE(k) (conn[k] == QUEUED)
#if CHILDREN == 3
#define arrived (QUEUE(0) || QUEUE(1) || QUEUE(2))
#else
#define arrived (QUEUE(0) || QUEUE(1))
#endif

active proctype mainthread() {
    byte k, b;
    atomic {
        for (k : 0 .. ITEMS - 1) {
            said[k] = UNSAID;
            owner[k] = NOBODY
        }
        for (k : 0 .. CHILDREN - 1) {
            first[k] = NOBODY;
            cn_item[k] = NOBODY;
            if
            :: READY && k < ITEMS ->
                first[k] = k;
                promised++;
                given++;
                open++;
                total++;
                turn = (UNORDERED -> NOBODY : 0)
            :: else
            fi;
            run xserve(k)
        }
        k = 0;
        run world()
    }
    do
    :: atomic { wake || arrived ->
        wake = 0;
        for (k : 0 .. CHILDREN - 1) { /* admit() */
            if
            :: conn[k] == QUEUED ->
                conn[k] = SERVED;
                pc[k] = OPEN;
                threads++
            :: else
            fi
        }
        for (k : 0 .. CHILDREN - 1) { /* heed() */
            if
            :: child[k] == DEAD ->
                child[k] = REAPED;
                children--;
#ifndef BREAK_PROMISE
                if
                :: first[k] != NOBODY ->
                    put_back(first[k]);
                    first[k] = NOBODY;
                    promised--
                :: else
                fi
#endif
            :: else
            fi
        }
        k = 0;
        if
#if !defined BREAK_NO_CHILD && !defined BREAK_READER
        :: children == 0 && !ended &&
           (threads == reading || (reading && open == 0)) -> abort_run()
#endif
#ifdef BREAK_READER
        :: children == 0 && !ended &&
           (threads == 0 || (reading && open == 0)) -> abort_run()
#endif
        :: else
        fi;
        if
        :: term -> term = 0; abort_run()
        :: else
        fi;
        if
        :: ended && children == 0 && (aborted || threads == 0) ->
            break /* over() */
        :: else
        fi
    }
    :: timeout -> /* nothing can go on: only a list that stalls may do that */
        assert(stalled && children > 0);
        assert(open == 0 || (threads == 1 && stacked > 0));
        goto stop
    od;
    atomic {
        assert(aborted || (given == ITEMS && over == ITEMS));
        for (k : 0 .. ITEMS - 1) {
            if
            :: k < given && said[k] == UNSAID ->
#ifndef BREAK_REPORT
                status[k] = (status[k] == OK -> LOST : status[k]);
#endif
                report(k, status[k])
            :: else
            fi
        }
    }
stop:
    finished = 1
}
