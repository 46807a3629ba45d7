// SPDX-License-Identifier: Apache-2.0
// Registers of this processor and what both integer kernels do with them; included by the kernels.
//
// GCC's vector notation is the same for all processors. What it lacks, the product of bytes first
// of all, stands in x86.c and arm.c.

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// A block is two registers of output channels; up to ROWS tokens are multiplied with it at once,
// as many as there are registers for their sums.
#if defined(__AVX512VNNI__)
enum { WIDTH = 64, ROWS = 8 };
#elif defined(__aarch64__)
enum { WIDTH = 16, ROWS = 8 };
#else
enum { WIDTH = 32, ROWS = 4 };
#endif
enum { DEPTH = 4, LANES = WIDTH / 4, COLUMNS = 2 * LANES, MOST_ROWS = 8 };

typedef uint16_t Words __attribute__((vector_size(WIDTH)));
typedef int32_t Ints __attribute__((vector_size(WIDTH)));
typedef float Floats __attribute__((vector_size(WIDTH)));

#ifdef __aarch64__
#include "arm.c"
#else
#include "x86.c"
#endif
#include "quantize_tokens.c"

// Call a kernel's `tile` with the row count as a constant, which keeps the sums in registers.
#define RUN_TILE(rows, ...)                   \
    switch (rows) {                           \
        case 1: tile(1, __VA_ARGS__); break;  \
        case 2: tile(2, __VA_ARGS__); break;  \
        case 3: tile(3, __VA_ARGS__); break;  \
        case 4: tile(4, __VA_ARGS__); break;  \
        case 5: tile(5, __VA_ARGS__); break;  \
        case 6: tile(6, __VA_ARGS__); break;  \
        case 7: tile(7, __VA_ARGS__); break;  \
        default: tile(MOST_ROWS, __VA_ARGS__); \
    }

// Four neighbouring activations of a token, in every lane.
static inline Ints four_activations(const uint8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return (Ints){0} + four;
}

// Write a block of a token's outputs, of which `channels` or fewer exist.
static inline void store(Floats low, Floats high, long channels, float *out) {
    if (channels >= COLUMNS) {
        memcpy(out, &low, WIDTH);
        memcpy(out + LANES, &high, WIDTH);
    } else {
        float last[COLUMNS];
        memcpy(last, &low, WIDTH);
        memcpy(last + LANES, &high, WIDTH);
        memcpy(out, last, (size_t)channels * sizeof(float));
    }
}
