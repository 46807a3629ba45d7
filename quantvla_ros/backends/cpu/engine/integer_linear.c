// SPDX-License-Identifier: Apache-2.0
// Linear layer with 8-bit or packed 4-bit weights and integer activations.
//
// Every sum of integers is exact, see x86.h and arm.h. 4-bit weights are held two to a byte and
// become bytes, a block of output channels at a time, in memory that stays in the nearest caches.

#include <stddef.h>

#include "epilogue.h"

enum { INT8 = 2, INT4 = 3 };

// Some rows of the grid.
struct Rows {
    const uint8_t *q;
    long stride;
    const float *steps;
};

// A block of a weight: `groups` times `steps` of four inputs side by side.
struct Panel {
    const int8_t *weights;
    const float *scales;    // [groups][COLUMNS]
    const int32_t *shifts;  // [groups][COLUMNS], what the grid's zero point adds to the sums
    long groups, steps;
};

// Sums of a group, without the shift.
static inline __attribute__((always_inline)) void add_group(const int rows, const uint8_t *q,
                                                            long stride, const int8_t *weights,
                                                            const int32_t *shift, long steps,
                                                            struct Ahead *ahead, Ints sums[][2]) {
    Ints shifts[2];
    memcpy(shifts, shift, sizeof shifts);
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        sums[r][0] = -shifts[0];
        sums[r][1] = -shifts[1];
    }
    for (long s = 0; s < steps; s++, q += DEPTH, weights += 2 * WIDTH) {
        Ints low, high;
        memcpy(&low, weights, WIDTH);
        memcpy(&high, weights + WIDTH, WIDTH);
        fetch(ahead);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            int32_t four;
            memcpy(&four, q + r * stride, sizeof four);
            const Ints activations = splat_int(four);
            sums[r][0] = add_products(sums[r][0], activations, low);
            sums[r][1] = add_products(sums[r][1], activations, high);
        }
    }
}

// The products of some rows with a panel, in the units of the output.
static inline __attribute__((always_inline)) void tile(const int rows, const struct Rows *x,
                                                       const struct Panel *panel,
                                                       struct Ahead ahead, const Floats bias[2],
                                                       Floats out[][2]) {
    const long inputs = panel->steps * DEPTH;
    Ints sums[MOST_ROWS][2];
    Floats total[MOST_ROWS][2];
    add_group(rows, x->q, x->stride, panel->weights, panel->shifts, panel->steps, &ahead, sums);
#pragma GCC unroll 2
    for (int v = 0; v < 2; v++)
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++)
            total[r][v] = __builtin_convertvector(sums[r][v], Floats) *
                          load(panel->scales + v * LANES);
    for (long g = 1; g < panel->groups; g++) {
        add_group(rows, x->q + g * inputs, x->stride, panel->weights + g * inputs * COLUMNS,
                  panel->shifts + g * COLUMNS, panel->steps, &ahead, sums);
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++)
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++)
                total[r][v] = multiply_add(__builtin_convertvector(sums[r][v], Floats),
                                           load(panel->scales + g * COLUMNS + v * LANES),
                                           total[r][v]);
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        const Floats step = splat(x->steps[r]);
        out[r][0] = multiply_add(total[r][0], step, bias[0]);
        out[r][1] = multiply_add(total[r][1], step, bias[1]);
    }
}

// Bytes of a block of packed weights; the low halves are those of its first register.
static void unpack(const uint8_t *packed, long steps, int8_t *to) {
    typedef uint16_t Words __attribute__((vector_size(WIDTH)));
    typedef int8_t Bytes __attribute__((vector_size(WIDTH)));
    enum { OFFSET = 8 };
    for (long s = 0; s < steps; s++, packed += WIDTH, to += 2 * WIDTH) {
        Words both;
        memcpy(&both, packed, WIDTH);
        const Bytes low = (Bytes)(both & 0x0f0f) - OFFSET;
        const Bytes high = (Bytes)((both >> 4) & 0x0f0f) - OFFSET;
        memcpy(to, &low, WIDTH);
        memcpy(to + WIDTH, &high, WIDTH);
    }
}

struct Weights {
    const uint8_t *bytes;  // blocks, each [ceil(depth / 4)][COLUMNS][4], or half that if packed
    const float *scales;   // blocks, each [groups][COLUMNS]
    const int32_t *shifts; // the same
    long groups, group_steps, steps;
    long block_bytes, held_bytes;  // of a block, as bytes and as it is held
    int packed;
};

// out = epilogue(grid . weights)
//
// n: rows, inputs, outputs, bytes between rows of the grid, and those of `epilogue_of`; n[5] inputs
//    that share a scale
// p: grid, steps [rows], weights, scales, shifts, those of `epilogue_of`; [10] the weights of the
//    next layer or none
int integer_linear(const struct Instruction *it, const struct Worker *worker) {
    const long rows = it->n[0], depth = it->n[1], stride = it->n[3];
    const struct Epilogue to = epilogue_of(it);
    const long steps = (depth + DEPTH - 1) / DEPTH;
    const int packed = (it->flags >> WEIGHT_KIND & 0xf) == INT4;
    const struct Weights w = {
        .bytes = it->p[2],
        .scales = it->p[3],
        .shifts = it->p[4],
        .groups = depth / it->n[5],
        .group_steps = (it->n[5] + DEPTH - 1) / DEPTH,
        .steps = steps,
        .block_bytes = steps * 2 * WIDTH,
        .held_bytes = packed ? steps * WIDTH : steps * 2 * WIDTH,
        .packed = packed,
    };
    const int parts = it->flags & GATED ? 2 : 1;
    const long tiles = tiles_of(rows, w.groups == 1 ? INTEGER_ROWS : GROUPED_ROWS);
    long first, end, unpacked = -1;
    share((to.columns + COLUMNS - 1) / COLUMNS * tiles, worker, &first, &end);
    int8_t *room = w.packed ? scratch(parts * w.block_bytes) : NULL;
    if (w.packed && room == NULL) return 1;
    for (long task = first; task < end; task++) {
        const long block = task / tiles, row = tile_start(rows, tiles, task % tiles);
        const int count = (int)(tile_start(rows, tiles, task % tiles + 1) - row);
        Floats values[2][INTEGER_ROWS][2];
        for (int part = 0; part < parts; part++) {
            const long index = block * parts + part;
            const uint8_t *held = w.bytes + index * w.held_bytes;
            const int8_t *bytes = (const int8_t *)held;
            if (w.packed) {
                int8_t *plain = room + part * w.block_bytes;
                if (unpacked != block) unpack(held, w.steps, plain);
                bytes = plain;
            }
            // The same part of the next block; after the last one comes what the next layer reads.
            const void *next = task + tiles < end ? held + parts * w.held_bytes : it->p[10];
            const struct Ahead ahead = ahead_of(next ? next : held, w.held_bytes,
                                                w.held_bytes / w.steps, task % tiles, tiles);
            const struct Rows x = {(const uint8_t *)it->p[0] + row * stride, stride,
                                   (const float *)it->p[1] + row};
            Floats bias[2];
            bias_of_block(&to, index, bias);
            const long scales = index * w.groups * COLUMNS;
            const struct Panel panel = {bytes, w.scales + scales, w.shifts + scales, w.groups,
                                        w.group_steps};
            WITH_ROWS(INTEGER_ROWS, count, tile, &x, &panel, ahead, bias, values[part])
        }
        unpacked = block;
        finish(&to, row, count, block * COLUMNS, values[0], parts == 2 ? values[1] : NULL);
    }
    return 0;
}

// Output channels of a block in the layout of the weights.
EXPORTED int quantvla_columns(void) { return COLUMNS; }

// What the grid -limit..limit is shifted by; a channel's shift is this times its sum of weights.
EXPORTED int quantvla_zero_point(int limit) { return zero_point(limit); }
