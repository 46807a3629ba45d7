// SPDX-License-Identifier: Apache-2.0
// Batched product of two matrices of any strides.

#include <stddef.h>

#include "engine.h"
#include "float_tile.h"

// COLUMNS columns of b side by side, fewer are filled up with zeros; scaled.
static void gather(const float *b, long row, long column, long depth, long width, float scale,
                   float *to) {
    for (long k = 0; k < depth; k++, to += COLUMNS)
        for (long j = 0; j < COLUMNS; j++)
            to[j] = j < width ? b[k * row + j * column] * scale : 0.0f;
}

// out[i] = scale * a[i] . b[i]
//
// n: batch, M, K, N, strides of batch, row and column of a, the same of b, strides of batch and row
//    of out
// p: a, b, out;  f: scale
int matmul(const struct Instruction *it, const struct Worker *worker) {
    const long rows = it->n[1], depth = it->n[2], columns = it->n[3];
    const long blocks = (columns + COLUMNS - 1) / COLUMNS, tiles = tiles_of(rows, FLOAT_ROWS);
    float *panel = scratch(depth * COLUMNS * (long)sizeof(float));
    if (panel == NULL) return 1;
    long first, end, gathered = -1;
    share(it->n[0] * blocks * tiles, worker, &first, &end);
    for (long task = first; task < end; task++) {
        const long pair = task / tiles, i = pair / blocks, column = pair % blocks * COLUMNS;
        const long row = tile_start(rows, tiles, task % tiles), width = columns - column;
        const int count = (int)(tile_start(rows, tiles, task % tiles + 1) - row);
        if (gathered != pair)
            gather((const float *)it->p[1] + i * it->n[7] + column * it->n[9], it->n[8], it->n[9],
                   depth, width, it->f[0], panel);
        gathered = pair;
        Floats sums[FLOAT_ROWS][2];
        clear(count, sums);
        add_products_of(count, width, (const float *)it->p[0] + i * it->n[4] + row * it->n[5],
                        it->n[5], it->n[6], panel, COLUMNS, depth, NULL, sums);
        float *out = (float *)it->p[2] + i * it->n[10] + row * it->n[11] + column;
        for (int r = 0; r < count; r++)
            for (int v = 0; v < 2; v++)
                store_up_to(out + r * it->n[11] + v * LANES, sums[r][v], width - v * LANES);
    }
    return 0;
}
