// SPDX-License-Identifier: Apache-2.0
// Hadamard transform of float rows.

#include "hadamard.h"

#include "engine.h"

// n: rows, width, block, x's and out's row stride;  p: x, out (may be x)
int hadamard(const struct Instruction *it, const struct Worker *worker) {
    long first, end;
    share(it->n[0], worker, &first, &end);
    for (long r = first; r < end; r++) {
        float *y = (float *)it->p[1] + r * it->n[4];
        memmove(y, (const float *)it->p[0] + r * it->n[3], (size_t)it->n[1] * sizeof(float));
        transform_row(y, it->n[1], it->n[2]);
    }
    return 0;
}
