// SPDX-License-Identifier: Apache-2.0
// Rows of a table by their numbers.

#include <math.h>

#include "engine.h"
#include "lanes.h"

enum Kind { FLOAT32, BFLOAT16, FLOAT16 };

static float of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float of_bfloat16(uint16_t half) { return of_bits((uint32_t)half << 16); }

// The exponent's offset is 15 here and 127 there; a product moves it, of the smallest numbers too.
static float of_float16(uint16_t half) {
    const uint32_t magnitude = half & 0x7fffu, infinite = 0x7c00;
    const float value = magnitude < infinite    ? of_bits(magnitude << 13) * 0x1p112f
                        : magnitude == infinite ? INFINITY : NAN;
    return half & 0x8000 ? -value : value;
}

// n: rows, width, rows of the table, bytes of a number (4 or 8), strides of the table's and out's
//    rows
// p: numbers, table, out;  f: scale;  flags: kind of the table
int embed(const struct Instruction *it, const struct Worker *worker) {
    const long width = it->n[1];
    long first, end;
    share(it->n[0], worker, &first, &end);
    for (long r = first; r < end; r++) {
        const long id = it->n[3] == 8 ? (long)((const int64_t *)it->p[0])[r]
                                      : ((const int32_t *)it->p[0])[r];
        if (id < 0 || id >= it->n[2]) return 1;
        const float *wide = (const float *)it->p[1] + id * it->n[4];
        const uint16_t *narrow = (const uint16_t *)it->p[1] + id * it->n[4];
        float *to = (float *)it->p[2] + r * it->n[5];
        for (long j = 0; j < width; j++) {
            const float value = it->flags == FLOAT32    ? wide[j]
                                : it->flags == BFLOAT16 ? of_bfloat16(narrow[j])
                                                        : of_float16(narrow[j]);
            to[j] = value * it->f[0];
        }
    }
    return 0;
}
