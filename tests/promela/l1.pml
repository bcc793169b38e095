/* Layer 1 once more, for Spin: lock records, multiplexer, device, pauses and crashes.
 *
 * Written from the rules (the safety argument in ARCHITECTURE.md), not from the checker's code.
 * One host runs a service while its authority lasts, another contends for its lock. What is
 * twinned, what isn't, and how to read the counts: docs/promela.md.
 *
 *   spin -a -DKAPPA=1 -DPAUSE_LRM -DBUDGET=1 -DCHECK_TAKEN_IS_DEAD l1.pml
 *   cc -O2 -DSAFETY -o pan pan.c && ./pan -m1000000
 *
 * Every step is one d_step: a step of a machine is atomic, executing its effects isn't. A process
 * takes in something new only once it has done what it had to do. */

#include "timing.pml"
#include "lock.pml"
#include "mux.pml"
#include "lrm.pml"

byte budget = BUDGET;
#ifdef EACH_ONCE
short spent;
#endif
#ifdef OUTAGE_MAX
byte outage;                    /* for how long a host hasn't reached the store */
#define OUTAGE_OVER ((c[0].cut || c[1].cut) && outage >= OUTAGE_MAX)
#else
#define OUTAGE_OVER false
#endif
#if WANTS > 0
byte wants = WANTS;
#endif

#ifdef OBSERVE
#define D_LEFT(left, margin) ((left) > (margin) ? (left) - (margin) : 0)
#define IS_DELAYED(k) (now.q[k].state == SENT || now.q[k].state == LATE)
#define DELAYED (IS_DELAYED(0) + IS_DELAYED(1) + IS_DELAYED(NQ) + IS_DELAYED(NQ + 1) + \
    (NQ > 2 ? IS_DELAYED(NQ - 1) + IS_DELAYED(2 * NQ - 1) : 0) + \
    (now.c[0].read == LATE) + (now.c[1].read == LATE))
c_decl { \#include "observe.h" }
#endif

#define MAY_FAIL(host, kind) (budget > 0 && UNSPENT(kind) && FAULTS_ON_##host && FAILS_##host)

/* With REDUCE a process that has something to do does so before others move, as in the checker:
 * faults of its host and its hardware can still come between. */
#define LRM_MOVES (LRM_RUNS && LRM_BUSY)
#define MUX_MOVES (MUX_RUNS && todo0 != NOTHING)
#define CONTENDER_MOVES (CONTENDER_RUNS && CONTENDER_BUSY)
#ifdef REDUCE
#define MUX_TURN (!LRM_MOVES)
#define CONTENDER_TURN (!LRM_MOVES && !MUX_MOVES)
#define STILL (!LRM_MOVES && !MUX_MOVES && !CONTENDER_MOVES)
#define FAILS_0 (LRM_MOVES || MUX_MOVES || !CONTENDER_MOVES)
#define FAILS_1 CONTENDER_TURN
#else
#define MUX_TURN true
#define CONTENDER_TURN true
#define STILL true
#define FAILS_0 true
#define FAILS_1 true
#endif

/* The process that lives, or nothing of it: whose instance does a grant speak for? */
#define OF_THIS_BOOT (held && (owner == LRM || owner == LRM_DEAD))
#define TAKEN_IS_DEAD (!(held && ((running && !OF_THIS_BOOT) || (trailing > 0 && owner != LRM_OLD))))
#define GUARDED_BY_DEVICE (device && enforced && enforced_left + age <= T)
#define WATCHDOG_GUARDS (!(running && OF_THIS_BOOT) || GUARDED_BY_DEVICE)

#define CAN_SEND(i) (q[(i) * NQ].state == MADE)
#define LRM_LISTENS (LRM_RUNS && !LRM_BUSY && STILL)
#define MUX_LISTENS (MUX_RUNS && todo0 == NOTHING && STILL)
#define CONTENDER_RUNS (c[1].alive && !c[1].paused)
#define CONTENDER_BUSY (CAN_SEND(1) || c[1].read == MADE)
#define CONTENDER_DUE ( \
    (PENDING(1) && q[NQ].left <= T - TAU) || \
    (!PENDING(1) && c[1].hold && c[1].renew == 0 && c[1].read == FREE) || \
    (c[1].read != FREE && c[1].read_age >= TAU) || \
    (!PENDING(1) && c[1].read == FREE && SILENCE_OVER(1)))
#define CONTENDER_HAS_ANSWER (q[NQ].state == ANSWERED || q[NQ + 1].state == ANSWERED || \
    (NQ > 2 && q[2 * NQ - 1].state == ANSWERED))
#define CONTENDER_COULD_ACT (CONTENDER_BUSY || CONTENDER_HAS_ANSWER || c[1].read == ANSWERED || \
    (c[1].news && REACHES(1)) || CONTENDER_DUE)
#define CONTENDER_LISTENS (CONTENDER_RUNS && !CONTENDER_BUSY && STILL)

/* Sends what a client asks of the store. Its request may be delayed for any time. */
inline send_write(i) {
    if
    :: REACHES(i) -> apply(i * NQ); q[(i) * NQ].state = ANSWERED; tidy(i); tidy(1 - i)
    :: else -> q[(i) * NQ].state = LOST
    fi
}

inline send_read(i) {
    if
    :: REACHES(i) -> carry_out_read(i)
    :: else -> c[i].read = LOST
    fi
}

proctype Lrm() {
    do
    :: d_step { LRM_RUNS && CAN_SEND(0) -> send_write(0) }
    :: d_step { LRM_RUNS && c[0].read == MADE -> send_read(0) }
    :: d_step { LRM_RUNS && asking -> send() }
    :: d_step { LRM_RUNS && (job != 0 || kill_due || !serving) -> work() }
    :: d_step { LRM_LISTENS && q[0].state == ANSWERED -> answer(0, 0); proceed() }
    :: d_step { LRM_LISTENS && q[1].state == ANSWERED -> answer(0, 1); proceed() }
#if NQ > 2
    :: d_step { LRM_LISTENS && q[2].state == ANSWERED -> answer(0, 2); proceed() }
#endif
    :: d_step { LRM_LISTENS && c[0].read == ANSWERED -> take_read(); proceed() }
    :: d_step { LRM_LISTENS && c[0].news && REACHES(0) -> look(); proceed() }
    :: d_step { LRM_LISTENS && told != NOTHING -> take_told(); proceed() }
    :: d_step { LRM_LISTENS && told == NOTHING && hung_up ->
            hung_up = 0; connected = 0; asked = NOTHING; asked_left = 0; proceed() }
    :: d_step { LRM_LISTENS && told == NOTHING && !hung_up && connects ->
            connects = 0; connected = 1; ask(ATTACH, 0); proceed() }
    :: d_step { LRM_LISTENS && LRM_DUE -> time_out(0); tidy(0); proceed() }
    od
}

/* What a contender does: it takes the lock as soon as it may, and keeps it. */
inline contend() {
    read_lane(1);
    if
    :: PENDING(1) || c[1].read != FREE
    :: else ->
        if
        :: !c[1].hold && IS_FREE(1) -> begin(1, TAKE)
        :: c[1].hold && c[1].renew == 0 -> c[1].renew = R; begin(1, RENEW)
        :: else
        fi
    fi
}

proctype Contender() {
    do
    :: d_step { CONTENDER_RUNS && CAN_SEND(1) && CONTENDER_TURN -> send_write(1) }
    :: d_step { CONTENDER_RUNS && c[1].read == MADE && CONTENDER_TURN -> send_read(1) }
    :: d_step { CONTENDER_LISTENS && q[NQ].state == ANSWERED -> answer(1, NQ); contend() }
    :: d_step { CONTENDER_LISTENS && q[NQ + 1].state == ANSWERED -> answer(1, NQ + 1); contend() }
#if NQ > 2
    :: d_step { CONTENDER_LISTENS && q[NQ + 2].state == ANSWERED -> answer(1, NQ + 2); contend() }
#endif
    :: d_step { CONTENDER_LISTENS && c[1].read == ANSWERED ->
            if
            :: !c[1].shows_old -> observe(1, c[1].shows_change, c[1].shows_owner, c[1].shows_held,
                c[1].shows_grant, c[1].shows_beat)
            :: else
            fi;
            end_read(1); contend() }
    :: d_step { CONTENDER_LISTENS && c[1].news && REACHES(1) -> see(1); contend() }
    :: d_step { CONTENDER_LISTENS && CONTENDER_DUE -> time_out(1); tidy(1); contend() }
    od
}

proctype Multiplexer() {
    do
    :: d_step { MUX_MOVES && MUX_TURN -> do_first() }
    :: d_step { MUX_LISTENS && HAS_MAIL(0) -> expire(); take_mail(0); after_mux() }
    :: d_step { MUX_LISTENS && HAS_MAIL(1) -> expire(); take_mail(1); after_mux() }
    :: d_step { MUX_LISTENS && HAS_MAIL(2) -> expire(); take_mail(2); after_mux() }
    :: d_step { MUX_LISTENS && MUX_DUE -> expire(); after_mux() }
    od
}

#define RESET_DUE (on && device && elapsed >= W)
#define TIMER_DUE (on && mux_alive && timer && timer_left == 0)

proctype Hardware() {
    do
    :: d_step { RESET_DUE && FAILS_0 ->
#if defined(CHECK_NO_NEEDLESS_RESET) || defined(CHECK_OUTAGE_TOLERATED)
            assert(false);
#endif
            host_ends() }
    :: d_step { TIMER_DUE && FAILS_0 -> mux_ends() }
    :: d_step { STILL && on == 0 -> on = 1; mux_alive = 1; lrm_starts() }
    od
}

/* What ends a fault is free. */
proctype Recovery() {
    do
    :: d_step { STILL && c[0].paused -> c[0].paused = 0 }
    :: d_step { STILL && c[1].paused -> c[1].paused = 0 }
    :: d_step { STILL && mux_paused -> mux_paused = 0 }
    :: d_step { STILL && on && !c[0].alive -> lrm_starts() }
#ifdef MARKER_IGNORED
    :: d_step { STILL && on && !mux_alive -> mux_alive = 1; connects = c[0].alive }
#else
    :: d_step { STILL && on && !mux_alive && !marker -> mux_alive = 1; connects = c[0].alive }
#endif
    :: d_step { STILL && !c[1].alive -> c[1].alive = 1; c[1].news = 1; contend() }
#ifdef ISOLATE
    :: d_step { STILL && c[0].cut -> c[0].cut = 0; c[0].news = c[0].alive }
    :: d_step { STILL && c[1].cut -> c[1].cut = 0; c[1].news = c[1].alive }
#endif
    od
}

/* Answers that are on their way when the connection breaks are lost. */
inline cut_off(i) {
    c[i].cut = 1;
    for (n : (i) * NQ .. (i) * NQ + NQ - 1) {
        if
        :: q[n].state == ANSWERED -> q[n].state = LOST
        :: else
        fi
    }
    if
    :: c[i].read == ANSWERED -> end_read(i); c[i].read = LOST
    :: else
    fi
}

inline delay_read(i) {
    if
    :: REACHES(i) -> carry_out_read(i); c[i].read = LATE
    :: else -> c[i].read = LOST
    fi
}

#if BUDGET > 0
proctype Faults() {
    do
#ifdef PAUSE_LRM
    :: d_step { MAY_FAIL(0, 0) && on && c[0].alive && !c[0].paused -> SPEND(0); c[0].paused = 1 }
#endif
#ifdef PAUSE_MUX
    :: d_step { MAY_FAIL(0, 1) && on && mux_alive && !mux_paused && MUX_COULD_ACT ->
            SPEND(1); mux_paused = 1 }
#endif
#ifdef PAUSE_CONTENDER
    :: d_step { MAY_FAIL(1, 2) && c[1].alive && !c[1].paused -> SPEND(2); c[1].paused = 1 }
#endif
#ifdef PAUSE_ALL
    :: d_step { MAY_FAIL(0, 3) && on && ((c[0].alive && !c[0].paused) || (mux_alive && !mux_paused)) ->
            SPEND(3); c[0].paused = c[0].alive; mux_paused = mux_alive }
    :: d_step { MAY_FAIL(1, 3) && c[1].alive && !c[1].paused -> SPEND(3); c[1].paused = 1 }
#endif
#ifdef CRASH_LRM
    :: d_step { MAY_FAIL(0, 4) && on && c[0].alive -> SPEND(4); lrm_ends() }
#endif
#ifdef CRASH_MUX
    :: d_step { MAY_FAIL(0, 5) && on && mux_alive -> SPEND(5); mux_ends() }
#endif
#ifdef CRASH_CONTENDER
    :: d_step { MAY_FAIL(1, 6) && c[1].alive -> SPEND(6); client_ends(1, CONT_DEAD) }
#endif
#ifdef POWER
    :: d_step { MAY_FAIL(0, 7) && on -> SPEND(7); host_ends() }
    :: d_step { MAY_FAIL(1, 7) && c[1].alive -> SPEND(7); client_ends(1, CONT_DEAD) }
#endif
#ifdef ISOLATE
    :: d_step { MAY_FAIL(0, 8) && on && !c[0].cut -> SPEND(8); cut_off(0) }
    :: d_step { MAY_FAIL(1, 8) && !c[1].cut -> SPEND(8); cut_off(1) }
#endif
#ifdef DELAY
    :: d_step { MAY_FAIL(0, 9) && LRM_RUNS && CAN_SEND(0) -> SPEND(9); q[0].state = SENT; tidy(0) }
    :: d_step { MAY_FAIL(1, 9) && CONTENDER_RUNS && CAN_SEND(1) ->
            SPEND(9); q[NQ].state = SENT; tidy(1) }
    :: d_step { MAY_FAIL(0, 9) && LRM_RUNS && c[0].read == MADE -> SPEND(9); delay_read(0) }
    :: d_step { MAY_FAIL(1, 9) && CONTENDER_RUNS && c[1].read == MADE -> SPEND(9); delay_read(1) }
#endif
    od
}
#endif

#ifdef DELAY
/* A request that was delayed reaches the store, or its answer the sender: any time, or never. */
#define ARRIVES(k) d_step { STILL && q[k].state == SENT -> apply(k); q[k].state = LATE; tidy(0); tidy(1) }
#define IS_HEARD(k) d_step { STILL && q[k].state == LATE && REACHES(CLIENT_OF(k)) -> q[k].state = ANSWERED }

proctype Network() {
    do
    :: ARRIVES(0)
    :: ARRIVES(1)
    :: ARRIVES(NQ)
    :: ARRIVES(NQ + 1)
    :: IS_HEARD(0)
    :: IS_HEARD(1)
    :: IS_HEARD(NQ)
    :: IS_HEARD(NQ + 1)
    :: d_step { STILL && c[0].read == LATE && REACHES(0) -> c[0].read = ANSWERED }
    :: d_step { STILL && c[1].read == LATE && REACHES(1) -> c[1].read = ANSWERED }
#if NQ > 2
    :: ARRIVES(2)
    :: ARRIVES(NQ + 2)
    :: IS_HEARD(2)
    :: IS_HEARD(NQ + 2)
#endif
    od
}
#endif

#if WANTS > 0
proctype People() {
    do
    :: d_step { STILL && wants > 0 ->
            wants--; wanted = !wanted;
            view_stands = 0; c[0].shows_record = 0; c[1].shows_record = 0;
            c[0].news = c[0].alive; c[1].news = c[1].alive }
    od
}
#endif

/* Time passes only when nothing else has to happen first. */
#define URGENT ((LRM_RUNS && LRM_COULD_ACT) || (MUX_RUNS && MUX_COULD_ACT) || \
    (CONTENDER_RUNS && CONTENDER_COULD_ACT) || RESET_DUE || TIMER_DUE || OUTAGE_OVER)

#define LESS(x) x = (x > 0 -> x - 1 : 0)
#define MORE(x) x = (x < T -> x + 1 : T)

inline tick() {
    age = (held -> (age < T -> age + 1 : T) : 0);
    LESS(trailing);
#ifdef OUTAGE_MAX
    outage = (c[0].cut || c[1].cut -> (outage < OUTAGE_MAX -> outage + 1 : outage) : 0);
#endif
    elapsed = (device -> elapsed + 1 : 0);
    LESS(timer_left); LESS(enforced_left); LESS(arm_left); LESS(op_left); LESS(reply_left);
    LESS(next_ping); LESS(told_left); LESS(asked_left); LESS(guard_left); LESS(refused_left);
    idle = (idle > 1 -> idle - 1 : idle);
    for (n : 0 .. 2) { LESS(inbox[n].left) }
    for (n : 0 .. 1) {
        LESS(c[n].expires); LESS(c[n].renew);
        if
        :: c[n].known && !c[n].hold && c[n].held -> MORE(c[n].since)
        :: else -> c[n].since = 0
        fi;
        if
        :: c[n].read != FREE && c[n].read_age < TAU -> c[n].read_age++
        :: else
        fi
    }
    for (n : 0 .. 2 * NQ - 1) { LESS(q[n].left) }
    n = 0
}

proctype Clock() {
    do
    :: d_step { !(URGENT) ->
#ifdef OBSERVE
            c_code {
                unsigned char one[OBSERVED] = {
                    now.owner, now.held, now.age,
                    now.device ? now.elapsed + 1 : 0,
                    now.enforced ? D_LEFT(now.enforced_left, MARGIN) + 1 : 0,
                    now.timer ? now.timer_left + 1 : 0,
                    now.marker, now.running, now.trailing, now.intent,
                    now.on, now.c[0].alive, now.mux_alive, now.c[1].alive,
                    now.c[0].cut, now.c[1].cut,
                    now.c[0].hold, now.c[0].expires,
                    now.guard ? D_LEFT(now.guard_left, MARGIN_USED) + 1 : 0,
                    now.c[1].hold, now.wanted, now.expired,
                    now.armed ? D_LEFT(now.arm_left, MARGIN_USED) + 1 : 0,
                    DELAYED + 1
                };
                note(one);
            };
#endif
            tick() }
#ifdef CHECK_TAKEN_IS_DEAD
    :: d_step { !TAKEN_IS_DEAD -> assert(false) }
#endif
#ifdef CHECK_WATCHDOG_GUARDS
    :: d_step { !WATCHDOG_GUARDS -> assert(false) }
#endif
    od
}

init {
    d_step {
        mux_alive = 1; lrm_starts();
        c[1].alive = 1; c[1].news = 1; contend()
    }
    atomic {
        run Lrm(); run Contender(); run Multiplexer(); run Hardware(); run Recovery();
#if BUDGET > 0
        run Faults();
#endif
#ifdef DELAY
        run Network();
#endif
#if WANTS > 0
        run People();
#endif
        run Clock()
    }
}
