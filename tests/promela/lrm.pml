/* The LRM: it holds its node's lock, keeps the watchdog armed for as long as that lasts, and runs
 * one service. What is due is derived anew after every input; every effect waits in its lane. */

/* What it knows of the service: only positive reports count. */
#define NOT_KNOWN 0             /* not read yet that there is one */
#define UNKNOWN 1
#define STOPPED 2
#define RUNNING 3

#define QUERY 1
#define START 2
#define STOP 3

#define NOT_KILLING 0
#define KILLING 1
#define KILLED 2

#define LEAVE 0
#define RUN 1
/* STOP is also a duty */

/* The host and what runs on it. */
bool on = 1;
bool running;                   /* the service */
byte trailing;                  /* I/O of a dead host that goes on */
bool intent;                    /* on the disk, of this boot */

unsigned process : 3;           /* which LRM of this boot it is */
bool serving;                   /* a predecessor's workers were reaped */
bool view;                      /* it has read the service's record */
bool view_wanted;
bool view_stands;               /* nobody has written the record since */
bool view_fresh;                /* after the present grant */
unsigned status : 2;
unsigned job : 2;
bool spawning;                  /* its intent is recorded */
unsigned killing : 2;
bool kill_due;                  /* the effect */
bool lost;                      /* it has noticed that authority ends */
unsigned idle : 2;              /* ticks until an idle lock is given back; 1: now; 0: not idle */

/* Its connection to the multiplexer. */
bool connected;
unsigned asked : 3;             /* the request whose answer it waits for */
byte asked_left;
bool asking;                    /* the request is not sent yet */
bool guard;                     /* what is armed in the LRM's name, as it was told */
unsigned guard_of : 3;
byte guard_left;
byte refused_left;              /* the end that was refused last: not asked for again */
/* What has arrived from there: an answer, the connection's end, another's beginning. */
unsigned told : 3;
bool told_armed;
unsigned told_of : 3;
byte told_left;
bool hung_up;
bool connects;

#define LRM_RUNS (on && c[0].alive && !c[0].paused)
#define LRM_BUSY (q[0].state == MADE || c[0].read == MADE || asking || job != 0 || kill_due || !serving)
#define LOSING_BY_CLOCK (guard && guard_left <= MARGIN_USED + G)
#ifdef STOP_AT_FIRST_TIMEOUT
#define LOSING (LOSING_BY_CLOCK || c[0].unsettled)
#else
#define LOSING LOSING_BY_CLOCK
#endif
#define DOOMED (guard && guard_left <= MARGIN_USED)
#define KILL_TIME (guard && guard_left <= MARGIN_USED + KILL)
#define MAY_RUN (status == UNKNOWN || status == RUNNING)
#ifdef LOSS_STOPS_NOTHING
#define MAY_HAVE_TO_KILL false
#else
#define MAY_HAVE_TO_KILL (killing == NOT_KILLING && MAY_RUN)
#endif
#define WANTS_LOCK ((view && view_wanted) || (c[0].known && !c[0].hold && c[0].held && c[0].owner == LRM_DEAD))

/* When it wakes by itself. */
#define LRM_DUE (serving && ( \
    (PENDING(0) && q[0].left <= T - TAU) || \
    (!PENDING(0) && c[0].hold && c[0].renew == 0 && !c[0].read_for_lock) || \
    (c[0].read != FREE && c[0].read_age >= TAU) || \
    (!PENDING(0) && WANTS_LOCK && SILENCE_OVER(0) && !c[0].read_for_lock) || \
    (LOSING_BY_CLOCK && !lost) || \
    (KILL_TIME && MAY_HAVE_TO_KILL) || \
    (idle == 1 && !PENDING(0) && !c[0].read_for_lock)))
#define LRM_HAS_ANSWER (q[0].state == ANSWERED || q[1].state == ANSWERED || (NQ > 2 && q[NQ - 1].state == ANSWERED))
#define LRM_COULD_ACT (LRM_BUSY || LRM_HAS_ANSWER || c[0].read == ANSWERED || told != NOTHING || \
    hung_up || connects || (c[0].news && REACHES(0)) || LRM_DUE)

inline deliver() {
    told = reply; told_armed = reply_armed; told_of = reply_of; told_left = reply_left
}

inline end_told() { told = NOTHING; told_armed = 0; told_of = 0; told_left = 0 }

inline ask(what_now, until) { asked = what_now; asked_left = until; asking = 1 }

#define GUARDS_NOW (guard && guard_of == process && \
    (asked == NOTHING -> connected : asked == ARM || asked == EXTEND))
#ifdef START_DESPITE_DISARM
#define GUARDED (guard && guard_of == process)
#else
#define GUARDED GUARDS_NOW
#endif
#ifdef START_UNARMED
#define IS_ARMED true
#else
#define IS_ARMED (GUARDED && !LOSING)
#endif
#ifdef START_DESPITE_RELEASE
#define NOT_RELEASED true
#else
#define NOT_RELEASED (!MAY_BE_RELEASED)
#endif
#define MAY_START (c[0].hold && c[0].expires > 0 && NOT_RELEASED && IS_ARMED && view_fresh)

/* What is due for the service: into m. */
inline duty() {
    if
#ifdef LOSS_STOPS_NOTHING
    :: LOSING -> m = LEAVE
#else
    :: LOSING -> m = STOP
#endif
    :: !LOSING && c[0].hold -> m = (!view_fresh -> LEAVE : (view_wanted -> RUN : STOP))
    :: !LOSING && !c[0].hold ->
        m = (PENDING(0) || !c[0].known || (IS_FREE(0) && WANTS_LOCK) -> LEAVE : STOP)
    fi
}

/* A worker, if one is needed and none is at work. */
inline attend_service() {
    if
    :: KILL_TIME && MAY_HAVE_TO_KILL -> killing = KILLING; kill_due = 1
    :: !KILL_TIME && killing == KILLED -> killing = NOT_KILLING
    :: else
    fi;
    if
    :: killing != KILLING && status != NOT_KNOWN && job == 0 ->
        duty();
        if
        :: m == RUN && status == UNKNOWN -> job = QUERY; spawning = 1
        :: m == RUN && status == STOPPED && MAY_START -> job = START
        :: m == STOP && MAY_RUN -> job = STOP
        :: else
        fi
    :: else
    fi
}

inline lock_lane() {
    idle = (WANTS > 0 && c[0].hold && view && !view_wanted && !MAY_RUN && job == 0 &&
        killing != KILLING -> (idle == 0 -> 2 : idle) : 0);
    if
    :: PENDING(0) || c[0].read_for_lock
    :: !PENDING(0) && !c[0].read_for_lock && !c[0].hold ->
        if
        :: WANTS_LOCK && IS_FREE(0) -> begin(0, TAKE)
        :: else
        fi
    :: !PENDING(0) && !c[0].read_for_lock && c[0].hold ->
        if
        :: c[0].renew == 0 && !DOOMED -> c[0].renew = R; begin(0, RENEW)
        :: else ->
            c[0].renew = (c[0].renew == 0 -> R : c[0].renew);
            if
            :: idle == 1 && job == 0 -> begin(0, RELEASE)
            :: else
            fi
        fi
    fi
}

inline watchdog_lane() {
    if
    :: !c[0].hold || refused_left != c[0].expires -> refused_left = 0
    :: else
    fi;
    if
    :: !connected || asked != NOTHING
    :: connected && asked == NOTHING && guard && (!c[0].hold || LOSING) && job == 0 &&
        killing != KILLING && !MAY_RUN && !DOOMED ->
        c[0].expires = 0; ask(DISARM, 0)
    :: else ->
        if
        :: c[0].hold && c[0].expires > MARGIN_USED && refused_left != c[0].expires &&
            !(guard && guard_of == process && guard_left == c[0].expires) ->
            if
            :: guard && guard_of == process -> ask(EXTEND, c[0].expires)
            :: else -> ask(ARM, c[0].expires)
            fi
        :: else
        fi
    fi
}

inline read_lane(i) {
    if
    :: c[i].read_wanted && c[i].read == FREE ->
        c[i].read = MADE; c[i].read_age = 0; c[i].read_wanted = 0
    :: else
    fi
}

/* Does in every lane what can be done now. */
inline proceed() {
    view_fresh = view_fresh && c[0].hold;
    attend_service();
    lock_lane();
    watchdog_lane();
    read_lane(0);
    lost = LOSING
}

/* The answer to a read: the lock as it stood, and the service's record. */
inline take_read() {
    if
    :: !c[0].shows_old ->
        observe(0, c[0].shows_change, c[0].shows_owner, c[0].shows_held,
            c[0].shows_grant, c[0].shows_beat)
    :: else
    fi;
    view = 1; view_wanted = c[0].shows_wanted; view_stands = c[0].shows_record;
    view_fresh = c[0].hold && c[0].shows_owner == LRM && c[0].shows_held;
    status = (status == NOT_KNOWN -> UNKNOWN : status);
    c[0].read_for_lock = c[0].read_for_lock && c[0].read_wanted;
    end_read(0)
}

/* The watch shows the lock; other news is read. */
inline look() {
    see(0);
    c[0].read_wanted = c[0].read_wanted || !view || !view_stands
}

inline take_told() {
    if
    :: told == REFUSED ->
        refused_left = (asked == ARM || asked == EXTEND -> asked_left : 0);
        if
        :: asked == DISARM -> ask(ATTACH, 0)
        :: else -> asked = NOTHING; asked_left = 0
        fi
    :: else ->
        refused_left = 0; asked = NOTHING; asked_left = 0;
        guard = told_armed;
        guard_of = (told_armed -> told_of : 0); guard_left = (told_armed -> told_left : 0)
    fi;
    end_told()
}

/* Sends what it asks of the multiplexer; without one the connection has ended. */
inline send() {
    asking = 0;
    if
    :: mux_alive ->
        inbox[0].what = asked; inbox[0].from = process; inbox[0].left = asked_left;
        inbox[0].arm = (asked == ARM -> process : (asked == ATTACH -> NO_PROCESS : guard_of))
    :: else -> hung_up = 1
    fi
}

inline work() {
    if
    :: job != 0 && !spawning ->             /* the intent is on the disk */
        intent = 1;
        duty();
        if
        :: job == START && !(MAY_START && m == RUN) -> job = 0
        :: else -> spawning = 1
        fi
    :: job != 0 && spawning ->              /* the agent's job is one step */
#ifdef CHECK_OUTAGE_TOLERATED
        assert(!(job == STOP && running));
#endif
        running = (job == START -> 1 : (job == STOP -> 0 : running));
        status = (running -> RUNNING : STOPPED);
        job = 0; spawning = 0
    :: job == 0 && kill_due ->
#ifdef CHECK_OUTAGE_TOLERATED
        assert(false);
#endif
        running = 0; kill_due = 0; killing = KILLED;
        status = (MAY_RUN -> UNKNOWN : status)
    :: job == 0 && !kill_due && !serving ->
        serving = 1; c[0].read_wanted = 1; connected = 1; ask(ATTACH, 0)
    fi;
    proceed()
}

/* A process is started; the kernel lock of its predecessor was given back when that died. */
inline lrm_starts() {
    c[0].alive = 1;
    status = (intent -> UNKNOWN : NOT_KNOWN)
}

/* Everything that a process of client i knows is gone with it; a request on its way is not. */
inline client_ends(i, as_whom) {
    for (n : (i) * NQ .. (i) * NQ + NQ - 1) {
        if
        :: q[n].state == SENT -> q[n].awaited = 0; q[n].from = (q[n].from == ME(i) -> as_whom : q[n].from)
        :: else -> forget(n)
        fi
    }
    if
    :: q[(i) * NQ].state == SENT -> give_up(i)
    :: else
    fi;
    owner = (owner == ME(i) -> as_whom : owner);
    for (n : 0 .. 1) {
        c[n].owner = (c[n].owner == ME(i) -> as_whom : c[n].owner);
        c[n].shows_owner = (c[n].shows_owner == ME(i) -> as_whom : c[n].shows_owner)
    }
    c[i].alive = 0; c[i].paused = 0; c[i].news = 0; c[i].known = 0; c[i].hold = 0;
    c[i].grant = 0; c[i].beat = 0; c[i].held = 0; c[i].owner = 0; c[i].since = 0;
    c[i].expires = 0; c[i].renew = 0; c[i].unsettled = 0;
    c[i].read_wanted = 0; c[i].read_for_lock = 0;
    end_read(i)
}

/* The LRM's process ends; mail that it sent may still be read, and then the connection's end. */
inline lrm_ends() {
    client_ends(0, LRM_DEAD);
    if
    :: mux_alive ->
        m = (HAS_MAIL(1) -> 2 : 1);
        assert(room + !HAS_MAIL(m));
        inbox[m].what = inbox[0].what; inbox[m].from = process; inbox[m].arm = inbox[0].arm;
        inbox[m].left = inbox[0].left; inbox[m].gone = 1;
        end_message(0); inbox[0].from = 0
    :: else
    fi;
    process++;
    serving = 0; view = 0; view_wanted = 0; view_stands = 0; view_fresh = 0; status = NOT_KNOWN; job = 0;
    spawning = 0; killing = NOT_KILLING; kill_due = 0; lost = 0; idle = 0;
    connected = 0; asked = NOTHING; asked_left = 0; asking = 0;
    guard = 0; guard_of = 0; guard_left = 0; refused_left = 0;
    end_told(); hung_up = 0; connects = 0
}

/* The host loses power, or its watchdog resets it. Its I/O trails. */
inline host_ends() {
    mux_ends();
    if
    :: c[0].alive -> lrm_ends()
    :: else
    fi;
    owner = (owner == LRM_DEAD -> LRM_OLD : owner);
    c[1].owner = (c[1].owner == LRM_DEAD -> LRM_OLD : c[1].owner);
    c[1].shows_owner = (c[1].shows_owner == LRM_DEAD -> LRM_OLD : c[1].shows_owner);
    for (n : 0 .. NQ - 1) { q[n].from = (q[n].from == LRM_DEAD -> LRM_OLD : q[n].from) }
    on = 0; device = 0; elapsed = 0; marker = 0; enforced = 0; enforced_left = 0;
    intent = 0; process = 0;
    trailing = (running -> DELTA : trailing);
    running = 0
}
