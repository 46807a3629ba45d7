// SPDX-License-Identifier: Apache-2.0
// See float_tile.h.

#include "float_tile.h"

// The same with the count of rows and of registers of b (1 or 2) as constants.
static inline __attribute__((always_inline)) void add_tile(const int rows, const int vectors,
                                                           const float *a, long row, long step,
                                                           const float *b, long b_step,
                                                           long length, struct Ahead ahead,
                                                           Floats sums[][2]) {
    Floats here[MOST_ROWS][2];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) here[r][v] = sums[r][v];
    for (long k = 0; k < length; k++, a += step, b += b_step) {
        Floats right[2];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) right[v] = load(b + v * LANES);
        fetch(&ahead);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            const Floats left = splat(a[r * row]);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) here[r][v] = multiply_add(left, right[v], here[r][v]);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sums[r][v] = here[r][v];
}

void add_products_of(int rows, long width, const float *a, long row, long step, const float *b,
                     long b_step, long length, const struct Ahead *next, Floats sums[][2]) {
    const struct Ahead ahead = next ? *next : (struct Ahead){(const char *)b, 0};
    if (width > LANES) {
        WITH_ROWS(FLOAT_ROWS, rows, add_tile, 2, a, row, step, b, b_step, length, ahead, sums)
    } else {
        WITH_ROWS(FLOAT_ROWS, rows, add_tile, 1, a, row, step, b, b_step, length, ahead, sums)
    }
}
