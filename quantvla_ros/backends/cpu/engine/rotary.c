// SPDX-License-Identifier: Apache-2.0
// Rotary positions in the half-split form.

#include "engine.h"
#include "lanes.h"

// n: tokens, heads, width of a head, strides of x (token, head), of out, and of the table's rows
// p: x, cosine and sine [tokens, width / 2], out (may be x)
int rotary(const struct Instruction *it, const struct Worker *worker) {
    const long heads = it->n[1], half = it->n[2] / 2;
    long first, end;
    share(it->n[0], worker, &first, &end);
    for (long t = first; t < end; t++) {
        const float *cosine = (const float *)it->p[1] + t * it->n[7];
        const float *sine = (const float *)it->p[2] + t * it->n[7];
        for (long h = 0; h < heads; h++) {
            const float *x = (const float *)it->p[0] + t * it->n[3] + h * it->n[4];
            float *out = (float *)it->p[3] + t * it->n[5] + h * it->n[6];
            for (long j = 0; j < half; j += LANES) {
                const long width = half - j;
                const Floats c = load_up_to(cosine + j, width), s = load_up_to(sine + j, width);
                const Floats a = load_up_to(x + j, width), b = load_up_to(x + half + j, width);
                store_up_to(out + j, a * c - b * s, width);
                store_up_to(out + half + j, b * c + a * s, width);
            }
        }
    }
    return 0;
}
