// SPDX-License-Identifier: Apache-2.0
// Elementwise functions of one or two operands.

#include <math.h>
#include <stddef.h>

#include "engine.h"
#include "vector_math.h"

enum Function {
    ADD, SUB, MUL, DIV, MAX, MIN, RSUB, POW,
    NEG = 16, EXP, SIN, COS, TANH_OF, SILU_OF, GELU_TANH_OF, GELU_ERF_OF, RELU_OF,
    SIGMOID_OF, RSQRT, SQRT, SQUARE, RECIPROCAL, ABS, LOG,
};

static Floats each(Floats x, float (*function)(float)) {
    for (int j = 0; j < LANES; j++) x[j] = function(x[j]);
    return x;
}

static Floats powers(Floats a, Floats b) {
    for (int j = 0; j < LANES; j++) a[j] = powf(a[j], b[j]);
    return a;
}

static Floats result(enum Function function, Floats a, Floats b) {
    switch (function) {
        case ADD: return a + b;
        case SUB: return a - b;
        case MUL: return a * b;
        case DIV: return a / b;
        case MAX: return choose((a > b) | (a != a), a, b);
        case MIN: return choose((a < b) | (a != a), a, b);
        case RSUB: return b - a;
        case POW: return powers(a, b);
        case NEG: return -a;
        case EXP: return exp_of(a);
        case SIN: return each(a, sinf);
        case COS: return each(a, cosf);
        case TANH_OF: return tanh_of(a);
        case SILU_OF: return activated(a, SILU);
        case GELU_TANH_OF: return activated(a, GELU_TANH);
        case GELU_ERF_OF: return activated(a, GELU_ERF);
        case RELU_OF: return activated(a, RELU);
        case SIGMOID_OF: return sigmoid_of(a);
        case RSQRT: return 1.0f / each(a, sqrtf);
        case SQRT: return each(a, sqrtf);
        case SQUARE: return a * a;
        case RECIPROCAL: return 1.0f / a;
        case ABS: return (Floats)((Ints)a & 0x7fffffff);
        default: return each(a, logf);
    }
}

// `count` elements from there; a stride of 0 repeats one.
static Floats take(const float *from, long step, long count) {
    if (step == 1) return load_up_to(from, count);
    if (step == 0) return splat(*from);
    float lanes[LANES] = {0};
    for (long j = 0; j < LANES && j < count; j++) lanes[j] = from[j * step];
    return load(lanes);
}

static void give(float *to, long step, Floats values, long count) {
    if (step == 1) store_up_to(to, values, count);
    else
        for (long j = 0; j < LANES && j < count; j++) to[j * step] = values[j];
}

// n: shape of four axes, strides of a, of b and of out
// p: a, b or none (then every element of b is f[0]), out;  flags: function
int map(const struct Instruction *it, const struct Worker *worker) {
    const long *shape = (const long *)it->n, *a = shape + 4, *b = shape + 8, *o = shape + 12;
    const float *left = it->p[0], *right = it->p[1] ? it->p[1] : it->f;
    long first, end;
    share(shape[0] * shape[1] * shape[2], worker, &first, &end);
    for (long row = first; row < end; row++) {
        const long k = row % shape[2], j = row / shape[2] % shape[1], i = row / shape[2] / shape[1];
        const float *x = left + i * a[0] + j * a[1] + k * a[2];
        const float *y = right + i * b[0] + j * b[1] + k * b[2];
        float *out = (float *)it->p[2] + i * o[0] + j * o[1] + k * o[2];
        for (long c = 0; c < shape[3]; c += LANES) {
            const long left_over = shape[3] - c;
            const Floats u = take(x + c * a[3], a[3], left_over);
            const Floats w = take(y + c * b[3], b[3], left_over);
            give(out + c * o[3], o[3], result(it->flags, u, w), left_over);
        }
    }
    return 0;
}
