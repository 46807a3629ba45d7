// SPDX-License-Identifier: Apache-2.0
// Norm of rows, to floats, to a grid of bytes, or to both; without a norm it only quantizes.

#include <math.h>
#include <stddef.h>

#include "engine.h"
#include "hadamard.h"
#include "quantize.h"

enum { SUBTRACT_MEAN = 1, NO_NORM = 2 };

static float sum_of_row(const float *x, long width) {
    Floats sum = {0};
    for (long i = 0; i < width; i += LANES) sum += load_up_to(x + i, width - i);
    return sum_of(sum);
}

static float squares_of_row(const float *x, long width, float mean) {
    Floats sum = {0};
    long i = 0;
    for (; i + LANES <= width; i += LANES) {
        const Floats y = load(x + i) - mean;
        sum = multiply_add(y, y, sum);
    }
    float all = sum_of(sum);
    for (; i < width; i++) all += (x[i] - mean) * (x[i] - mean);
    return all;
}

// y = norm(x) * (gain + offset) + shift
static void norm_row(const float *x, long width, int flags, float eps, const float *gain,
                     float offset, const float *shift, float *y) {
    const float mean = flags & SUBTRACT_MEAN ? sum_of_row(x, width) / (float)width : 0.0f;
    const float square = squares_of_row(x, width, mean) / (float)width;
    const float inverse = 1.0f / sqrtf(square + eps);
    for (long i = 0; i < width; i += LANES) {
        Floats z = (load_up_to(x + i, width - i) - mean) * inverse;
        if (gain) z *= load_up_to(gain + i, width - i) + offset;
        if (shift) z += load_up_to(shift + i, width - i);
        store_up_to(y + i, z, width - i);
    }
}

// n: rows, width, inner rows, x's outer and inner stride, out's outer and inner stride, bytes
//    between rows of the grid, limit, Hadamard block before the grid (0: none), floats between the
//    gains of inner rows
// p: x, gain or none (1), shift or none, out or none, grid or none, steps [rows]
// f: eps, static step or 0, what is added to the gain
//
// Row r is at outer stride * (r / inner) + inner stride * (r % inner).
int norm(const struct Instruction *it, const struct Worker *worker) {
    const long width = it->n[1], inner = it->n[2], block = it->n[9];
    const float *gains = it->p[1], *shifts = it->p[2];
    uint8_t *grid = it->p[4];
    float *out = it->p[3], *steps = it->p[5], *room = scratch(width * (long)sizeof(float));
    if (room == NULL) return 1;
    long first, end;
    share(it->n[0], worker, &first, &end);
    for (long r = first; r < end; r++) {
        const long o = r / inner, i = r % inner;
        const float *x = (const float *)it->p[0] + o * it->n[3] + i * it->n[4];
        float *y = out ? out + o * it->n[5] + i * it->n[6] : room;
        if (!(it->flags & NO_NORM)) {
            norm_row(x, width, it->flags, it->f[0], gains ? gains + i * it->n[10] : NULL, it->f[2],
                     shifts ? shifts + i * it->n[10] : NULL, y);
            x = y;
        } else if (out) {
            memmove(y, x, (size_t)width * sizeof(float));
        }
        if (grid == NULL) continue;
        if (block > 1) {
            if (x != room) memcpy(room, x, (size_t)width * sizeof(float));
            transform_row(room, width, block);
            x = room;
        }
        steps[r] = quantize_row(x, width, (int)it->n[8], it->f[1], grid + r * it->n[7]);
    }
    return 0;
}
