// SPDX-License-Identifier: Apache-2.0
// The product that all float operations are made of.

#ifndef FLOAT_TILE_H
#define FLOAT_TILE_H

#include "lanes.h"

// sums[r] += sum over k < length of a[r * row + k * step] * b[k * b_step ..]
//
// rows:  at most FLOAT_ROWS
// width: columns of b that matter, at most COLUMNS; that many or whole registers are read
// ahead: NULL, or what is read next
void add_products_of(int rows, long width, const float *a, long row, long step, const float *b,
                     long b_step, long length, const struct Ahead *ahead, Floats sums[][2]);

static inline void begin(int rows, const Floats with[2], Floats sums[][2]) {
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < 2; v++) sums[r][v] = with[v];
}

static inline void clear(int rows, Floats sums[][2]) {
    for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = (Floats){0};
}

#endif
