/*
 * gather.pml - a model of how gather comes to its end: who waits for what, who
 * wakes whom, what is reported.  model.sh has spin check it, see there.
 *
 * What stands for what.  The program has one lock, so what a thread does from
 * taking it to giving it up is one atomic step here.  `pc` says where a thread
 * has given it up:
 *
 *   NEW      no thread yet                OPEN     xserve() has begun
 *   ASKS     ask(): wait_for_call()       LIST     items_take(): in next()
 *   LOOKS    items_look_ahead(), called   OPENS    file_open()
 *            by xserve(): in next()       HEARS    receive_item(): in readn(),
 *   ROOM     wait_for_block():                     for the next header
 *            wait_for_call()              BODY     receive_data(): in readn()
 *   RELAYS   output_relay()               PUTS     file_write()
 *   CLOSES   file_close()                 TELLS    report_unlocked()
 *   WRITES   write_block()                REPORTS  retire(): in done()
 *   BYE      exchange_goodbye()           GONE     xserve() has returned
 *   DRAWS    output_tick(), in tick(), on a terminal
 *
 * The inline functions have the names of those they stand for:
 *
 *   lib/items.c     answer_any(), answer_particular(), hand(), end_read(),
 *                   items_dispatch(), unreserve(), queue_due(), look_ahead();
 *                   items_take() and ask() are what `act` has as NEXT_ITEM,
 *                   ASK and ASKED; items_change() is an assignment to state[],
 *                   and that to `needs` behind it
 *   lib/turn.c      turn_join(), turn_leave(), hand_block(), turn_dispatch(),
 *                   give_back_first(); wait_for_block() is WAIT; admitted(),
 *                   withdrawable() (this is is_held_back()) and
 *                   lacks_client() are macros
 *   lib/output.c    output_room(), output_withdraw(), output_end(),
 *                   output_advance(), close_account(); and the macro
 *                   is_streamed()
 *   lib/exchange.c  exchange_item(), finish_try() with what it calls
 *   lib/monitor.c   abort_run()
 *   server.c        look_for_clients(), end_stragglers(), start_thread() with
 *                   conn_new(), and the macros has_ended, may_return and
 *                   may_accept; leave() and conn_free() are the end of
 *                   xserve()
 *   lib/door.c      refuse(), door_admit(), door_next(), go_on_with(); and
 *                   the macros has_place (door_entries()) and visitors
 *                   (door_count()); conn_count() is `threads`
 *
 * mainthread is server(); one step of it is what happens between two calls of
 * poll(), which is in door_wait(), though it gives up the lock on the way;
 * whatever comes then leaves a byte in the self-pipe, which is `wake`.  Who
 * has connected waits in the BACKLOG of the listener until the main thread
 * accepts him; then he is a VISITOR, whom no thread serves.  What he says next
 * may come in whichever step, and has poll() end, too: a client proves who it
 * is, in one go here, and is SERVED by a thread from then on; a stranger, or
 * who is dead, is refused, now or when he has been silent for too long.  With
 * DELAY (-d) an item that failed is DELAYED; it may be due in whichever step
 * of the main thread, and `alarm` has poll() end if there is no other reason.
 * A thread, xserve(), does what `act` says until that is STOP.  One more
 * thread of this kind, `me` being CLIENTS, stands for what output_tick() does
 * in the main thread.  world is everybody else: children that connect, others
 * who come, whoever kills them at any moment, and sends a signal to gather.
 * What a client sends is chosen when its thread reads it.  A dead client's
 * data may have arrived before, all or some, and then its end of file.
 *
 * A thread sleeps until it is called: in ASKS until it has an `answer`, in
 * ROOM until a block was handed to it (`got`), or until an abort.  Nobody
 * wakes by itself.
 *
 * Data are counted in pieces, item i has LENGTH(i) of them, a block takes CAP.
 * Memory is counted in units: a block takes 2, an item none, but to be read
 * from the list it needs 1 that is free; MEMORY (-m) is the limit.  A block
 * that is not full when its item ends is little.  The system itself has SYSTEM
 * blocks, and RESERVE for the item with the turn.
 *
 * Clients 0 to CHILDREN - 1 are the children.  The OTHERS behind them are not
 * forked: up to so many at a time, each a place where, when one has gone, the
 * next may come.  They are guests, who take any item (-c), those with one wish
 * (-c -w), any of 0 to ITEMS, of which ITEMS is not in the list; or strangers,
 * who prove nothing.  All of them may come, or fewer.  Who is too slow (-t, or
 * with his proof) counts as killed.  Who comes when there are as many visitors
 * as there may be has one of these refused: the program takes the oldest, here
 * it is any.  A child that is refused so dials again; others do not, or are
 * the next to come.
 *
 * With FILES (-o) an item has a file: part[i] says that item->fd is open,
 * file[i] that it has got its final name.
 *
 * There are MEANS for so many connections and visitors, that is, descriptors:
 * who is behind these is not accepted before somebody has gone.  And there are
 * STACKS for so many threads, or memory: who has proved himself beyond these
 * has to go, and a child dials again.  That the main thread tries again before
 * somebody has gone, or the child does, in vain, is no step here.  After an
 * abort nobody is let in; a child dials again until it is killed.
 *
 * Left out: arrays, which have no turns but at their end; a list that fails,
 * which aborts; that door_shortage() also sends visitors away who have not
 * proved themselves for a second, and aborts if nobody can be served for long;
 * deadlines, but that LATE has server() return at any time after an abort,
 * with threads that are stuck anywhere: what they find is RUN_LEFT (`left`),
 * and that they look at that whenever they have taken the lock is assumed.
 *
 * Options of the run: CHILDREN (-j), ITEMS, MEMORY, RETRIES (-r), DELAY (-d),
 * KEEP_GOING (-k), UNORDERED (-u), FILES (-o), READY (the list is known; else
 * it is prompt, or slow if STALL is set), LIMIT (connections_max, less than
 * limit() has without it), MEANS, STACKS.
 * There is a token if GUESTS or PICKY are.  What may happen: KILLS, so many
 * clients are killed; FAILURES, so many runs of items fail; FAULTS, so many
 * calls for a file fail; TERM, a signal arrives; STALL, the list stops without
 * an end; TICKS, the progress is drawn so often; RELAY, children may have
 * their data relayed; GUESTS, PICKY and STRANGERS, so many others come, of
 * those with any wish, with one, and without the token.
 *
 * What is proven, by the assertions below and by the absence of states where
 * nothing can go on:
 *  - The run ends.  quiet() has the exceptions.
 *  - Whenever the lock is given up, nobody sleeps that could go on, unless its
 *    call is under way: settled().  That holds for takers, for those in line
 *    for memory, for the main thread; and if nobody has the role, there is
 *    nothing to be written or reported.
 *  - An item is reported once, and complete only if its end said so and each
 *    of its pieces has been written once, and always if nothing happens but
 *    strangers.  Pieces are written by one thread at a time, item by item, in
 *    order unless UNORDERED.  No block is given back while it is written.
 *  - With FILES there is a file under the final name if and only if the item
 *    is complete, and no .part in the end.
 *  - Items hold at most twice the limit and two blocks; but for what those
 *    hold that were exempt.  (These may be several: the client that was to run
 *    the item with the turn may die, or want another one.)
 *  - Who was told that there will be no item misses none: none is put back
 *    later.
 *  - If the list stalls, all that came from it is out; but an item that is to
 *    run again waits if the only thread left is the one that reads the list.
 *  - Who wants one item gets no other, and that one unless somebody else has
 *    or had it, or it is not in the list.  The run may only wait for more
 *    clients while nobody is there, which it has said, and either the item
 *    whose turn it is waits for a client, or none has ever been let in.
 *  - Connections and visitors are LIMIT at most.  A stranger gets no thread,
 *    does not have the list read, and keeps nobody out for good; nor do others
 *    keep children out.  After an abort, and at the end if none but strangers
 *    can be there, nobody waits for a visitor; otherwise no client that is at
 *    the door is left there.
 *  - There is no endless busy loop: by a search for cycles.
 *
 * OLD_... and BREAK_... break it, each in one place; those that begin with OLD
 * are rules that the program has had, each of which model.sh names.
 * OLD_TAKERS and OLD_LINE are those of the program before lib/ was: takers and
 * those that wait for memory, or for the turn, wake up and look by themselves,
 * one at a time (next_item(), wait_in_line(), release(), flush()).
 */
#ifndef CHILDREN
#define CHILDREN 3
#endif
#ifndef ITEMS
#define ITEMS 4
#endif
#ifndef MEMORY
#define MEMORY 4
#endif
#ifndef SYSTEM
#define SYSTEM 15
#endif
#ifndef RESERVE
#define RESERVE 2
#endif
#ifndef CAP
#define CAP 1
#endif
#ifndef RETRIES
#define RETRIES 0
#endif
#ifndef DELAY
#define DELAY 0
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
#ifndef LATE
#define LATE 0
#endif
#ifndef TICKS
#define TICKS 0
#endif
#ifndef RELAY
#define RELAY 0
#endif
#ifndef L0
#define L0 2
#endif
#ifndef L1
#define L1 1
#endif
#ifndef L2
#define L2 0
#endif
#ifndef L3
#define L3 2
#endif
#define LENGTH(i) \
    ((i) == 0 -> L0 : ((i) == 1 -> L1 : ((i) == 2 -> L2 : L3)))
#ifndef OTHERS
#define OTHERS 0
#endif
#ifndef LIMIT
#define LIMIT (CLIENTS + 1)
#endif
#ifndef MEANS
#define MEANS (CLIENTS + 1)
#endif
#ifndef STACKS
#define STACKS (CLIENTS + 1)
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
#ifndef BREAK_WANTED
#define BREAK_WANTED 0
#endif

#define CLIENTS (CHILDREN + OTHERS) /* connections at a time, at most: 4 */
#define THREADS (CLIENTS + 1)       /* and the one that draws */
#define REMOTE (GUESTS + PICKY > 0) /* config->token is set */
#define ORDERED (!UNORDERED && !FILES)
#ifdef BREAK_ORDER
#define BY_LIST false
#else
#define BY_LIST ORDERED
#endif
#define NOBODY 15 /* no item, no thread; any item */

/* Where a thread is; see above. */
#define NEW 0
#define OPEN 1
#define ASKS 2
#define LIST 3
#define LOOKS 4
#define OPENS 5
#define HEARS 6
#define ROOM 7
#define BODY 8
#define RELAYS 9
#define PUTS 10
#define CLOSES 11
#define TELLS 12
#define WRITES 13
#define REPORTS 14
#define BYE 15
#define GONE 16
#define DRAWS 17
#define OLD_TURN 18 /* wait_in_line() of the old program, for the turn */

/* What a thread does next, while it has the lock; or behind output_advance(),
 * or when it has taken the lock again. */
#define STOP 0
#define NEXT_ITEM 1
#define ASK 2
#define EXCHANGE 3
#define PLACE 4
#define HEAR 5
#define WAIT 6 /* for a block */
#define FINISH 7
#define JUDGED 8
#define AGAIN 9
#define TELL 10
#define END 11
#define ENDED_NOW 12
#define ADVANCE 13
#define ADVANCE_ON 14
#define GOODBYE 15
#define LEAVE 16
#define CLOSE 17
#define IDLE 18
#define LOST 19
#define ASKED 20

/* enum item_state; 0 is an item that has not come from the list. */
#define ITEM_LISTED 1
#define ITEM_RESERVED 2
#define ITEM_QUEUED 3
#define ITEM_HANDED 4
#define ITEM_RUNNING 5
#define ITEM_DELAYED 6
#define ITEM_ENDED 7
#define ITEM_RETIRED 8

/* enum outcome; TIMED_OUT and KILLED are like FAILED. */
#define COMPLETE 0
#define FAILED 1
#define INCOMPLETE 2
#define UNSTARTED 3
#define UNSAID 4

/* enum answer */
#define NO_ANSWER 0
#define HAS_ITEM 1
#define READS_LIST 2
#define HAS_NOTHING 3

/* enum role */
#define ROLE_FREE 0
#define ROLE_WRITES 1
#define ROLE_REPORTS 2
#define ROLE_DRAWS 3

/* A client: it lives; has ended; has been reaped.  Its connection. */
#define ALIVE 0
#define DEAD 1
#define REAPED 2
#define NONE 0
#define BACKLOG 1
#define VISITOR 2
#define SERVED 3
#define REFUSED 4 /* a child for which there was no thread */

/* struct item */
byte state[ITEMS];
byte outcome[ITEMS];
byte tries[ITEMS];
byte blocks[ITEMS];  /* block_count */
byte put[ITEMS];     /* pieces of the first block that are written */
byte filled[ITEMS];  /* pieces in the last one */
bit exact[ITEMS];    /* it was shrunk */
bit written[ITEMS];
bit part[ITEMS];     /* item->fd: its file is open, as .part */
bit in_output[ITEMS];

/* lib/items.c and run.result; items.count[] is counted where it is needed */
unsigned given : 4;
unsigned over : 4;    /* items that are RETIRED */
unsigned clients : 3;
bit reading, listed, aborted, left;
byte any[CLIENTS];        /* the line of takers */
unsigned any_count : 3;
byte particular[CLIENTS]; /* that of those that want one */
unsigned particular_count : 3;

/* lib/turn.c, lib/memory.c, lib/output.c */
byte queue[ITEMS];
unsigned queue_count : 4;
byte line[CLIENTS]; /* for memory */
unsigned line_count : 3;
unsigned exempt : 4 = NOBODY;
unsigned held : 6;
unsigned taken : 5; /* blocks of the pool that somebody has */
unsigned role : 2;
unsigned busy_item : 4 = NOBODY;

/* threads and clients */
byte pc[THREADS];
byte cn_item[THREADS];
byte back[THREADS];  /* what comes behind output_advance(), or TELLS */
byte amount[THREADS]; /* that is being written */
byte answer[CLIENTS];
byte got[CLIENTS];    /* 1: a block was handed to it; 2: there is none */
bit answered[CLIENTS];
byte wanted[CLIENTS];
bit picky[CLIENTS];    /* CLIENT_WANTS_ONE */
bit stranger[CLIENTS]; /* has no token */
byte sent[CLIENTS];    /* pieces of this run so far */
bit shut[CLIENTS];     /* the server has hung up */
byte child[CLIENTS];
byte conn[CLIENTS];
unsigned children : 2 = CHILDREN;
unsigned threads : 3; /* conn_count() */
bit wake = 1, term, told, finished;
bit looking = 1; /* poll() waits for connections, too, */
bit alarm;       /* and no longer than until an item is due */
bit in_vain;     /* there were no means to accept somebody */

/* what the assertions need, and what the world may still do */
byte said[ITEMS];  /* the report */
byte wrote[ITEMS]; /* pieces of it on standard output, or in its file */
bit file[ITEMS];   /* its file has its name */
bit was_exempt[ITEMS];
bit came; /* a client was let in */
bit dismissed; /* one was told that there will be no item */
unsigned kills : 2 = KILLS;
unsigned failures : 2 = FAILURES;
unsigned terms : 1 = TERM;
unsigned faults : 1 = FAULTS;
unsigned ticks : 2 = TICKS;
unsigned guests : 2 = GUESTS;
unsigned pickies : 3 = PICKY;
unsigned strangers : 2 = STRANGERS;
bit stalled;

/* --- lib/turn.c: whose turn it is */

#define turn \
    (BY_LIST -> (over < given -> over : NOBODY) : \
                (queue_count > 0 -> queue[0] : NOBODY))
#define THE_TURN (turn % ITEMS) /* if there is one */
#define open_count (given - over)
#define has_ended (aborted || (listed && open_count == 0))

#define unwritten(i) \
    (blocks[i] == 0 -> 0 : (blocks[i] - 1) * CAP + filled[i] - put[i])
#define withdrawable(i) \
    (RETRIES > 0 && !written[i] && 2 * unwritten(i) <= MEMORY * CAP)
#define is_streamed(i) \
    (state[i] == ITEM_RUNNING && unwritten(i) > 0 && !withdrawable(i))

inline turn_join(i) {
    if
    :: !BY_LIST && !in_output[i] ->
        in_output[i] = 1;
        queue[queue_count] = i;
        queue_count++
    :: else
    fi
}

inline turn_leave(i) {
    if
    :: in_output[i] ->
        assert(queue[0] == i);
        in_output[i] = 0;
        queue_count--;
        for (b : 0 .. ITEMS - 2) {
            queue[b] = queue[b + 1]
        }
        queue[ITEMS - 1] = 0;
        b = 0
    :: else
    fi
}

/* --- lib/turn.c: the line for memory */

#define has_room(n) (held + (n) <= MEMORY)
#ifdef BREAK_EXEMPT
#define lacks_client false
#else
#define lacks_client \
    (turn != NOBODY && state[THE_TURN] == ITEM_QUEUED)
#endif
#ifdef BREAK_TURN
#define may_exceed(i) false
#else
#define may_exceed(i) (i == turn && (blocks[i] < 2 || withdrawable(i)))
#endif
#ifdef BREAK_LIMIT
#define has_block(i) true
#else
#define has_block(i) has_room(2)
#endif
#define admitted(i) \
    (has_block(i) || may_exceed(i) || (i == exempt && lacks_client))
#define will_be_written(i) (unwritten(i) > 0 && !withdrawable(i))

#ifdef OLD_STARVED /* the exempt one waits for the system */
#define cannot_wait(i) (i == turn && !will_be_written(i))
#else
#define cannot_wait(i) \
    ((i == turn && !will_be_written(i)) || (i == exempt && lacks_client))
#endif

/* Takes the one that stands at place b out of the line. */
inline line_remove() {
    line_count--;
    do
    :: b < CLIENTS - 1 -> line[b] = line[b + 1]; b++
    :: else -> break
    od;
    line[CLIENTS - 1] = 0
}

/* Finds thread k in the line. */
inline line_find(k) {
    b = 0;
    do
    :: line[b] != k -> b++
    :: else -> break
    od;
    assert(b < line_count)
}

/* Hands a block to who stands at place `at`; `handed` says whether. */
inline hand_block(at) {
    x = cn_item[line[at]];
    handed = 0;
    if
    :: pc[line[at]] == OLD_TURN ->
        if
        :: turn == NOBODY || turn == x ->
            got[line[at]] = 1;
            handed = 1
        :: else
        fi
    :: pc[line[at]] != OLD_TURN && admitted(x) ->
        if
        :: taken < SYSTEM || (x == turn && taken < SYSTEM + RESERVE) ->
            taken++;
            held = held + 2;
            got[line[at]] = 1;
            handed = 1
#ifndef BREAK_STARVED
        :: taken >= SYSTEM && !(x == turn && taken < SYSTEM + RESERVE) &&
           cannot_wait(x) ->
            got[line[at]] = 2;
            handed = 1
#endif
        :: else
        fi
    :: else
    fi;
    if
    :: handed -> b = at; line_remove()
    :: else
    fi
}

/* Who has the turn; who is exempt; the others, as they came; and who gets the
 * turn now, as nobody has it, and there is no memory for who came first. */
#define OF_TURN 0
#define OF_EXEMPT 1
#define OF_LINE 2
#define OF_NEED 3

inline turn_dispatch() {
    d_step {
#ifndef OLD_TAKERS /* items_dispatch() has handed out what was queued */
        assert(aborted || any_count == 0 || turn == NOBODY ||
               state[THE_TURN] != ITEM_QUEUED);
#endif
#ifdef OLD_LINE
        y = OF_LINE;
#else
#ifdef BREAK_SERVE
        y = OF_EXEMPT;
#else
        y = OF_TURN;
#endif
#endif
        do
        :: line_count == 0 || y > OF_NEED -> break
        :: else ->
            if
            :: y == OF_TURN -> x = turn
            :: y == OF_EXEMPT ->
                if
                :: exempt == NOBODY && lacks_client ->
                    exempt = cn_item[line[0]];
                    was_exempt[exempt] = 1
                :: else
                fi;
                x = exempt
            :: y == OF_LINE -> x = cn_item[line[0]]
            :: y == OF_NEED ->
                x = cn_item[line[0]];
                if
                :: turn == NOBODY && pc[line[0]] != OLD_TURN -> turn_join(x)
                :: else -> x = NOBODY
                fi
            fi;
            a = 0;
            do
            :: a < line_count && cn_item[line[a]] != x -> a++
            :: else -> break
            od;
            handed = 0;
            if
            :: a < line_count -> hand_block(a)
            :: else
            fi;
            y = (handed && y == OF_LINE -> y : y + 1)
        od;
        a = 0; b = 0; x = 0; y = 0; handed = 0
    }
}

inline give_back_first(i) {
    assert(!(role == ROLE_WRITES && busy_item == i));
    if
    :: !exact[i] -> taken--; held = held - 2
    :: else -> exact[i] = 0
    fi;
    blocks[i] = blocks[i] - 1;
    put[i] = 0;
    if
    :: blocks[i] == 0 -> filled[i] = 0
    :: else
    fi
}

/* --- lib/items.c: who gets what */

/* Counts items: n in that state. */
inline count_items() {
    queued = 0; reserved = 0; atwork = 0; handed_out = 0; delayed = 0;
    first_queued = NOBODY;
    for (b : 0 .. ITEMS - 1) {
        if
        :: state[b] == ITEM_QUEUED ->
            queued++;
            first_queued = (first_queued == NOBODY -> b : first_queued)
        :: state[b] == ITEM_RESERVED -> reserved++
        :: state[b] == ITEM_HANDED -> handed_out++
        :: state[b] == ITEM_RUNNING -> atwork++
        :: state[b] == ITEM_DELAYED -> delayed++
        :: else
        fi
    }
    b = 0
}
inline forget_counts() {
    queued = 0; reserved = 0; atwork = 0; handed_out = 0; delayed = 0;
    first_queued = 0; verdict = 0
}

#define may_read_list \
    (!listed && !reading && (open_count < clients || has_room(1)))
#ifdef BREAK_DISMISS
#define will_be_due false
#else
#define will_be_due (delayed > 0)
#endif
#if defined OLD_HANDED || defined OLD_TAKERS /* it might as well run */
#define nothing_will_come \
    (listed && queued == 0 && reserved == 0 && !will_be_due && \
     !(RETRIES > 0 && atwork + handed_out > 0))
#else
#define nothing_will_come \
    (listed && queued == 0 && reserved == 0 && handed_out == 0 && \
     !will_be_due && !(RETRIES > 0 && atwork > 0))
#endif

/* Both put their result into `verdict`; count_items() was called. */
inline answer_any() {
    verdict =
        (queued > 0 -> HAS_ITEM :
         (nothing_will_come -> HAS_NOTHING :
          (may_read_list -> READS_LIST : NO_ANSWER)))
}
#ifdef BREAK_ASK
#define GOES(w) (listed || given <= w) /* it leaves the list to others */
#else
#define GOES(w) ((w) < given || listed)
#endif
#ifdef BREAK_PAUSE
#define waits_for(w) false
#else
#define waits_for(w) ((w) < ITEMS && state[(w) % ITEMS] == ITEM_DELAYED)
#endif
inline answer_particular(w) {
    verdict =
        (w < ITEMS && state[(w) % ITEMS] == ITEM_QUEUED -> HAS_ITEM :
         (waits_for(w) -> NO_ANSWER :
          (GOES(w) -> HAS_NOTHING : (reading -> NO_ANSWER : READS_LIST))))
}

/* hand(): to thread k, the item with number `what`. */
inline hand(k, what) {
    answer[k] = verdict;
    if
    :: verdict == HAS_ITEM ->
        cn_item[k] = what;
        state[what] = ITEM_HANDED
    :: verdict == READS_LIST -> reading = 1
    :: else ->
        dismissed = (dismissed || !picky[k]);
        assert(!picky[k] || wanted[k] >= ITEMS ||
               (wanted[k] < given && state[wanted[k] % ITEMS] != ITEM_QUEUED &&
                state[wanted[k] % ITEMS] != ITEM_DELAYED))
    fi
}

/* How many takers are looked at; of the old program, which woke one, or all,
 * and had it look by itself: the first that waits for any item, or else for
 * one. */
#define NEEDS_NONE 0
#define NEEDS_ONE 1
#define NEEDS_ALL 2

inline items_dispatch(how) {
    d_step {
        a = 0;
        do
        :: a < particular_count && (how == NEEDS_ALL || any_count == 0) ->
            count_items();
            answer_particular(wanted[particular[a]]);
            if
            :: verdict != NO_ANSWER ->
                hand(particular[a], wanted[particular[a]]);
                particular_count--;
                for (b : a .. CLIENTS - 2) {
                    particular[b] = particular[b + 1]
                }
                particular[CLIENTS - 1] = 0;
                b = 0
            :: else -> a++
            fi
        :: else -> break
        od;
        do
        :: any_count > 0 ->
            count_items();
            answer_any();
            if
            :: verdict == NO_ANSWER -> break
            :: else ->
                hand(any[0], first_queued);
                any_count--;
                for (b : 0 .. CLIENTS - 2) {
                    any[b] = any[b + 1]
                }
                any[CLIENTS - 1] = 0;
                b = 0;
                if
                :: how == NEEDS_ONE &&
                   !(verdict == HAS_ITEM && queued == 1 && listed) -> break
                :: else
                fi
            fi
        :: else -> break
        od;
        a = 0;
        forget_counts()
    }
}

/* end_read(): next() has returned; the item, or NOBODY, is in `i`. */
inline end_read() {
    reading = 0;
    if
    :: given < ITEMS ->
        i = given;
        state[i] = ITEM_LISTED;
        given++;
        listed = (READY && given == ITEMS)
    :: else ->
        i = NOBODY;
        listed = 1;
        wake = 1
    fi
}

/* ask(), after an abort: takes thread k out of its line. */
inline leave_line(k) {
    d_step {
        a = 0;
        for (b : 0 .. CLIENTS - 1) {
            if
            :: b < any_count && any[b] != k -> any[a] = any[b]; a++
            :: else
            fi
        }
        any_count = (picky[k] -> any_count : a);
        a = 0;
        for (b : 0 .. CLIENTS - 1) {
            if
            :: b < particular_count && particular[b] != k ->
                particular[a] = particular[b];
                a++
            :: else
            fi
        }
        particular_count = (picky[k] -> a : particular_count);
        a = 0;
        b = 0
    }
}

/* next_item() of the old program: looks for itself alone, before it sleeps. */
inline ask_alone(k) {
    d_step {
        count_items();
        if
        :: picky[k] -> answer_particular(wanted[k])
        :: else -> answer_any()
        fi;
        if
        :: verdict != NO_ANSWER ->
            leave_line(k);
            needs =
                (verdict == HAS_ITEM && queued == 1 && listed -> NEEDS_ONE :
                                                                 NEEDS_NONE);
            x = (picky[k] -> wanted[k] : first_queued);
            hand(k, x);
            x = 0
        :: else
        fi;
        forget_counts()
    }
}

/* --- lib/monitor.c */

inline abort_run() {
    aborted = 1;
    wake = 1
}

/* --- lib/output.c */

/* The report: done(). */
inline done(i) {
    assert(said[i] == UNSAID);
    said[i] = outcome[i];
    assert(outcome[i] != COMPLETE || wrote[i] == LENGTH(i));
    assert(!FILES || file[i] == (outcome[i] == COMPLETE))
}

inline output_withdraw(i) {
    d_step {
        do
        :: blocks[i] > 0 &&
           !(role == ROLE_WRITES && busy_item == i && blocks[i] == 1) ->
            /* the last one goes first, as the first one may stay */
            taken--;
            held = held - 2;
            blocks[i] = blocks[i] - 1;
            filled[i] = CAP
        :: else -> break
        od;
        if
        :: blocks[i] == 0 -> put[i] = 0; filled[i] = 0
        :: else
        fi;
        if
#ifdef OLD_WITHDRAW
        :: state[i] == ITEM_RUNNING -> turn_leave(i)
#else
        :: state[i] == ITEM_RUNNING && !written[i] -> turn_leave(i)
#endif
        :: else
        fi;
        if
        :: exempt == i -> exempt = NOBODY
        :: else
        fi
    }
    serve = 1
}

inline output_end(i) {
    d_step {
        if
        :: exempt == i -> exempt = NOBODY
        :: else
        fi;
        if
        :: blocks[i] > 0 && unwritten(i) == 0 -> give_back_first(i)
        :: blocks[i] == 1 && unwritten(i) > 0 && i != turn &&
           filled[i] < CAP ->
            assert(put[i] == 0 && !(role == ROLE_WRITES && busy_item == i));
            exact[i] = 1; /* block_shrink() */
            taken--;
            held = held - 2
        :: else
        fi;
#ifndef OLD_LINE
        turn_join(i)
#endif
    }
}

/* Does one round of the loop; turn_dispatch() comes before. */
inline output_advance(me) {
    x = turn;
    if
#ifdef BREAK_ROLE
    :: !aborted && (role == ROLE_FREE || role == ROLE_WRITES) &&
       x != NOBODY ->
#else
    :: !aborted && role == ROLE_FREE && x != NOBODY ->
#endif
        if
        :: (state[x] == ITEM_ENDED && blocks[x] > 0) || is_streamed(x) ->
            assert(role != ROLE_WRITES);
            role = ROLE_WRITES;
            busy_item = x;
            amount[me] =
                (blocks[x] == 1 -> filled[x] : CAP) - put[x];
            written[x] = (written[x] || amount[me] > 0);
            pc[me] = WRITES;
            act = STOP
        :: else ->
            if
            :: state[x] == ITEM_ENDED ->
                role = ROLE_REPORTS;
                busy_item = x;
                done(x);
                pc[me] = REPORTS;
                act = STOP
            :: else -> act = back[me]
            fi
        fi
    :: else -> act = back[me]
    fi;
    x = 0;
    if
    :: act != STOP -> back[me] = STOP
    :: else
    fi
}

/* The rest of write_block(). */
inline wrote_block(me) {
    x = busy_item;
    role = ROLE_FREE;
    busy_item = NOBODY;
    d_step {
        put[x] = put[x] + amount[me];
        wrote[x] = wrote[x] + amount[me];
        amount[me] = 0;
        for (b : 0 .. ITEMS - 1) { /* one after the other */
            assert(b == x || wrote[b] == 0 || said[b] != UNSAID)
        }
        b = 0
    }
    if
    :: put[x] == (blocks[x] == 1 -> filled[x] : CAP) &&
       (put[x] == CAP || state[x] == ITEM_ENDED) -> give_back_first(x)
    :: else
    fi;
    x = 0
}

/* The rest of retire(), and items_retire(). */
inline reported() {
    x = busy_item;
    role = ROLE_FREE;
    busy_item = NOBODY;
    d_step {
        turn_leave(x);
        assert(blocks[x] == 0);
        assert(!ORDERED || over == x);
        state[x] = ITEM_RETIRED;
        over++;
#ifdef BREAK_LAST
        wake = (wake || (listed && open_count == 0));
#else
        wake = (wake || open_count == 0);
#endif
        /* nothing of it matters any more */
        outcome[x] = COMPLETE;
        written[x] = 0;
        tries[x] = 0;
        was_exempt[x] = 0;
        x = 0
    }
#ifndef BREAK_RETIRE
    needs = NEEDS_ALL;
#endif
#ifdef OLD_TAKERS
    needs = (listed && open_count == 0 -> NEEDS_ONE : NEEDS_NONE);
#endif
    skip
}

/* --- lib/exchange.c */

/* is_gone(), begin_try(). */
inline exchange_item(me) {
    i = cn_item[me];
    assert(!picky[me] || wanted[me] == i);
    if
    :: child[me] != ALIVE || shut[me] ->
        state[i] = ITEM_QUEUED;
        assert(!dismissed || aborted);
        cn_item[me] = NOBODY;
#ifndef BREAK_PUT_BACK
        needs = NEEDS_ALL;
#endif
        back[me] = LEAVE;
        act = ADVANCE
    :: else ->
        state[i] = ITEM_RUNNING;
#ifndef OLD_TAKERS
        needs = NEEDS_ALL;
#endif
        tries[i]++;
        outcome[i] = INCOMPLETE;
        wrote[i] = (FILES -> 0 : wrote[i]);
        assert(wrote[i] == 0);
        pc[me] = (FILES -> OPENS : HEARS);
        act = STOP
    fi
}

/* output_room(), up to where it waits. */
inline output_room(me) {
    if
    :: !FILES && blocks[i] == 1 && put[i] == filled[i] && busy_item != i ->
        put[i] = 0; /* as good as new */
        filled[i] = 0
    :: else
    fi;
    if
    :: !FILES && (blocks[i] == 0 || filled[i] == CAP) ->
        line[line_count] = me;
        line_count++;
        serve = 1;
#ifdef OLD_SLEEP
        act = WAIT
#else
        back[me] = WAIT;
        act = ADVANCE
#endif
    :: else -> pc[me] = BODY; act = STOP
    fi
}

/* finish_try(), behind judge_try(). */
inline finish_try(me) {
    if
    :: outcome[i] != COMPLETE && !aborted &&
       (!written[i] || BREAK_RETRY) && tries[i] <= RETRIES ->
#ifdef OLD_AGAIN
        pc[me] = TELLS;
        back[me] = AGAIN;
        act = STOP
#else
        output_withdraw(i);
        back[me] = TELL;
#ifdef OLD_PASS
        act = TELL
#else
        act = ADVANCE
#endif
#endif
    :: outcome[i] != COMPLETE && !aborted &&
       ((written[i] && !BREAK_RETRY) || tries[i] > RETRIES) ->
        if
        :: !KEEP_GOING ->
            state[i] = ITEM_ENDED;
            needs = NEEDS_ALL;
            abort_run();
            act = LEAVE
        :: else -> back[me] = END; pc[me] = TELLS; act = STOP
        fi
    :: else -> act = END
    fi
}

/* --- the end of xserve() */

/* A client loses its connection, and ends. */
inline hang_up(k) {
    if
    :: child[k] == ALIVE && conn[k] == SERVED ->
        child[k] = DEAD;
        wake = (wake || k < CHILDREN)
    :: else
    fi
}

#ifdef OLD_LOOK
#define LOOKS_AHEAD(me) (me >= CHILDREN)
#else
#ifdef BREAK_LOOK
#define LOOKS_AHEAD(me) false
#else
#define LOOKS_AHEAD(me) true
#endif
#endif

/* Is an item neither waiting for a client, nor has one? */
#define is_idle(i) \
    ((i) >= ITEMS || state[(i) % ITEMS] <= ITEM_LISTED || \
     state[(i) % ITEMS] >= ITEM_ENDED)
#define all_idle (is_idle(0) && is_idle(1) && is_idle(2) && is_idle(3))

/* items_client_left(), items_look_ahead(). */
inline leave(me) {
    clients--;
    cn_item[me] = NOBODY;
    if
    :: REMOTE && LOOKS_AHEAD(me) && !aborted && !listed && !reading &&
       all_idle ->
        assert(!stranger[me]);
        reading = 1;
        pc[me] = LOOKS;
        act = STOP
    :: else -> act = CLOSE
    fi
}

/* If client k is from elsewhere, somebody else may come. */
inline make_place(k) {
    if
    :: k >= CHILDREN ->
        pc[k] = NEW;
        conn[k] = NONE;
        child[k] = ALIVE;
        shut[k] = 0;
        wanted[k] = NOBODY;
        picky[k] = 0;
        stranger[k] = 0
    :: else
    fi
}

inline conn_free(me) {
    threads--;
    pc[me] = GONE;
    cn_item[me] = NOBODY;
    sent[me] = 0;
    answer[me] = NO_ANSWER;
    answered[me] = 0;
    back[me] = STOP;
    hang_up(me);
#ifdef BREAK_HOUSE
    wake = (wake || threads + 1 < LIMIT); /* it was not full */
#else
#ifndef BREAK_WAKE
    wake = 1;
#endif
#endif
    make_place(me)
}

/* --- Nobody sleeps who could go on */

#define stuck (reading && STALL)
#define at_door(k) (k < CLIENTS && conn[(k) % CLIENTS] == VISITOR)
#define visitors (at_door(0) + at_door(1) + at_door(2) + at_door(3))
#ifdef BREAK_DOOR
#define door_is_empty true
#else
#define door_is_empty (visitors == 0)
#endif
#define may_return \
    (has_ended && children == 0 && threads <= stuck && door_is_empty && \
     (!aborted || !(reading && !STALL)))
#define has_place (threads < LIMIT)
#define may_accept (has_place && (!has_ended || children > 0))
#define only_strangers (has_ended && children == 0 && !REMOTE)
#define scarce (threads + visitors >= MEANS)
#define lacks_clients \
    (!has_ended && children == 0 && \
     (!listed || queued + reserved + delayed > 0))
#define in_backlog(k) (k < CLIENTS && conn[(k) % CLIENTS] == BACKLOG)
#define backlog \
    (in_backlog(0) || in_backlog(1) || in_backlog(2) || in_backlog(3))

/* Is thread k about to do something, after which it wakes the main thread? */
#define under_way(k) \
    (pc[k] == OPEN || pc[k] == OPENS || (pc[k] >= PUTS && pc[k] < GONE) || \
     (pc[k] == ASKS && answer[k] != NO_ANSWER) || \
     (!STALL && (pc[k] == LIST || pc[k] == LOOKS)))

inline settled() {
    d_step {
        count_items();
        if
        :: !aborted ->
            answer_any();
#ifdef OLD_TAKERS /* who is on his way may wake the next one */
            for (a : 0 .. CLIENTS - 1) {
                b = b + (pc[a] == ASKS && answer[a] != NO_ANSWER)
            }
#endif
            assert(any_count == 0 || verdict == NO_ANSWER || b > 0);
            for (a : 0 .. CLIENTS - 1) {
                if
                :: a < particular_count && b == 0 ->
                    answer_particular(wanted[particular[a]]);
                    assert(verdict == NO_ANSWER)
                :: else
                fi;
                if
                :: a < line_count && pc[line[a]] != OLD_TURN ->
                    x = cn_item[line[a]];
                    assert(!admitted(x) || taken >= SYSTEM)
                :: else
                fi
            }
            x = turn;
            if
            :: role == ROLE_FREE && x != NOBODY ->
                assert(state[x] != ITEM_ENDED && !is_streamed(x))
            :: else
            fi;
            b = held;
            for (a : 0 .. ITEMS - 1) {
                b = b - (was_exempt[a] -> 2 * blocks[a] : 0)
            }
            assert(b <= 2 * MEMORY + 4)
        :: else
        fi;
        if
        :: !wake && !left ->
            b = 0;
            assert(looking || !backlog || !may_accept ||
                   (in_vain && scarce));
            assert(alarm || delayed == 0);
            for (a : 0 .. CLIENTS - 1) {
                assert(!aborted || conn[a] != SERVED || pc[a] == GONE ||
                       shut[a]);
                assert(conn[a] != VISITOR || !(aborted || only_strangers));
                b = b + under_way(a)
            }
            assert(!may_return || b > 0);
            assert(!(lacks_clients && !REMOTE && b == 0 &&
                     atwork + handed_out == 0));
            assert(!(lacks_clients && REMOTE && threads == 0 && !told))
        :: else
        fi;
        assert(threads + visitors <= LIMIT);
        a = 0; b = 0; x = 0;
        forget_counts()
    }
}

/* --- the processes */

/* Is the lock all that thread `me` needs?  After an abort a client may be
 * silent until the server has hung up. */
#define silent(me) (aborted && !left && !shut[me] && child[me] == ALIVE)
#define runs(me) \
    (pc[me] == NEW -> \
        me == CLIENTS && ticks > 0 && role == ROLE_FREE && !left : \
     (pc[me] == GONE -> false : \
      (pc[me] == ASKS -> answer[me] != NO_ANSWER || aborted : \
       (pc[me] == LIST || pc[me] == LOOKS -> !stalled : \
        (pc[me] == ROOM || pc[me] == OLD_TURN -> got[me] || aborted : \
         (pc[me] == HEARS || pc[me] == BODY || pc[me] == RELAYS -> \
             !silent(me) : true))))))

/* What it does then: first where it was, then, in turn, what `act` says. */
proctype xserve(byte me) {
    byte i, a, b, x, y, act, needs, verdict;
    byte queued, reserved, atwork, handed_out, delayed, first_queued;
    bit serve, handed;
    do
    :: atomic { runs(me) ->
        act = STOP;
        i = cn_item[me];
        if
        :: pc[me] == NEW -> ticks--; role = ROLE_DRAWS; pc[me] = DRAWS
        :: left && pc[me] != NEW -> act = LOST
        :: !left && pc[me] == DRAWS ->
            role = ROLE_FREE;
            back[me] = IDLE;
            act = ADVANCE
        :: !left && pc[me] == OPEN ->
            if
            :: aborted -> act = CLOSE
            :: else ->
                came = 1;
                clients++;
                needs = NEEDS_ALL;
                act = NEXT_ITEM
            fi
        :: !left && pc[me] == ASKS -> act = ASKED
        :: !left && pc[me] == LIST ->
            end_read();
            if
            :: aborted -> act = LEAVE
            :: !aborted && i == NOBODY ->
                needs = NEEDS_ALL;
                act = ASK
            :: !aborted && i != NOBODY && picky[me] && wanted[me] != i &&
               !BREAK_WANTED ->
                state[i] = ITEM_QUEUED;
                needs = NEEDS_ALL;
                act = ASK
            :: else ->
                state[i] = ITEM_HANDED;
                cn_item[me] = i;
                needs = NEEDS_ONE;
                act = EXCHANGE
            fi
        :: !left && pc[me] == LOOKS ->
            end_read();
            if
            :: !aborted && i != NOBODY ->
                state[i] = ITEM_QUEUED;
                needs = NEEDS_ALL
            :: else ->
#ifndef OLD_AHEAD
                needs = NEEDS_ALL
#endif
            fi;
            act = CLOSE
        :: !left && (pc[me] == LIST || pc[me] == LOOKS) && STALL ->
            stalled = 1
        :: !left && pc[me] == OPENS -> /* the disk may be full */
            if
            :: part[i] = 1; act = (aborted -> LEAVE : HEAR)
            :: faults > 0 -> faults--; abort_run(); act = LEAVE
            fi
        :: !left && pc[me] == HEARS && !aborted && sent[me] < LENGTH(i) ->
            act = PLACE
        :: !left && pc[me] == HEARS && !aborted && sent[me] == LENGTH(i) ->
            outcome[i] = COMPLETE;
            answered[me] = 1;
            act = FINISH
        :: !left && pc[me] == HEARS && !aborted && failures > 0 ->
            failures--;
            outcome[i] = FAILED;
            answered[me] = 1;
            act = FINISH
        :: !left && pc[me] == HEARS &&
           (aborted || child[me] != ALIVE || stranger[me]) ->
#ifdef BREAK_EOF
            outcome[i] = COMPLETE;
            answered[me] = 1;
#else
            answered[me] = 0;
#endif
            act = FINISH
        :: !left && pc[me] == RELAYS ->
            role = ROLE_FREE;
            busy_item = NOBODY;
            if
            :: !aborted ->
                sent[me]++;
                wrote[i] = wrote[i] + 1;
                written[i] = 1;
                back[me] = HEAR
            :: aborted || child[me] != ALIVE ->
                answered[me] = 0;
                back[me] = FINISH
            fi;
            act = ADVANCE
        :: !left && pc[me] == ROOM -> act = WAIT
        :: !left && pc[me] == OLD_TURN ->
            if
            :: got[me] -> turn_join(i); back[me] = NEXT_ITEM; act = ADVANCE
            :: else -> line_find(me); line_remove(); b = 0; act = LEAVE
            fi;
            got[me] = 0
        :: !left && pc[me] == BODY && !aborted ->
            sent[me]++;
            if
            :: FILES -> pc[me] = PUTS
            :: else ->
                filled[i] = filled[i] + 1;
                back[me] = HEAR;
                act = ADVANCE
            fi
        :: !left && pc[me] == BODY && (aborted || child[me] != ALIVE) ->
            answered[me] = 0;
            back[me] = FINISH;
            act = ADVANCE
        :: !left && pc[me] == PUTS ->
            if
            :: wrote[i] = wrote[i] + 1; act = (aborted -> FINISH : HEAR)
            :: faults > 0 -> faults--; abort_run(); act = FINISH
            fi;
            answered[me] = 0
        :: !left && pc[me] == CLOSES ->
            part[i] = 0;
            if
#ifdef BREAK_CLOSE
            :: file[i] = 1
#else
            :: outcome[i] == COMPLETE -> file[i] = 1
#endif
            :: outcome[i] == COMPLETE && faults > 0 ->
                faults--;
                abort_run();
#ifndef BREAK_RENAME
                outcome[i] = INCOMPLETE
#endif
            :: outcome[i] != COMPLETE
            fi;
            act = JUDGED
        :: !left && pc[me] == TELLS -> act = back[me]; back[me] = STOP
        :: !left && pc[me] == WRITES ->
            if /* the disk may be full */
            :: true
            :: faults > 0 && !FILES ->
                faults--;
                amount[me] = 0;
                abort_run()
            fi;
            wrote_block(me);
            act = ADVANCE
        :: !left && pc[me] == REPORTS -> reported(); act = ADVANCE
        :: !left && pc[me] == BYE -> act = LEAVE
        fi;
        do
        :: needs != NEEDS_NONE ->
#ifdef OLD_TAKERS
            items_dispatch(needs);
#else
            items_dispatch(NEEDS_ALL);
#endif
            needs = NEEDS_NONE
        :: needs == NEEDS_NONE && serve ->
            turn_dispatch();
            serve = 0;
            needs = NEEDS_ALL
#ifdef OLD_TAKERS
            ; needs = (listed -> NEEDS_NONE : NEEDS_ONE)
#endif
#if defined BREAK_FREED || defined BREAK_PUT_BACK || defined BREAK_RETIRE
            ; needs = NEEDS_NONE
#endif
        :: needs == NEEDS_NONE && !serve && act == STOP -> break
        :: needs == NEEDS_NONE && !serve && act != STOP ->
            if
            :: act == NEXT_ITEM ->
                if
                :: me < CHILDREN && me < ITEMS &&
                   state[me % ITEMS] == ITEM_RESERVED ->
                    state[me % ITEMS] = ITEM_HANDED;
                    cn_item[me] = me;
                    needs = NEEDS_ALL;
                    act = EXCHANGE
                :: else -> act = ASK
                fi
            :: act == ASK ->
                cn_item[me] = NOBODY;
                if
                :: picky[me] -> particular[particular_count] = me;
                    particular_count++
                :: else -> any[any_count] = me; any_count++
                fi;
                needs = NEEDS_ALL;
#ifdef OLD_TAKERS
                needs = NEEDS_NONE;
                ask_alone(me);
#endif
                act = ASKED
            :: act == ASKED ->
                pc[me] = ASKS;
                act = STOP;
                if
                :: answer[me] == NO_ANSWER && !aborted /* it sleeps */
                :: answer[me] == NO_ANSWER && aborted ->
                    leave_line(me);
                    act = LEAVE
                :: aborted && answer[me] != NO_ANSWER ->
                    reading = (reading && answer[me] != READS_LIST);
                    act = LEAVE
                :: !aborted && answer[me] == HAS_ITEM -> act = EXCHANGE
                :: !aborted && answer[me] == READS_LIST -> pc[me] = LIST
                :: !aborted && answer[me] == HAS_NOTHING -> act = GOODBYE
                fi;
                answer[me] = NO_ANSWER
            :: act == EXCHANGE ->
                sent[me] = 0;
                exchange_item(me)
            :: act == PLACE ->
                act = STOP;
                if
                :: RELAY && me < CHILDREN && turn == i && unwritten(i) == 0 &&
                   !withdrawable(i) && role == ROLE_FREE ->
                    role = ROLE_WRITES;
                    busy_item = i;
                    pc[me] = RELAYS
                :: true -> output_room(me)
                fi
            :: act == WAIT ->
                pc[me] = ROOM;
                act = STOP;
                if
                :: got[me] == 0 && !aborted /* it sleeps */
                :: got[me] == 0 && aborted ->
                    line_find(me);
                    line_remove();
                    b = 0;
                    answered[me] = 0;
                    act = FINISH
                :: got[me] == 1 ->
                    blocks[i] = blocks[i] + 1;
                    filled[i] = 0;
                    pc[me] = BODY
                :: got[me] == 2 ->
                    abort_run();
                    answered[me] = 0;
                    act = FINISH
                fi;
                got[me] = 0
            :: act == HEAR ->
                pc[me] = HEARS;
                act = STOP
            :: act == FINISH ->
                i = cn_item[me];
                outcome[i] = (answered[me] -> outcome[i] : INCOMPLETE);
                if
                :: part[i] -> pc[me] = CLOSES; act = STOP
                :: else -> act = JUDGED
                fi
            :: act == JUDGED -> finish_try(me)
            :: act == TELL ->
                pc[me] = TELLS;
                back[me] = AGAIN;
                act = STOP
            :: act == AGAIN ->
                assert(!dismissed || aborted);
#ifdef OLD_AGAIN
                output_withdraw(i);
#endif
                state[i] = (DELAY -> ITEM_DELAYED : ITEM_QUEUED);
#ifndef BREAK_ALARM
                wake = (wake || DELAY);
#endif
                assert(wrote[i] == 0 || FILES);
                cn_item[me] = NOBODY;
                needs = NEEDS_ALL;
                back[me] = (answered[me] && !picky[me] -> NEXT_ITEM : LEAVE);
                act = ADVANCE
            :: act == END ->
                if
                :: outcome[i] != COMPLETE && (!answered[me] || RETRIES > 0) &&
                   !FILES -> output_withdraw(i)
                :: else
                fi;
                act = ENDED_NOW
            :: act == ENDED_NOW ->
                state[i] = ITEM_ENDED;
#ifndef BREAK_LAST_RUN
                for (b : 0 .. ITEMS - 1) {
                    wake = (wake || state[b] == ITEM_DELAYED)
                }
                b = 0;
#endif
                needs = NEEDS_ALL;
                output_end(i);
                back[me] = (answered[me] -> NEXT_ITEM : LEAVE);
                act = ADVANCE;
#ifdef OLD_LINE
                if
                :: turn != NOBODY && turn != i ->
                    line[line_count] = me;
                    line_count++;
                    pc[me] = OLD_TURN;
                    act = STOP
                :: else -> turn_join(i)
                fi;
#endif
                skip
            :: act == ADVANCE -> serve = 1; act = ADVANCE_ON
            :: act == ADVANCE_ON ->
                output_advance(me)
            :: act == IDLE ->
                pc[me] = NEW;
                act = STOP
            :: act == GOODBYE ->
                pc[me] = BYE;
                hang_up(me);
#ifdef OLD_TAKERS
                needs = NEEDS_ONE;
#endif
                act = STOP
            :: act == LEAVE -> leave(me)
            :: act == CLOSE ->
                act = STOP;
                conn_free(me)
            :: act == LOST ->
                pc[me] = GONE;
                act = STOP
            fi
        od;
        i = 0;
        settled()
    }
    :: finished -> break
    od
}

/* What may happen to client k: a child connects; others come, as long as there
 * are some, and connect; anybody is killed. */
#define FREE(k) \
    (k >= CHILDREN && conn[k] == NONE && \
     (k == CHILDREN || conn[(k + CLIENTS - 1) % CLIENTS] != NONE))
#define FATE(k) \
    :: atomic { k < CHILDREN && child[k] == ALIVE && \
                (conn[k] == NONE || \
                 (conn[k] == REFUSED && (threads < STACKS || aborted))) -> \
        conn[k] = BACKLOG \
    } \
    :: atomic { FREE(k) && guests > 0 -> guests--; conn[k] = BACKLOG } \
    :: atomic { FREE(k) && strangers > 0 -> \
        strangers--; \
        stranger[k] = 1; \
        conn[k] = BACKLOG \
    } \
    :: atomic { FREE(k) && pickies > 0 -> \
        pickies--; \
        picky[k] = 1; \
        wanted[k] = 0; \
        do \
        :: wanted[k] < ITEMS -> wanted[k]++ \
        :: break \
        od; \
        conn[k] = BACKLOG \
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

/* items_unreserve() */
inline unreserve(k) {
    if
    :: k < ITEMS && state[k % ITEMS] == ITEM_RESERVED ->
        state[k % ITEMS] = ITEM_QUEUED
    :: else
    fi
}

/* --- lib/door.c */

/* Makes k one of those, of whom there are some. */
#define choose(are, k) \
    if \
    :: are(0) -> k = 0 \
    :: are(1) -> k = 1 \
    :: are(2) -> k = 2 \
    :: are(3) -> k = 3 \
    fi

/* Sends somebody away.  A child may dial again. */
inline refuse(k) {
    conn[k] = NONE;
    make_place(k)
}

#ifdef BREAK_DROP
#define too_many false
#else
#define too_many (threads + visitors >= LIMIT)
#endif

inline door_admit(k) {
    if
    :: aborted -> refuse(k)
    :: else ->
        do
        :: too_many && visitors > 0 -> choose(at_door, b); refuse(b)
        :: else -> break
        od;
        b = 0;
        conn[k] = VISITOR
    fi
}

inline door_shortage() {
#ifndef BREAK_SHORTAGE
    for (b : 0 .. CHILDREN - 1) {
        unreserve(b)
    }
#endif
    b = 0
}

/* conn_new(), start_thread(); either may lack the means. */
inline start_thread(k) {
    if
    :: threads < STACKS ->
        conn[k] = SERVED;
        pc[k] = OPEN;
        threads++
    :: else ->
        refuse(k);
        conn[k] = (k < CHILDREN -> REFUSED : NONE);
        door_shortage()
    fi
}

/* The visitor has proved who he is, or never will. */
inline go_on_with(k) {
    if
#ifdef BREAK_TOKEN
    :: true -> start_thread(k)
#else
    :: !stranger[k] -> start_thread(k)
#endif
    :: stranger[k] || child[k] != ALIVE -> refuse(k)
    fi
}

/* Any of the visitors may be ready, or none; but not none if poll() has ended
 * only since one is. */
#if defined BREAK_POLL
#define is_heard(k) false
#elif defined BREAK_OPENING
#define is_heard(k) (at_door(k) && !stranger[(k) % CLIENTS])
#else
#define is_heard(k) at_door(k)
#endif
#define some_are_heard \
    (is_heard(0) || is_heard(1) || is_heard(2) || is_heard(3))
#define is_last_heard(k) \
    (!((k) < 1 && is_heard(1)) && !((k) < 2 && is_heard(2)) && \
     !((k) < 3 && is_heard(3)))

inline door_next() {
    for (k : 0 .. CLIENTS - 1) {
        if
        :: is_heard(k) -> rang = 0; go_on_with(k)
        :: is_heard(k) && !(rang && !alarm && is_last_heard(k))
        :: else
        fi
    }
    k = 0
}

/* --- server.c */

/* items_queue_due().  Anything may be due, or nothing; but not nothing if
 * poll() has ended since something is. */
#define is_delayed(i) ((i) < ITEMS && state[(i) % ITEMS] == ITEM_DELAYED)
#define is_last(i) \
    (!((i) < 1 && is_delayed(1)) && !((i) < 2 && is_delayed(2)) && \
     !((i) < 3 && is_delayed(3)))

inline queue_due() {
    alarm = 0;
    for (k : 0 .. ITEMS - 1) {
        if
        :: is_delayed(k) ->
            state[k] = ITEM_QUEUED;
            assert(!dismissed || aborted);
            rang = 0
        :: is_delayed(k) && !(rang && is_last(k)) -> alarm = 1
        :: else
        fi
    }
    k = 0;
    rang = 0
}

/* items_look_ahead(), called by the main thread; it takes no time. */
inline look_ahead() {
    if
    :: !has_ended && children == 0 && !STALL && !listed && !reading &&
       all_idle ->
        end_read();
        if
        :: i != NOBODY -> state[i] = ITEM_QUEUED
        :: else
        fi;
        i = 0
    :: else
    fi
}

#ifdef BREAK_WANT
#define seems_to_lack_clients \
    (lacks_clients && (!listed || queued + reserved > 0))
#else
#define seems_to_lack_clients lacks_clients
#endif
inline look_for_clients() {
    count_items();
    if
#ifndef BREAK_NO_CHILD
    :: seems_to_lack_clients && !REMOTE && atwork + handed_out == 0 ->
        abort_run()
#endif
#ifdef BREAK_SAY
    :: seems_to_lack_clients && REMOTE && threads == 0 && open_count > 0 ->
        told = 1
#else
    :: seems_to_lack_clients && REMOTE && threads == 0 -> told = 1
#endif
    :: else
    fi;
    forget_counts()
}

inline end_stragglers() {
    for (k : 0 .. CLIENTS - 1) {
        if
#ifndef BREAK_CLEAR
        :: conn[k] == VISITOR -> refuse(k)
#endif
        :: else
        fi;
        if
#ifndef BREAK_HANG_UP
        :: conn[k] == SERVED -> shut[k] = 1; hang_up(k)
#endif
#ifndef BREAK_IDLE /* child_kill_idle() */
        :: aborted && conn[k] != SERVED && k < CHILDREN &&
           child[k] == ALIVE ->
            child[k] = DEAD;
            wake = 1
#endif
        :: else
        fi
    }
    k = 0
}

/* Nothing can go on.  Only a list that stalls may do that; or if others may
 * come, that nobody is there, which has been said: then the turn is that of an
 * item for which nobody has come, or nobody at all has.  Who is there, and
 * would take any item, takes those that wait. */
inline quiet() {
    count_items();
    if
    :: !REMOTE ->
        assert(stalled && children > 0);
        assert(open_count == 0 || (threads == 1 && queued > 0))
    :: else ->
        assert(stalled || (threads == 0 && children == 0 && !has_ended));
        assert(stalled || told);
        assert(stalled || open_count > 0 || !came);
        assert(open_count == 0 ||
               (ORDERED -> state[THE_TURN] == ITEM_QUEUED :
                           queued == open_count));
        for (k : 0 .. CLIENTS - 1) {
            assert(queued == 0 || pc[k] != ASKS || picky[k])
        }
    fi
}

/* output_leave(), for item k: close_account() and the report, unless a thread
 * is stuck within that. */
#define is_delivered(k) (FILES || (k == turn && unwritten(k) == 0))
inline close_account(k) {
    if
    :: state[k] == ITEM_RUNNING && tries[k] > 0 ->
        outcome[k] = INCOMPLETE;
#ifndef BREAK_PART
        part[k] = 0
#endif
    :: state[k] == ITEM_ENDED && outcome[k] == COMPLETE &&
       !is_delivered(k) ->
#ifndef BREAK_REPORT
        outcome[k] = INCOMPLETE
#endif
    :: else
    fi;
    if
    :: role != ROLE_REPORTS -> done(k)
    :: else
    fi
}

active proctype mainthread() {
    byte k, i, a, b, x, y, verdict;
    byte queued, reserved, atwork, handed_out, delayed, first_queued;
    bit handed, rang; /* `rang`: only the alarm or a visitor had poll() end */
    atomic {
        for (k : 0 .. ITEMS - 1) {
            said[k] = UNSAID;
            outcome[k] = UNSTARTED
        }
        for (k : 0 .. CLIENTS - 1) {
            wanted[k] = NOBODY;
            cn_item[k] = NOBODY;
            if /* items_reserve() */
#ifdef BREAK_SHUT_OUT
            :: READY && k < CHILDREN && k < ITEMS ->
#else
            :: READY && !REMOTE && k < CHILDREN && k < ITEMS ->
#endif
                end_read();
                state[i] = ITEM_RESERVED
            :: else
            fi;
            run xserve(k)
        }
        cn_item[CLIENTS] = NOBODY;
        if
        :: TICKS > 0 -> run xserve(CLIENTS)
        :: else
        fi;
        k = 0;
        i = 0;
        run world()
    }
    do
    :: atomic { wake || (looking && backlog) || alarm || some_are_heard ->
        rang = !(wake || (looking && backlog));
        wake = 0;
        d_step {
            if /* handle_signals() */
            :: term -> term = 0; abort_run()
            :: else
            fi;
            for (k : 0 .. CHILDREN - 1) { /* handle_dead_child() */
                if
                :: child[k] == DEAD ->
                    child[k] = REAPED;
                    children--;
#ifndef BREAK_PROMISE
                    unreserve(k)
#endif
                :: else
                fi
            }
            k = 0
        }
        if
        :: some_are_heard -> door_next()
        :: else
        fi;
        do
        :: may_accept && !scarce && backlog ->
            choose(in_backlog, k);
            door_admit(k)
        :: else -> break
        od;
        k = 0;
        if
        :: may_accept && scarce && backlog -> /* door_pause() */
            door_shortage();
            in_vain = 1
        :: else -> in_vain = (in_vain && scarce)
        fi;
        look_ahead();
        items_dispatch(NEEDS_ALL);
        d_step {
            look_for_clients();
            if
            :: aborted || only_strangers -> end_stragglers()
            :: else
            fi;
            looking = may_accept && !in_vain
        }
        if
        :: may_return -> left = 1; break
        :: else
        fi;
        if
        :: DELAY -> queue_due()
        :: else
        fi;
#ifndef BREAK_LENT
        items_dispatch(NEEDS_ALL);
#endif
#ifndef BREAK_DUE
        turn_dispatch(); /* and no item more, as no memory becomes free */
#endif
        settled()
    }
    :: atomic { LATE && aborted -> left = 1; break }
    :: timeout -> quiet(); goto stop
    od;
    atomic {
        assert(aborted || (given == ITEMS && over == ITEMS));
        for (k : 0 .. CLIENTS - 1) {
            assert(aborted || conn[k] != VISITOR)
        }
        for (k : 0 .. ITEMS - 1) {
            if
            :: k < given && said[k] == UNSAID -> close_account(k)
            :: else
            fi;
            assert(!part[k]);
            assert(KILLS + FAILURES + FAULTS + TERM > 0 ||
                   (SYSTEM < 15 && RETRIES > 0) || said[k] == COMPLETE)
        }
    }
stop:
    finished = 1
}
