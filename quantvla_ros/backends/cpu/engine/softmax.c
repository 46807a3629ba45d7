// SPDX-License-Identifier: Apache-2.0
// Softmax of rows.

#include <math.h>

#include "engine.h"
#include "vector_math.h"

// n: rows, width, inner rows, x's outer and inner stride, out's;  p: x, out (may be x);  f: scale
int softmax(const struct Instruction *it, const struct Worker *worker) {
    const long width = it->n[1], inner = it->n[2];
    const Floats scale = splat(it->f[0]);
    long first, end;
    share(it->n[0], worker, &first, &end);
    for (long r = first; r < end; r++) {
        const float *x = (const float *)it->p[0] + r / inner * it->n[3] + r % inner * it->n[4];
        float *out = (float *)it->p[1] + r / inner * it->n[5] + r % inner * it->n[6];
        float top = -INFINITY, total = 0.0f;
        for (long j = 0; j < width; j++) top = fmaxf(top, x[j] * it->f[0]);
        Floats sum = {0};
        for (long j = 0; j < width; j += LANES) {
            const Floats y = exp_of(load_up_to(x + j, width - j) * scale - top);
            store_up_to(out + j, y, width - j);
            if (width - j >= LANES) sum += y;
            else
                for (long rest = 0; rest < width - j; rest++) total += y[rest];
        }
        total += sum_of(sum);
        for (long j = 0; j < width; j += LANES)
            store_up_to(out + j, load_up_to(out + j, width - j) / total, width - j);
    }
    return 0;
}
