// SPDX-License-Identifier: Apache-2.0
// Functions of a register of floats.

#ifndef VECTOR_MATH_H
#define VECTOR_MATH_H

#include "lanes.h"

// As the flags of an instruction name them.
enum Activation { PLAIN, RELU, SILU, GELU_TANH, GELU_ERF, SIGMOID, TANH };

// e^x for x in -104..89, to about one unit in the last place.
//
// x = n ln 2 + r: a polynomial in r (that of the Cephes library) times 2^n.
static inline Floats exp_within(Floats x) {
    const Floats shifted = multiply_add(x, splat(1.44269504f), splat(ROUNDING));
    const Floats n = shifted - ROUNDING;
    Floats r = multiply_add(n, splat(-0.693359375f), x);
    r = multiply_add(n, splat(2.12194440e-4f), r);
    Floats p = splat(1.9875691500e-4f);
    p = multiply_add(p, r, splat(1.3981999507e-3f));
    p = multiply_add(p, r, splat(8.3334519073e-3f));
    p = multiply_add(p, r, splat(4.1665795894e-2f));
    p = multiply_add(p, r, splat(1.6666665459e-1f));
    p = multiply_add(p, r, splat(5.0000001201e-1f));
    p = multiply_add(p, r, splat(1.0f));
    p = multiply_add(p, r, splat(1.0f));
    return times_power(p, n, (Ints)shifted - (Ints)splat(ROUNDING));
}

// The bound that comes first in `larger` and `smaller` gives way to NaN.
static inline Floats within(float low, float high, Floats x) {
    return larger(splat(low), smaller(splat(high), x));
}

static inline Floats exp_of(Floats x) { return exp_within(within(-87.3f, 89.0f, x)); }

// 1 / (1 + e^x): the bounds keep the exponential finite; what is lost is below 2e-38.
static inline Floats falling(Floats x) {
    return inverse_of(1.0f + exp_within(within(-87.0f, 87.0f, x)));
}

static inline Floats sigmoid_of(Floats x) { return falling(-x); }

// Near zero a polynomial (of the Cephes library), because a difference from 1 loses digits there.
static inline Floats tanh_of(Floats x) {
    const Floats square = x * x;
    Floats p = splat(-5.70498872745e-3f);
    p = multiply_add(p, square, splat(2.06390887954e-2f));
    p = multiply_add(p, square, splat(-5.37397155531e-2f));
    p = multiply_add(p, square, splat(1.33314422036e-1f));
    p = multiply_add(p, square, splat(-3.33332819422e-1f));
    const Floats near = multiply_add(p, square * x, x);
    const Floats far = 1.0f - 2.0f / (exp_of(2.0f * x) + 1.0f);
    return choose(square < 0.390625f, near, far);
}

// Half of x times (1 + tanh(u)) is x / (1 + e^(-2 u)); 2 u = 2 sqrt(2 / pi) (x + 0.044715 x^3).
static inline Floats gelu_tanh_of(Floats x) {
    const Floats slope = multiply_add(x * x, splat(-0.0713548163f), splat(-1.595769122f));
    return x * falling(x * slope);
}

Floats gelu_erf_of(Floats x);

static inline Floats activated(Floats x, enum Activation kind) {
    switch (kind) {
        case RELU: return larger((Floats){0}, x);  // in this order NaN stays
        case SILU: return x * sigmoid_of(x);
        case GELU_TANH: return gelu_tanh_of(x);
        case GELU_ERF: return gelu_erf_of(x);
        case SIGMOID: return sigmoid_of(x);
        case TANH: return tanh_of(x);
        default: return x;
    }
}

#endif
