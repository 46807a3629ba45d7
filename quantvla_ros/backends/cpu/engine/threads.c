// SPDX-License-Identifier: Apache-2.0
// A pool of threads. One that has nothing to do spins for a moment, because the next run is often
// near (the steps of a chunk), and then sleeps.

#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { MOST = 64, PATIENCE = 20000, TURNS = 200, COUNT_BITS = 8 };

static struct {
    pthread_mutex_t one_run, sleep;
    pthread_cond_t wake;
    int started;          // threads beside those that call
    unsigned seen[MOST];  // the run before a thread's first
    void (*work)(void *, const struct Worker *);
    void *given;
    atomic_uint run;     // number of the run under way, and its workers in the lowest bits
    atomic_int absent;   // workers of the run that have not come back
    atomic_int arrived;  // workers that wait for the others
    atomic_uint meeting;
} pool = {.one_run = PTHREAD_MUTEX_INITIALIZER,
          .sleep = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER};

static void spin(int turn) {
    if (turn > TURNS) {
        sched_yield();  // whoever is waited for may need this very core
        return;
    }
#ifdef __aarch64__
    __asm__ volatile("yield");
#else
    __builtin_ia32_pause();
#endif
}

void meet(const struct Worker *worker) {
    if (worker->count == 1) return;
    const unsigned meeting = atomic_load(&pool.meeting);
    if (atomic_fetch_add(&pool.arrived, 1) + 1 == worker->count) {
        atomic_store(&pool.arrived, 0);
        atomic_store(&pool.meeting, meeting + 1);
        return;
    }
    for (int turn = 0; atomic_load(&pool.meeting) == meeting; turn++) spin(turn);
}

static unsigned next_run(unsigned last) {
    for (int turn = 0; turn < PATIENCE; turn++) {
        const unsigned run = atomic_load(&pool.run);
        if (run != last) return run;
        spin(0);
    }
    pthread_mutex_lock(&pool.sleep);
    while (atomic_load(&pool.run) == last) pthread_cond_wait(&pool.wake, &pool.sleep);
    pthread_mutex_unlock(&pool.sleep);
    return atomic_load(&pool.run);
}

static void *serve(void *given) {
    const int index = (int)(intptr_t)given;
    for (unsigned run = pool.seen[index];;) {
        run = next_run(run);
        const struct Worker worker = {index, (int)(run & ((1u << COUNT_BITS) - 1))};
        if (index >= worker.count) continue;
        pool.work(pool.given, &worker);
        atomic_fetch_sub(&pool.absent, 1);
    }
    return NULL;
}

// A forked process has none of its parent's threads.
static void forget_threads(void) {
    pthread_mutex_init(&pool.one_run, NULL);
    pthread_mutex_init(&pool.sleep, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pool.started = 0;
    atomic_store(&pool.arrived, 0);
}

static void prepare_for_fork(void) { pthread_atfork(NULL, NULL, forget_threads); }

static int start_threads(int count) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare_for_fork);
    while (pool.started < count - 1) {
        const int index = pool.started + 1;
        pthread_t thread;
        pool.seen[index] = atomic_load(&pool.run);
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)index)) return 1;
        pthread_detach(thread);
        pool.started = index;
    }
    return 0;
}

int run_together(void (*work)(void *, const struct Worker *), void *given, int count) {
    const struct Worker self = {0, count < 1 ? 1 : count > MOST ? MOST : count};
    if (self.count == 1) {
        work(given, &self);
        return 0;
    }
    pthread_mutex_lock(&pool.one_run);
    const int failed = start_threads(self.count);
    if (!failed) {
        pool.work = work;
        pool.given = given;
        atomic_store(&pool.absent, self.count - 1);
        pthread_mutex_lock(&pool.sleep);
        const unsigned number = (atomic_load(&pool.run) >> COUNT_BITS) + 1;
        atomic_store(&pool.run, (number << COUNT_BITS) | (unsigned)self.count);
        pthread_cond_broadcast(&pool.wake);
        pthread_mutex_unlock(&pool.sleep);
        work(given, &self);
        for (int turn = 0; atomic_load(&pool.absent); turn++) spin(turn);
    }
    pthread_mutex_unlock(&pool.one_run);
    return failed;
}
