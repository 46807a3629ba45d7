// SPDX-License-Identifier: Apache-2.0
// Floats to bytes of a grid.

#ifndef QUANTIZE_H
#define QUANTIZE_H

#include <math.h>

#include "lanes.h"

// Largest magnitude of a row divided by `limit`.
static inline float dynamic_step(const float *x, long width, int limit) {
    Floats largest = splat(1e-8f);
    for (long i = 0; i < width; i += LANES) {
        const Floats y = load_up_to(x + i, width - i);
        largest = larger(largest, (Floats)((Ints)y & 0x7fffffff));
    }
    return largest_of(largest) / (float)limit;
}

// Write grid(x) + zero point; returns the step of the grid, NaN when the row is not finite.
//
// fixed: the step where it is static; 0 asks for the row's own
static inline float quantize_row(const float *x, long width, int limit, float fixed, uint8_t *q) {
    const float step = fixed > 0.0f ? fixed : dynamic_step(x, width, limit), inverse = 1.0f / step;
    const Floats high = splat((float)limit), low = -high;
    const int zero = zero_point(limit);
    Floats broken = {0};
    for (long i = 0; i < width; i += LANES) {
        const Floats y = load_up_to(x + i, width - i);
        broken += y - y;  // 0, or NaN
        Floats grid = y * inverse;
        // A row's own step divides, as the reference does: to multiply by its inverse rounds
        // differently. What the product lacks of the quotient is added, which is exact (Markstein).
        // A fixed step multiplies there and here.
        if (fixed <= 0.0f)
            grid = multiply_add(multiply_add(-grid, splat(step), y), splat(inverse), grid);
        const Ints lanes = (Ints)(larger(smaller(grid, high), low) + ROUNDING) + zero;
        if (width - i >= LANES) {
            put_bytes(lanes, q + i);
        } else {
            uint8_t last[LANES];
            put_bytes(lanes, last);
            memcpy(q + i, last, (size_t)(width - i));
        }
    }
    return sum_of(broken) == 0.0f ? step : NAN;
}

#endif
