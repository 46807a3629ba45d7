// SPDX-License-Identifier: Apache-2.0
// Carry out a list of instructions.

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include "engine.h"
#include "threads.h"

// By their numbers, as in `instructions.py`.
static Operation *const OPERATIONS[] = {
    NULL,       norm, integer_linear, float_linear, attention, rotary, convolution,
    group_norm, map,  copy,           softmax,      embed,     hadamard,
};
enum { KNOWN = sizeof OPERATIONS / sizeof *OPERATIONS };

struct Program {
    const struct Instruction *code;
    long count;
    double *seconds;     // that each instruction took, added up; NULL when nobody asks
    atomic_long failed;  // index + 1 of an instruction that could not be carried out
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// All workers carry out the same instructions in step, each its share.
static void work(void *given, const struct Worker *worker) {
    struct Program *program = given;
    for (long i = 0; i < program->count; i++) {
        const struct Instruction *it = program->code + i;
        const double start = program->seconds ? now() : 0.0;
        const int known = it->op > 0 && it->op < KNOWN;
        if (!known || OPERATIONS[it->op](it, worker)) atomic_store(&program->failed, i + 1);
        meet(worker);
        if (program->seconds && worker->index == 0) program->seconds[i] += now() - start;
        if (atomic_load_explicit(&program->failed, memory_order_relaxed)) return;
    }
}

// Carry out `count` instructions on `threads` threads, this one among them.
//
// seconds: NULL, or what each instruction takes is added to its element
// returns 0, or the index + 1 of the instruction that could not be carried out, or -1 when the
// threads cannot be started
EXPORTED int quantvla_run(const struct Instruction *code, long count, int threads,
                          double *seconds) {
    struct Program program = {code, count, seconds, 0};
    return run_together(work, &program, threads) ? -1 : (int)program.failed;
}
