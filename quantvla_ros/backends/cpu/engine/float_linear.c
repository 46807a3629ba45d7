// SPDX-License-Identifier: Apache-2.0
// Linear layer with float activations.
//
// Weights are float32, or bfloat16, 8-bit or packed 4-bit ones that become floats, a block of
// output channels at a time, in memory that stays in the nearest caches.

#include <stddef.h>

#include "epilogue.h"
#include "float_tile.h"

enum Kind { FLOAT32, BFLOAT16, INT8, INT4 };
static const float OFFSET = 8.0f;

static const int BITS[] = {32, 16, 8, 4};

// Register v of the weights of an input, without their scale.
static inline Floats wide(enum Kind kind, const uint8_t *block, long k, int v) {
    enum { FOURS = LANES / 4 };
    uint32_t fours[FOURS];  // bytes
    switch (kind) {
        case BFLOAT16:
            return floats_of_halves((const uint16_t *)block + k * COLUMNS + v * LANES);
        case INT8: return floats_of_bytes((const int8_t *)block + k * COLUMNS + v * LANES);
        default:
            memcpy(fours, block + k * LANES, sizeof fours);
            for (int i = 0; i < FOURS; i++) fours[i] = fours[i] >> (4 * v) & 0x0f0f0f0f;
            return floats_of_bytes((const int8_t *)fours) - OFFSET;
    }
}

// A block of COLUMNS channels as floats [depth][COLUMNS].
//
// block:  [depth][COLUMNS], with 4 bits [depth][COLUMNS / 2]: a byte holds the weight w + 8 of a
//         channel in its low half and of the channel LANES further in its high half
// scales: [depth / group][COLUMNS], for integers
static void widen(enum Kind kind, const uint8_t *block, const float *scales, long depth, long group,
                  float *to) {
    for (long k = 0; k < depth; k++) {
        const float *scale = scales + k / group * COLUMNS;
        for (int v = 0; v < 2; v++, to += LANES) {
            const Floats weights = wide(kind, block, k, v);
            store(to, kind == BFLOAT16 ? weights : weights * load(scale + v * LANES));
        }
    }
}

// out = epilogue(x . weights)
//
// n: rows, inputs, outputs, floats between rows of x, and those of `epilogue_of`; n[5] inputs that
//    share a scale
// p: x, -, weights in blocks of COLUMNS channels, scales, -, those of `epilogue_of`; [10] the
//    weights of the next layer or none
int float_linear(const struct Instruction *it, const struct Worker *worker) {
    const long rows = it->n[0], depth = it->n[1], stride = it->n[3];
    const enum Kind kind = it->flags >> WEIGHT_KIND & 0xf;
    const struct Epilogue to = epilogue_of(it);
    const int parts = it->flags & GATED ? 2 : 1;
    const long tiles = tiles_of(rows, FLOAT_ROWS), groups = depth / it->n[5];
    const long block_bytes = depth * COLUMNS * BITS[kind] / 8;
    long first, end, widened = -1;
    share((to.columns + COLUMNS - 1) / COLUMNS * tiles, worker, &first, &end);
    float *room = NULL;
    if (kind != FLOAT32 && !(room = scratch(parts * depth * COLUMNS * (long)sizeof(float))))
        return 1;
    for (long task = first; task < end; task++) {
        const long block = task / tiles, row = tile_start(rows, tiles, task % tiles);
        const int count = (int)(tile_start(rows, tiles, task % tiles + 1) - row);
        Floats values[2][FLOAT_ROWS][2];
        for (int part = 0; part < parts; part++) {
            const long index = block * parts + part;
            const uint8_t *bytes = (const uint8_t *)it->p[2] + index * block_bytes;
            const float *panel = (const float *)bytes;
            if (kind != FLOAT32) {
                float *floats = room + part * depth * COLUMNS;
                if (widened != block)
                    widen(kind, bytes, (const float *)it->p[3] + index * groups * COLUMNS, depth,
                          it->n[5], floats);
                panel = floats;
            }
            Floats bias[2];
            bias_of_block(&to, index, bias);
            begin(count, bias, values[part]);
            // The same part of the next block; after the last one comes what the next layer reads.
            const void *next = task + tiles < end ? bytes + parts * block_bytes : it->p[10];
            const struct Ahead ahead = ahead_of(next ? next : bytes, block_bytes,
                                                block_bytes / depth, task % tiles, tiles);
            add_products_of(count, to.columns - block * COLUMNS,
                            (const float *)it->p[0] + row * stride, stride, 1, panel, COLUMNS,
                            depth, &ahead, values[part]);
        }
        widened = block;
        finish(&to, row, count, block * COLUMNS, values[0], parts == 2 ? values[1] : NULL);
    }
    return 0;
}
