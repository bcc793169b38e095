/* The numbers, in ticks, and what a broken rule makes of them.
 *
 * Default: the briskest timing for KAPPA; T, W and the others can be given with -D. */

#ifndef KAPPA
#define KAPPA 1
#endif
#ifndef T                       /* silence after which a lock may be taken */
#if KAPPA == 1
#define T 10
#else
#define T 14
#endif
#endif
#ifndef W                       /* from a ping of the device to the reset */
#define W 2
#endif
#ifndef P                       /* between pings */
#define P 1
#endif
#ifndef R                       /* between renewals */
#define R 2
#endif
#ifndef TAU                     /* after which a request counts as unanswered */
#define TAU 1
#endif
#ifndef G                       /* before D: services are stopped */
#define G 2
#endif
#ifndef KILL                    /* before D: what still runs is killed */
#define KILL 1
#endif
#ifndef DELTA                   /* for so long I/O trails a reset */
#define DELTA 1
#endif
#ifndef TRIM                    /* taken off the margin: to find its least value */
#define TRIM 0
#endif

/* E - D: what the device, a late ping, a late close and the storage may trail. */
#define MARGIN (KAPPA * W + DELTA - TRIM)

#if defined(MARGIN_OF_ONE_RESET)
#define MARGIN_USED (W + P + DELTA)
#elif defined(MARGIN_WITHOUT_TRAIL)
#define MARGIN_USED (MARGIN - DELTA)
#else
#define MARGIN_USED MARGIN
#endif

#ifdef TAKE_EARLY
#define SILENCE (T - 1)
#else
#define SILENCE T
#endif

/* Faults that may happen in all, and on which hosts: 0 holds, 1 contends. */
#ifndef BUDGET
#define BUDGET 0
#endif
#ifndef FAULTS_ON_0
#define FAULTS_ON_0 1
#endif
#ifndef FAULTS_ON_1
#define FAULTS_ON_1 1
#endif
/* With EACH_ONCE each kind of fault happens at most once. */
#ifdef EACH_ONCE
#define SPEND(kind) budget--; spent = spent | (1 << kind)
#define UNSPENT(kind) ((spent & (1 << kind)) == 0)
#else
#define SPEND(kind) budget--
#define UNSPENT(kind) true
#endif

/* How often somebody changes his mind whether the service is to run. */
#ifndef WANTS
#define WANTS 0
#endif
/* Requests of one process that are remembered: the pending one and the given up. */
#ifndef NQ
#if BUDGET > 1
#define NQ 3
#else
#define NQ 2
#endif
#endif
