/* The lock: its two records in the store, and one process's dealings with it.
 *
 * Revisions are only ever compared for equality with what stands in the store, so whoever
 * remembers one keeps a bit instead: does it still stand? Every write clears the bits of the
 * record that it replaces. Nothing grows, and no renaming is needed.
 *
 * Client 0 is the LRM, client 1 the contender: the same code, as the rule says. Moments are kept
 * as what is left until them, so that nothing but the tick changes them. */

/* Who holds, or held, the lock. */
#define NOBODY 0
#define LRM 1                   /* the LRM that lives */
#define LRM_DEAD 2              /* one of this boot that died */
#define LRM_OLD 3               /* one of a boot before */
#define CONT 4                  /* the contender that lives */
#define CONT_DEAD 5             /* one that died */
#define ME(i) (i == 0 -> LRM : CONT)

/* What becomes of a request. */
#define FREE 0
#define MADE 1                  /* to be executed */
#define LOST 2                  /* no answer comes any more */
#define SENT 3                  /* on its way, for any time */
#define LATE 4                  /* its answer is on its way, for any time */
#define ANSWERED 5              /* its answer has arrived and is not taken in yet */

#define TAKE 1
#define RENEW 2
#define RELEASE 3

typedef Client {
    bool alive;
    bool paused;
    bool cut;                   /* can't reach the store */
    bool news;                  /* the watch has something to show */
    bool known;                 /* has learned who holds the lock */
    bool hold;                  /* holds it, as far as it knows */
    bool grant;                 /* the grant that it knows still stands */
    bool beat;                  /* the beat that it knows still stands */
    bool held;                  /* as last seen: held, or released clean */
    unsigned owner : 3;         /* as last seen, while it doesn't hold it itself */
    byte since;                 /* for how long it has seen the same records */
    byte expires;               /* what is left of its authority */
    byte renew;                 /* until the next renewal */
    bool unsettled;             /* a request had no answer in time */
    bool read_wanted;
    bool read_for_lock;         /* the lock is read before it is written again */
    unsigned read : 3;          /* FREE, MADE, LOST, LATE or ANSWERED */
    byte read_age;
    /* What the read shows that was carried out. */
    bool shows_change;
    bool shows_held;
    bool shows_grant;
    bool shows_beat;
    bool shows_wanted;
    bool shows_record;          /* the service's record still stands as the read shows it */
    bool shows_old;             /* younger news came first */
    unsigned shows_owner : 3
}

typedef Request {
    unsigned state : 3;
    unsigned kind : 2;
    unsigned from : 3;          /* whose it is */
    bool grant;                 /* what it compares, or has written, still stands */
    bool beat;
    bool ok;
    bool awaited;
    bool overtaken;             /* its sender has seen younger news */
    byte left                   /* of the authority that it gives, from before it was sent */
}

Client c[2];
Request q[2 * NQ];              /* the first of each: pending; the others: given up, or a dead one's */

/* The store. */
unsigned owner : 3 = NOBODY;
bool held;
bool wanted = 1;
byte age;                       /* for how long the lock has not changed; a ghost, for properties */

hidden byte n;
hidden byte m;
hidden byte f;
hidden byte room;               /* always 0: names the assertions about the model's own bounds */

#define REACHES(i) (!c[i].cut)
#define PENDING(i) (q[(i) * NQ].state != FREE)
#define CLIENT_OF(k) ((k) / NQ)
#define HAS_READ(i) (c[i].read == ANSWERED || c[i].read == LATE)

/* Empties a request; the bits that it would leave are states without meaning. */
inline forget(k) {
    q[k].state = FREE; q[k].kind = 0; q[k].from = 0; q[k].grant = 0; q[k].beat = 0;
    q[k].ok = 0; q[k].awaited = 0; q[k].overtaken = 0; q[k].left = 0
}

inline copy(to, k) {
    q[to].state = q[k].state; q[to].kind = q[k].kind; q[to].from = q[k].from;
    q[to].grant = q[k].grant; q[to].beat = q[k].beat; q[to].ok = q[k].ok;
    q[to].awaited = q[k].awaited; q[to].overtaken = q[k].overtaken; q[to].left = q[k].left
}

/* Whether the store would apply it now. */
#if defined(RENEW_BLINDLY)
#define COMPARES(k) (q[k].kind == RENEW || (q[k].grant && q[k].beat))
#elif defined(TAKE_IGNORES_BEAT)
#define COMPARES(k) (q[k].grant && (q[k].beat || q[k].kind == TAKE))
#else
#define COMPARES(k) (q[k].grant && q[k].beat)
#endif

/* What was given up and can have no effect any more is dropped; the rest moves up. */
inline tidy(i) {
    for (n : (i) * NQ .. (i) * NQ + NQ - 1) {
        if
        :: q[n].state == SENT && !COMPARES(n) -> q[n].state = LATE; q[n].ok = 0
        :: else
        fi;
        if
        :: !q[n].awaited && q[n].state != SENT -> forget(n)
        :: else
        fi
    }
#if NQ > 2
    if
    :: q[(i) * NQ + 1].state == FREE && q[(i) * NQ + 2].state != FREE ->
        copy(i * NQ + 1, (i) * NQ + 2); forget(i * NQ + 2)
    :: else
    fi;
#endif
    n = 0
}

/* Moves the pending request to those that were given up. */
inline give_up(i) {
    m = (i) * NQ + 1;
#if NQ > 2
    if
    :: q[m].state != FREE -> m++
    :: else
    fi;
#endif
    assert(room + (q[m].state == FREE)); /* otherwise raise NQ */
    copy(m, (i) * NQ);
    forget(i * NQ)
}

inline begin(i, what) {
    q[(i) * NQ].state = MADE; q[(i) * NQ].kind = what; q[(i) * NQ].from = ME(i);
    q[(i) * NQ].grant = c[i].grant; q[(i) * NQ].beat = c[i].beat;
    q[(i) * NQ].awaited = 1; q[(i) * NQ].left = T
}

/* The store applies a request, or refuses it. */
inline apply(k) {
    q[k].ok = COMPARES(k);
    if
    :: q[k].ok ->
#ifdef CHECK_SINGLE_WRITER
        assert(q[k].kind == TAKE || (held && owner == q[k].from));
#endif
        age = 0;
        f = (q[k].kind != RENEW);           /* the grant is written */
        for (n : 0 .. 1) {
            c[n].grant = c[n].grant && !f;
            c[n].shows_grant = c[n].shows_grant && !f;
            c[n].beat = c[n].beat && q[k].kind == RELEASE;
            c[n].shows_beat = c[n].shows_beat && q[k].kind == RELEASE;
            c[n].shows_old = c[n].shows_old ||
                (n == CLIENT_OF(k) && q[k].from == ME(n) && HAS_READ(n));
            /* Nobody is told of his own write, unless its answer may never come. */
            c[n].news = c[n].alive && (c[n].news ||
                n != CLIENT_OF(k) || q[k].from != ME(n) || q[k].state == SENT)
        }
        for (n : 0 .. 2 * NQ - 1) {
            q[n].grant = q[n].grant && !f;
            q[n].beat = q[n].beat && q[k].kind == RELEASE
        }
        q[k].grant = 1; q[k].beat = 1;
        if
        :: q[k].kind == TAKE -> owner = q[k].from; held = 1
        :: q[k].kind == RELEASE -> held = 0
        :: else
        fi
    :: else
    fi
}

/* The lock as a process sees it: through its watch, or in a read's answer. */
inline observe(i, change, who, is_held, grant_stands, beat_stands) {
    if
    :: c[i].hold && who == ME(i) && is_held ->
        c[i].grant = grant_stands; c[i].beat = beat_stands
    :: c[i].hold && !(who == ME(i) && is_held) ->       /* lost */
        c[i].hold = 0; c[i].expires = 0; c[i].renew = 0; c[i].since = 0;
        c[i].owner = who; c[i].held = is_held;
        c[i].grant = grant_stands; c[i].beat = beat_stands
    :: !c[i].hold && who == ME(i) && is_held ->         /* taken: only the answer never came */
        c[i].hold = 1; c[i].expires = 0; c[i].renew = 0; c[i].since = 0;
        c[i].owner = NOBODY; c[i].held = 0;
        c[i].grant = grant_stands; c[i].beat = beat_stands;
        c[i].read_wanted = 1
    :: else ->
        if
        :: !c[i].known || change -> c[i].since = 0
        :: else
        fi;
        c[i].owner = who; c[i].held = is_held;
        c[i].grant = grant_stands; c[i].beat = beat_stands
    fi;
    c[i].known = 1;
#ifdef READ_SETTLES
    for (n : (i) * NQ + 1 .. (i) * NQ + NQ - 1) { q[n].awaited = 0 }
    tidy(i);
#endif
    for (n : (i) * NQ .. (i) * NQ + NQ - 1) {
        q[n].overtaken = q[n].ok && q[n].awaited
    }
    n = 0
}

#ifdef OBSERVE_GRANT_ONLY
#define CHANGED(i) (!c[i].grant)
#else
#define CHANGED(i) (!c[i].grant || !c[i].beat)
#endif

inline see(i) {
    c[i].news = 0;
    c[i].shows_old = HAS_READ(i);
    observe(i, CHANGED(i), owner, held, 1, 1)
}

/* A read is carried out: its answer shows this moment. */
inline carry_out_read(i) {
    c[i].read = ANSWERED; c[i].shows_change = CHANGED(i);
    c[i].shows_owner = owner; c[i].shows_held = held; c[i].shows_wanted = wanted; c[i].shows_record = 1;
    c[i].shows_grant = 1; c[i].shows_beat = 1; c[i].shows_old = 0
}

/* Its answer is of no use any more, or was taken in. */
inline end_read(i) {
    c[i].read = FREE; c[i].read_age = 0; c[i].shows_change = 0;
    c[i].shows_owner = 0; c[i].shows_held = 0; c[i].shows_wanted = 0; c[i].shows_record = 0;
    c[i].shows_grant = 0; c[i].shows_beat = 0; c[i].shows_old = 0
}

/* What the answer to a request gives: from before it was sent, not from now. */
#if defined(AUTHORITY_FROM_REPLY)
#define GIVES(i, k) T
#elif defined(AUTHORITY_FROM_LATEST)
#define GIVES(i, k) (PENDING(i) && k != (i) * NQ -> q[(i) * NQ].left : q[k].left)
#else
#define GIVES(i, k) q[k].left
#endif
#define MAX(a, b) ((a) > (b) -> (a) : (b))

/* A process takes in the answer to its request. */
inline answer(i, k) {
    f = q[k].ok;
    if
    :: !q[k].ok -> c[i].read_wanted = 1; c[i].read_for_lock = (i == 0); forget(k)
    :: q[k].ok && q[k].kind == RELEASE ->
        if
        :: q[k].overtaken || !c[i].hold -> c[i].read_wanted = 1; c[i].read_for_lock = (i == 0)
        :: else ->
            c[i].hold = 0; c[i].expires = 0; c[i].renew = 0; c[i].since = 0;
            c[i].owner = ME(i); c[i].held = 0;
            c[i].grant = q[k].grant; c[i].beat = q[k].beat
        fi;
        forget(k)
    :: q[k].ok && q[k].kind != RELEASE ->
        if
        :: c[i].hold ->
            if
            :: i == 0 -> c[i].expires = MAX(c[i].expires, GIVES(i, k))
            :: else
            fi;
            if
            :: !q[k].overtaken -> c[i].grant = q[k].grant; c[i].beat = q[k].beat
            :: else
            fi
        :: !c[i].hold && q[k].kind == TAKE && !q[k].overtaken ->
            c[i].hold = 1; c[i].owner = NOBODY; c[i].held = 0; c[i].since = 0;
            c[i].grant = q[k].grant; c[i].beat = q[k].beat;
            if
            :: i == 0 -> c[i].expires = GIVES(i, k); view_fresh = 0
            :: else
            fi;
            c[i].renew = (R > T - q[k].left -> R - (T - q[k].left) : 0);
            c[i].read_wanted = 1
        :: else
        fi;
        forget(k)
    fi;
    if
    :: f ->                                 /* confirmed: nothing older can be applied any more */
        c[i].unsettled = 0;
        for (n : (i) * NQ + 1 .. (i) * NQ + NQ - 1) { q[n].awaited = 0 }
    :: else
    fi;
    tidy(i)
}

/* Gives up what had its time. The lock is read before it is written again. */
inline time_out(i) {
    if
    :: PENDING(i) && q[(i) * NQ].left <= T - TAU ->
        c[i].read_wanted = 1; c[i].read_for_lock = (i == 0);
        c[i].unsettled = 1;
        if
        :: q[(i) * NQ].state == LOST && q[(i) * NQ].kind != RELEASE -> forget(i * NQ)
        :: else -> give_up(i)
        fi
    :: else
    fi;
    if
    :: c[i].read != FREE && c[i].read_age >= TAU -> end_read(i); c[i].read_wanted = 1
    :: else
    fi
}

/* Whether a release may have been applied. */
#define IS_RELEASE(k) (q[k].awaited && q[k].kind == RELEASE)
#if NQ > 2
#define MAY_BE_RELEASED (IS_RELEASE(0) || IS_RELEASE(1) || IS_RELEASE(2))
#else
#define MAY_BE_RELEASED (IS_RELEASE(0) || IS_RELEASE(1))
#endif

/* Where a process that doesn't hold the lock stands. The same boot takes over at once; everybody
 * else waits until a held lock has been silent. */
#define WAITS(i) (c[i].held && !(i == 0 && c[i].owner == LRM_DEAD) && c[i].owner != NOBODY)
#define IS_FREE(i) (c[i].known && !c[i].hold && (!WAITS(i) || c[i].since >= SILENCE))
#define SILENCE_OVER(i) (c[i].known && !c[i].hold && WAITS(i) && c[i].since >= SILENCE)
