// SPDX-License-Identifier: Apache-2.0
// GELU by the error function.

#include <math.h>

#include "vector_math.h"

Floats gelu_erf_of(Floats x) {
    for (int j = 0; j < LANES; j++) x[j] = 0.5f * x[j] * erfcf(x[j] * -0.70710678f);
    return x;
}
