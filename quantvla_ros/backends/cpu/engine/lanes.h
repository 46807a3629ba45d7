// SPDX-License-Identifier: Apache-2.0
// Vector registers of this processor.
//
// GCC's vector notation is the same for all processors. What it lacks stands in x86.h and arm.h.

#ifndef LANES_H
#define LANES_H

#include <stdint.h>
#include <string.h>

// A block of a weight is two registers of output channels. So many rows are multiplied with it at
// once, in integers and in floats, as there are registers for their sums; fewer where integers of
// a group are added up as floats.
#if defined(__AVX512VNNI__)
enum { WIDTH = 64, INTEGER_ROWS = 12, GROUPED_ROWS = 6, FLOAT_ROWS = 12 };
#elif defined(__aarch64__)
enum { WIDTH = 16, INTEGER_ROWS = 8, GROUPED_ROWS = 6, FLOAT_ROWS = 12 };
#elif defined(__AVXVNNI__)
enum { WIDTH = 32, INTEGER_ROWS = 6, GROUPED_ROWS = 3, FLOAT_ROWS = 6 };
#else
enum { WIDTH = 32, INTEGER_ROWS = 4, GROUPED_ROWS = 4, FLOAT_ROWS = 6 };
#endif
enum { LANES = WIDTH / 4, COLUMNS = 2 * LANES, DEPTH = 4, MOST_ROWS = 12 };

typedef int32_t Ints __attribute__((vector_size(WIDTH)));
typedef float Floats __attribute__((vector_size(WIDTH)));

#ifdef __aarch64__
#include "arm.h"
#else
#include "x86.h"
#endif

static inline Floats load(const float *from) {
    Floats floats;
    memcpy(&floats, from, WIDTH);
    return floats;
}

static inline void store(float *to, Floats floats) { memcpy(to, &floats, WIDTH); }

// The first `count` floats from there, then zeros; none when count is not positive.
static inline Floats load_up_to(const float *from, long count) {
    return count >= LANES ? load(from) : load_some(from, count);
}

// Write the first `count` floats; none when count is not positive.
static inline void store_up_to(float *to, Floats floats, long count) {
    if (count >= LANES) store(to, floats);
    else store_some(to, floats, count);
}

// a where the mask's lanes are set, else b.
static inline Floats choose(Ints mask, Floats a, Floats b) {
    return (Floats)(((Ints)a & mask) | ((Ints)b & ~mask));
}

static inline float sum_of(Floats floats) {
    float lanes[LANES];
    store(lanes, floats);
    for (int half = LANES / 2; half; half /= 2)
        for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
    return lanes[0];
}

static inline float largest_of(Floats floats) {
    float lanes[LANES];
    store(lanes, floats);
    for (int half = LANES / 2; half; half /= 2)
        for (int j = 0; j < half; j++)
            lanes[j] = lanes[j] > lanes[j + half] ? lanes[j] : lanes[j + half];
    return lanes[0];
}

// A number added to this one is rounded to the nearest integer, ties to even, in its low bits.
#define ROUNDING 12582912.0f

// Memory that is read next, fetched bit by bit while a tile is multiplied: a large weight comes
// from far, and would come in bursts.
struct Ahead {
    const char *at;
    long advance;  // bytes a step
};

// The part of the next block that tile n of `tiles` fetches; `step`: the block's bytes over the
// tile's steps.
static inline struct Ahead ahead_of(const void *next, long bytes, long step, long n, long tiles) {
    return (struct Ahead){(const char *)next + bytes * n / tiles, step / tiles};
}

static inline __attribute__((always_inline)) void fetch(struct Ahead *ahead) {
    enum { LINE = 64 };
    __builtin_prefetch(ahead->at, 0, 2);
    if (2 * WIDTH > LINE && ahead->advance > LINE) __builtin_prefetch(ahead->at + LINE, 0, 2);
    ahead->at += ahead->advance;
}

// Rows of the n-th of several tiles that share `rows` as evenly as they can.
static inline long tiles_of(long rows, long most) { return (rows + most - 1) / most; }
static inline long tile_start(long rows, long tiles, long n) { return rows * n / tiles; }

// Call `function` with the row count (1 to `most`) as a constant, which keeps sums in registers.
#define WITH_ROWS(most, rows, function, ...)                          \
    switch (rows) {                                                   \
        case 1: function(1, __VA_ARGS__); break;                      \
        case 2: function(2, __VA_ARGS__); break;                      \
        case 3: function(3, __VA_ARGS__); break;                      \
        case 4: function(4, __VA_ARGS__); break;                      \
        case 5: if ((most) >= 5) function(5, __VA_ARGS__); break;     \
        case 6: if ((most) >= 6) function(6, __VA_ARGS__); break;     \
        case 7: if ((most) >= 7) function(7, __VA_ARGS__); break;     \
        case 8: if ((most) >= 8) function(8, __VA_ARGS__); break;     \
        case 9: if ((most) >= 9) function(9, __VA_ARGS__); break;     \
        case 10: if ((most) >= 10) function(10, __VA_ARGS__); break;  \
        case 11: if ((most) >= 11) function(11, __VA_ARGS__); break;  \
        default: if ((most) >= 12) function(12, __VA_ARGS__);         \
    }

#endif
