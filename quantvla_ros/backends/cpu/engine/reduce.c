// SPDX-License-Identifier: Apache-2.0
// Reductions of rows to a number each.

#include <math.h>

#include "engine.h"

enum Kind { SUM, MEAN, MAX, VAR, MEAN_SQUARE };

// n: rows, width, x's stride of rows and of elements, out's stride, correction of the variance
// p: x, out
int reduce(const struct Instruction *it, const struct Worker *worker) {
    const long width = it->n[1], step = it->n[3];
    const enum Kind kind = it->flags;
    long first, end;
    share(it->n[0], worker, &first, &end);
    for (long r = first; r < end; r++) {
        const float *x = (const float *)it->p[0] + r * it->n[2];
        double sum = 0.0, squares = 0.0;
        float top = -INFINITY;
        for (long j = 0; j < width; j++) {
            const float y = x[j * step];
            sum += y;
            squares += (double)y * y;
            if (!(y <= top)) top = y;
        }
        const double mean = sum / (double)width;
        if (kind == VAR) {
            squares = 0.0;
            for (long j = 0; j < width; j++) squares += (x[j * step] - mean) * (x[j * step] - mean);
        }
        const double results[] = {sum, mean, top, squares / (double)(width - it->n[5]),
                                  squares / (double)width};
        ((float *)it->p[1])[r * it->n[4]] = (float)results[kind];
    }
    return 0;
}
