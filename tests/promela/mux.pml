/* The watchdog's device, the kernel's timer and the multiplexer, which alone knows the device.
 *
 * A client hands over E; the multiplexer subtracts the margin and pings only after a check that
 * now < D. Between the check and the ping anything may happen: what it has to do stands in a
 * queue, and is done one by one. */

/* What the multiplexer has to do, in order. */
#define PING 1
#define OPEN 2
#define CLOSE 3
#define SET_TIMER 4             /* to D of what is promised next */
#define END_TIMER 5
#define REPLY 6

/* What clients ask, and what they are answered. */
#define NOTHING 0
#define ATTACH 1
#define ARM 2
#define EXTEND 3
#define DISARM 4
#define REFUSED 5

#define NO_PROCESS 7

/* The device counts in true time; closed uncleanly it is pinged. */
bool device;
byte elapsed;
bool timer;                     /* the kernel kills the multiplexer at D, kappa = 1 */
byte timer_left;
bool marker;                    /* written before the device is opened */
/* The last E that was enforced, by arm or timer; a ghost, for properties. */
bool enforced;
byte enforced_left;

bool mux_alive;
bool mux_paused;
bool expired;                   /* D has passed: the device is left alone for good */
unsigned peer : 3 = NO_PROCESS; /* the LRM's process that attached last */
bool armed;
unsigned arm_of : 3;            /* whose arm it is */
byte arm_left;                  /* until E */
bool opened;                    /* as far as it knows */
byte next_ping;
unsigned operation : 3;         /* what is being done: ARM, EXTEND, DISARM */
unsigned op_of : 3;
byte op_left;
unsigned todo0 : 3;
unsigned todo1 : 3;
unsigned todo2 : 3;
unsigned reply : 3;
unsigned reply_to : 3;
bool reply_armed;
unsigned reply_of : 3;
byte reply_left;

/* A request on its way from the LRM's process that lives, and from those that died. */
typedef Message {
    unsigned what : 3;
    unsigned from : 3;
    unsigned arm : 3;           /* the arm that it names */
    bool gone;                  /* and then the end of the connection */
    byte left
}
Message inbox[3];               /* 0: of the one that lives */

#define MUX_RUNS (on && mux_alive && !mux_paused)
#define HAS_MAIL(j) (inbox[j].what != NOTHING || inbox[j].gone)
#define MAIL (HAS_MAIL(0) || HAS_MAIL(1) || HAS_MAIL(2))
#ifdef PING_PAST_DEADLINE
#define PAST_D false
#else
#define PAST_D (armed && arm_left <= MARGIN_USED)
#endif
#define MUX_DUE (!expired && opened && (next_ping == 0 || PAST_D))
#define MUX_COULD_ACT (todo0 != NOTHING || MAIL || MUX_DUE)

inline todo(what_next) {
    if
    :: todo0 == NOTHING -> todo0 = what_next
    :: todo0 != NOTHING && todo1 == NOTHING -> todo1 = what_next
    :: else -> assert(room + (todo2 == NOTHING)); todo2 = what_next
    fi
}

inline tell(what_then, has, whose, left_then) {
    reply = what_then; reply_to = peer; reply_armed = has; reply_of = whose; reply_left = left_then;
    todo(REPLY)
}

inline end_operation() { operation = NOTHING; op_of = 0; op_left = 0 }

inline end_message(j) {
    inbox[j].what = NOTHING; inbox[j].arm = 0; inbox[j].left = 0
}

/* D has passed: nothing is done to the device any more, whatever is asked. */
inline expire() {
    if
    :: !expired && opened && PAST_D ->
        expired = 1; armed = 0; arm_of = 0; arm_left = 0; next_ping = 0;
        end_operation();
#ifdef CLOSE_PAST_DEADLINE
        todo(CLOSE)
#endif
    :: else
    fi
}

/* The promise: what the device was opened for, or was open for already. */
inline promise() {
    armed = 1; arm_of = op_of; arm_left = op_left;
    tell(operation, 1, op_of, op_left);
    end_operation();
#if KAPPA == 1 && defined(KILL_TIMER_LATE)
    operation = REFUSED; op_left = arm_left; todo(SET_TIMER)
#endif
}

/* Arms, once the timer stands. */
inline arm_device() {
    if
    :: op_left <= MARGIN_USED ->
        tell(REFUSED, 0, op_of, 0);
        if
        :: opened -> operation = DISARM; todo(CLOSE)
        :: !opened && timer -> end_operation(); todo(END_TIMER)
        :: else -> end_operation()
        fi
    :: op_left > MARGIN_USED && opened -> promise()
    :: else -> todo(OPEN)
    fi
}

inline begin_arm(j) {
    if
    :: inbox[j].left <= MARGIN_USED || inbox[j].from != peer ->
        tell(REFUSED, 0, inbox[j].from, 0)
    :: else ->
        operation = ARM; op_of = inbox[j].from; op_left = inbox[j].left;
#if KAPPA == 1 && !defined(KILL_TIMER_LATE)
        todo(SET_TIMER)
#else
        arm_device()
#endif
    fi
}

inline begin_extend(j) {
    if
    :: !armed || arm_of != inbox[j].arm || inbox[j].left <= MARGIN_USED ->
        tell(REFUSED, 0, inbox[j].arm, 0)
    :: else ->
        operation = EXTEND; op_of = arm_of; op_left = inbox[j].left;
        arm_left = (arm_left < op_left -> arm_left : op_left);
#if KAPPA == 1 && !defined(KILL_TIMER_LATE)
        todo(SET_TIMER)
#else
        promise()
#endif
    fi
}

inline begin_disarm(which) {
#ifdef DISARM_ANY
    f = armed;
#else
    f = armed && arm_of == which;
#endif
    if
    :: f -> operation = DISARM; op_of = which; todo(CLOSE)
    :: else -> tell(REFUSED, 0, which, 0)
    fi
}

/* The reference counts from when it was fed. */
#ifdef RELATIVE_FEEDING
#define END_OF(j) (T / 2 + 1 + MARGIN)
#else
#define END_OF(j) inbox[j].left
#endif

/* Takes in what one connection brings: a request, or its end. */
inline take_mail(j) {
    if
    :: inbox[j].what == NOTHING ->
        inbox[j].gone = 0;
        if
        :: peer == inbox[j].from ->
            peer = NO_PROCESS;
#ifdef VANISHED_FORGOTTEN
            if
            :: armed && !expired -> begin_disarm(arm_of)
            :: else
            fi
#endif
        :: else
        fi;
        if
        :: j > 0 -> inbox[j].from = 0
        :: else
        fi
    :: inbox[j].what == ATTACH && j == 0 ->
        peer = inbox[j].from;
#ifdef ATTACH_EXTENDS
        arm_left = (armed -> T : arm_left);
#endif
        if
        :: expired -> tell(REFUSED, 0, NO_PROCESS, 0)
        :: else -> tell(ATTACH, armed, arm_of, arm_left)
        fi;
        end_message(j)
    :: inbox[j].what == ATTACH && j > 0 -> end_message(j)   /* its connection has ended */
    :: inbox[j].what > ATTACH && expired -> tell(REFUSED, 0, inbox[j].arm, 0); end_message(j)
    :: inbox[j].what == ARM && !expired ->
        inbox[j].left = END_OF(j); begin_arm(j); end_message(j)
    :: inbox[j].what == EXTEND && !expired ->
        inbox[j].left = END_OF(j); begin_extend(j); end_message(j)
    :: inbox[j].what == DISARM && !expired -> begin_disarm(inbox[j].arm); end_message(j)
    fi;
    /* Of dead ones the earlier comes first. */
    if
    :: !HAS_MAIL(1) && HAS_MAIL(2) ->
        inbox[1].what = inbox[2].what; inbox[1].from = inbox[2].from; inbox[1].arm = inbox[2].arm;
        inbox[1].gone = inbox[2].gone; inbox[1].left = inbox[2].left;
        end_message(2); inbox[2].from = 0; inbox[2].gone = 0
    :: else
    fi
}

/* What follows every step of the multiplexer: a ping, if one is due; and what the world knows. */
inline after_mux() {
    if
    :: !expired && opened && next_ping == 0 -> next_ping = P; todo(PING)
    :: else
    fi;
    if
    :: armed || timer ->
        n = (armed -> (arm_left + MARGIN > MARGIN_USED -> arm_left + MARGIN - MARGIN_USED : 0) : 0);
        m = (timer -> timer_left + MARGIN : 0);
        enforced = 1; enforced_left = MAX(n, m)
    :: else
    fi;
#ifdef CHECK_KILL_TIMER_STANDS
    assert(KAPPA != 1 || !armed || operation == EXTEND ||
        (timer && timer_left + MARGIN_USED <= arm_left))
#endif
}

/* Whether the answer to be delivered is to what was asked, and to nothing else. */
#define ANSWERS ((asked == reply && (asked == ATTACH || reply_of == (asked == DISARM -> guard_of : process))) || \
    (reply == REFUSED && (asked == ATTACH -> reply_of == NO_PROCESS : asked != NOTHING && \
        reply_of == (asked == ARM -> process : guard_of))))

/* The first thing in the queue is done. */
inline do_first() {
    m = todo0;
    todo0 = todo1; todo1 = todo2; todo2 = NOTHING;
    if
    :: m == PING -> elapsed = 0
    :: m == REPLY ->
        if
        :: c[0].alive && reply_to == process && ANSWERS -> deliver()
        :: else
        fi;
        reply = NOTHING; reply_to = 0; reply_armed = 0; reply_of = 0; reply_left = 0
    :: m == OPEN ->
        marker = 1; device = 1; elapsed = 0;
        expire();
        if
        :: operation == ARM -> opened = 1; next_ping = P; promise()
        :: else
        fi;
        after_mux()
    :: m == CLOSE ->
        device = 0; elapsed = 0; marker = 0; enforced = 0; enforced_left = 0;
        expire();
        if
        :: operation == DISARM ->
            opened = 0; next_ping = 0; armed = 0; arm_of = 0; arm_left = 0;
#if KAPPA == 1
            todo(END_TIMER)
#else
            tell(DISARM, 0, op_of, 0); end_operation()
#endif
        :: else
        fi;
        after_mux()
    :: m == SET_TIMER ->
        timer = 1; timer_left = (op_left > MARGIN_USED -> op_left - MARGIN_USED : 0);
        expire();
        if
        :: operation == ARM -> arm_device()
        :: operation == EXTEND -> promise()
        :: else -> end_operation()
        fi;
        after_mux()
    :: m == END_TIMER ->
        timer = 0; timer_left = 0;
        expire();
        if
        :: operation == DISARM -> tell(DISARM, 0, op_of, 0); end_operation()
        :: else
        fi;
        after_mux()
    fi
}

/* The multiplexer ends: the kernel closes the device, which pings it. */
inline mux_ends() {
    elapsed = 0;
    mux_alive = 0; mux_paused = 0; expired = 0; peer = NO_PROCESS;
    armed = 0; arm_of = 0; arm_left = 0; opened = 0; next_ping = 0; end_operation();
    todo0 = NOTHING; todo1 = NOTHING; todo2 = NOTHING;
    reply = NOTHING; reply_to = 0; reply_armed = 0; reply_of = 0; reply_left = 0;
    timer = 0; timer_left = 0;
    hung_up = hung_up || c[0].alive; connects = 0;
    for (n : 0 .. 2) { end_message(n); inbox[n].gone = 0; inbox[n].from = 0 }
    n = 0
}
