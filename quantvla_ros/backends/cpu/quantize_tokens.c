// SPDX-License-Identifier: Apache-2.0
// Activations to integers; included by lanes.c.

// `width` values of a token, then zeros.
static inline Floats values(const float *x, long width) {
    Floats y = {0};
    if (width >= LANES) memcpy(&y, x, WIDTH);
    else memcpy(&y, x, (size_t)width * sizeof(float));
    return y;
}

// Largest magnitude of a token divided by `limit`.
static float dynamic_step(const float *x, long n, int limit) {
    const int32_t magnitude = 0x7fffffff;
    Floats largest = {0};
    for (long i = 0; i < n; i += LANES)
        largest = larger(largest, (Floats)((Ints)values(x + i, n - i) & magnitude));
    float top = 1e-8f;
    for (int j = 0; j < LANES; j++) top = fmaxf(top, largest[j]);
    return top / (float)limit;
}

// Write grid(x) + zero; returns the step of the grid, NaN when the token is not finite.
//
// fixed: the step where it is static; 0 asks for the token's own
static float quantize_token(const float *x, long n, int limit, int zero, float fixed, uint8_t *q) {
    const float step = fixed > 0.0f ? fixed : dynamic_step(x, n, limit), inverse = 1.0f / step;
    const Floats high = (Floats){0} + (float)limit, low = -high;
    // A number added to this one is rounded to the nearest integer, ties to even, in its low bits.
    const float rounding = 12582912.0f;
    Floats broken = {0};
    for (long i = 0; i < n; i += LANES) {
        const Floats y = values(x + i, n - i);
        broken += y - y;  // 0, or NaN
        // A token's own step divides, as the reference does: to multiply by its inverse rounds
        // differently. A fixed step multiplies there and here.
        const Floats grid = fixed > 0.0f ? y * inverse : y / step;
        const Ints lanes = (Ints)(larger(smaller(grid, high), low) + rounding) + zero;
        if (n - i >= LANES) {
            put_bytes(lanes, q + i);
        } else {
            uint8_t last[LANES];
            put_bytes(lanes, last);
            memcpy(q + i, last, (size_t)(n - i));
        }
    }
    float sum = 0.0f;
    for (int j = 0; j < LANES; j++) sum += broken[j];
    return sum == 0.0f ? step : NAN;
}
