// SPDX-License-Identifier: Apache-2.0
// Strided copy of elements of any type.

#include <string.h>

#include "engine.h"

static void copy_row(const uint8_t *from, long from_step, uint8_t *to, long to_step, long count,
                     long bytes) {
    if (from_step == 1 && to_step == 1) {
        memcpy(to, from, (size_t)(count * bytes));
        return;
    }
    switch (bytes) {
        case 4:
            for (long j = 0; j < count; j++)
                ((uint32_t *)to)[j * to_step] = ((const uint32_t *)from)[j * from_step];
            break;
        case 8:
            for (long j = 0; j < count; j++)
                ((uint64_t *)to)[j * to_step] = ((const uint64_t *)from)[j * from_step];
            break;
        default:
            for (long j = 0; j < count; j++)
                memcpy(to + j * to_step * bytes, from + j * from_step * bytes, (size_t)bytes);
    }
}

// n: shape of four axes, x's strides, out's strides, bytes of an element;  p: x, out
int copy(const struct Instruction *it, const struct Worker *worker) {
    const long *shape = (const long *)it->n, *from = shape + 4, *to = shape + 8, bytes = it->n[12];
    long first, end;
    share(shape[0] * shape[1] * shape[2], worker, &first, &end);
    for (long row = first; row < end; row++) {
        const long k = row % shape[2], j = row / shape[2] % shape[1], i = row / shape[2] / shape[1];
        copy_row((const uint8_t *)it->p[0] + (i * from[0] + j * from[1] + k * from[2]) * bytes,
                 from[3],
                 (uint8_t *)it->p[1] + (i * to[0] + j * to[1] + k * to[2]) * bytes, to[3],
                 shape[3], bytes);
    }
    return 0;
}
