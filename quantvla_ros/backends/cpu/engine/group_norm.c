// SPDX-License-Identifier: Apache-2.0
// Group norm of channels-last pixels.

#include <math.h>
#include <stddef.h>

#include "engine.h"
#include "vector_math.h"

struct Group {
    const float *x;
    long pixels, width, stride;
};

// Sum of (x - mean)^power over a group, power 1 or 2; a pixel's share first, so that few digits go.
static double sum_over(const struct Group *group, float mean, int power) {
    double all = 0.0;
    for (long p = 0; p < group->pixels; p++) {
        const float *x = group->x + p * group->stride;
        Floats sum = {0};
        float rest = 0.0f;
        long c = 0;
        for (; c + LANES <= group->width; c += LANES) {
            const Floats y = load(x + c) - mean;
            sum = power == 1 ? sum + y : multiply_add(y, y, sum);
        }
        for (; c < group->width; c++) {
            const float y = x[c] - mean;
            rest += power == 1 ? y : y * y;
        }
        all += sum_of(sum) + rest;
    }
    return all;
}

// n: batch, pixels, channels, groups, x's and out's stride between pixels
// p: x, gain [channels] or none, shift [channels] or none, out (may be x);  f: eps
int group_norm(const struct Instruction *it, const struct Worker *worker) {
    const long pixels = it->n[1], groups = it->n[3], width = it->n[2] / groups;
    const float *gain = it->p[1], *shift = it->p[2];
    long first, end;
    share(it->n[0] * groups, worker, &first, &end);
    for (long task = first; task < end; task++) {
        const long b = task / groups, channel = task % groups * width;
        const float *x = (const float *)it->p[0] + b * pixels * it->n[4] + channel;
        float *out = (float *)it->p[3] + b * pixels * it->n[5] + channel;
        const struct Group group = {x, pixels, width, it->n[4]};
        const double count = (double)(pixels * width);
        const float mean = (float)(sum_over(&group, 0.0f, 1) / count);
        const double variance = sum_over(&group, mean, 2) / count;
        const float inverse = (float)(1.0 / sqrt(variance + it->f[0]));
        for (long p = 0; p < pixels; p++) {
            for (long c = 0; c < width; c += LANES) {
                const long left = width - c;
                Floats y = (load_up_to(x + p * it->n[4] + c, left) - mean) * inverse;
                if (gain) y *= load_up_to(gain + channel + c, left);
                if (shift) y += load_up_to(shift + channel + c, left);
                store_up_to(out + p * it->n[5] + c, activated(y, it->flags), left);
            }
        }
    }
    return 0;
}
