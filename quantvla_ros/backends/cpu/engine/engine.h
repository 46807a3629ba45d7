// SPDX-License-Identifier: Apache-2.0
// What every operation of the engine is given; `instructions.py` is the same for Python.

#ifndef ENGINE_H
#define ENGINE_H

#include <stdint.h>

// What the library offers; all else is its own.
#define EXPORTED __attribute__((visibility("default")))

// One operation on tensors that Python holds. What n, p and f mean stands beside each operation.
struct Instruction {
    int32_t op, flags;
    int64_t n[16];
    void *p[12];
    float f[4];
};

// One of the threads that carry out an instruction together.
struct Worker {
    int index, count;
};

// Returns 0, or 1 when it fails. Every worker calls it and does its own share.
typedef int Operation(const struct Instruction *it, const struct Worker *worker);

Operation norm, integer_linear, float_linear, attention, rotary, convolution, group_norm, map, copy,
    softmax, embed, hadamard;

// Wait for the other workers.
void meet(const struct Worker *worker);

// Memory of this thread that holds until it asks again, aligned for vectors; NULL without memory.
void *scratch(long bytes);

// The part of `total` equal pieces of work that is this worker's: first <= piece < end.
static inline void share(long total, const struct Worker *worker, long *first, long *end) {
    *first = total * worker->index / worker->count;
    *end = total * (worker->index + 1) / worker->count;
}

#endif
