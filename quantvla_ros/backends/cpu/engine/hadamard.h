// SPDX-License-Identifier: Apache-2.0
// The orthonormal Hadamard transform of a row in blocks.

#ifndef HADAMARD_H
#define HADAMARD_H

#include <math.h>

#include "lanes.h"

// Sums and differences of lanes that are `distance` apart.
static inline Floats fold_lanes(Floats x, int distance) {
    Ints partner;
    Floats sign;
    for (int j = 0; j < LANES; j++) {
        partner[j] = j ^ distance;
        sign[j] = j & distance ? -1.0f : 1.0f;
    }
    return multiply_add(x, sign, __builtin_shuffle(x, partner));
}

// In place; block: power of two that divides the width
static inline void transform_row(float *x, long width, long block) {
    const Floats scale = splat(1.0f / sqrtf((float)block));
    for (long i = 0; i < width; i += LANES) {
        Floats y = load_up_to(x + i, width - i) * scale;
#pragma GCC unroll 4
        for (int distance = 1; distance < LANES; distance *= 2)
            if (distance < block) y = fold_lanes(y, distance);
        store_up_to(x + i, y, width - i);
    }
    for (long distance = LANES; distance < block; distance *= 2)
        for (long i = 0; i < width; i += LANES) {
            if (i & distance) continue;
            const Floats a = load(x + i), b = load(x + i + distance);
            store(x + i, a + b);
            store(x + i + distance, a - b);
        }
}

#endif
