// SPDX-License-Identifier: Apache-2.0
// Linear layer with 8-bit weights and 8-bit (VNNI, Arm) or 7-bit (AVX2) activations.
//
// With AVX2 neighbouring products are added in 16 bits: activations on the 7-bit grid are 1..127
// after the shift by 64, weights -127..127, so that a pair is at most 2 * 127 * 127 = 32258 and
// never saturates. Every sum is exact.

#include "lanes.c"

// Accumulate `rows` tokens times COLUMNS output channels over `steps` times four inputs.
static inline __attribute__((always_inline)) void tile(const int rows, const uint8_t *q,
                                                       long stride, const int8_t *weights,
                                                       long steps, Ints sums[MOST_ROWS][2]) {
    for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = (Ints){0};
    for (long s = 0; s < steps; s++) {
        Ints low, high;
        memcpy(&low, weights + 2 * WIDTH * s, WIDTH);
        memcpy(&high, weights + 2 * WIDTH * s + WIDTH, WIDTH);
        for (int r = 0; r < rows; r++) {
            const Ints four = four_activations(q + r * stride + DEPTH * s);
            sums[r][0] = add_products(sums[r][0], four, low);
            sums[r][1] = add_products(sums[r][1], four, high);
        }
    }
}

// Channels of a block in the layout of the weights.
int quantvla_int8_columns(void) { return COLUMNS; }

// What the kernel adds to activations of the grid -limit..limit before it multiplies.
int quantvla_int8_zero_point(int limit) { return zero_point(limit); }

// out[tokens][channels] = (grid(x) . weights) * token step * channel scale
//
// weights: blocks of COLUMNS channels, each [depth / 4][COLUMNS][4], padded with zeros
// shift:   the zero point times the sum of each channel's weights, padded to whole blocks, as scales
// limit:   largest magnitude on the grid, 127 or 63
// fixed:   step of a static activation grid, 0 for a step per token
// returns 0, or 1 when memory is short
int quantvla_int8_linear(const float *x, long tokens, long depth, const int8_t *weights,
                         const int32_t *shift, const float *scales, long channels, int limit,
                         float fixed, float *out) {
    const long steps = (depth + DEPTH - 1) / DEPTH, stride = steps * DEPTH;
    uint8_t *q = malloc((size_t)(tokens * stride));
    float *token_step = malloc((size_t)tokens * sizeof(float));
    const int failed = !q || !token_step;
    for (long t = 0; t < tokens && !failed; t++) {
        uint8_t *token = q + t * stride;
        token_step[t] = quantize_token(x + t * depth, depth, limit, zero_point(limit), fixed, token);
        for (long k = depth; k < stride; k++) token[k] = 0;
    }
    for (long c = 0; c < channels && !failed; c += COLUMNS) {
        Ints shifts[2];
        Floats low, high;
        memcpy(shifts, shift + c, sizeof shifts);
        memcpy(&low, scales + c, WIDTH);
        memcpy(&high, scales + c + LANES, WIDTH);
        for (long t = 0; t < tokens; t += ROWS) {
            const int rows = tokens - t < ROWS ? (int)(tokens - t) : ROWS;
            Ints sums[MOST_ROWS][2];
            RUN_TILE(rows, q + t * stride, stride, weights + c * stride, steps, sums)
            for (int r = 0; r < rows; r++) {
                const float step = token_step[t + r];
                store(__builtin_convertvector(sums[r][0] - shifts[0], Floats) * step * low,
                      __builtin_convertvector(sums[r][1] - shifts[1], Floats) * step * high,
                      channels - c, out + (t + r) * channels + c);
            }
        }
    }
    free(q);
    free(token_step);
    return failed;
}
