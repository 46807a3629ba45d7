// SPDX-License-Identifier: Apache-2.0
// Linear layer with 4-bit weights, unpacked in registers, and integer activations.
//
// Weights are held as w + 8 in 1..15, two to a byte, and take the unsigned side of the product;
// activations are signed bytes. What the offset adds, 8 times the sum of the activations, is taken
// off per token and group. All sums are exact: with AVX2 a pair of products is at most
// 2 * 15 * 127 = 3810, and eight of them (30480) fit in 16 bits; VNNI and Arm add in 32 bits.

#include "lanes.c"

enum { OFFSET = 8 };

// What up to BATCH depth steps are added up in.
#ifdef SMALL_PRODUCTS_IN_WORDS
enum { BATCH = 8 };
#else
enum { BATCH = 1 << 30 };
typedef Ints Partial;
static inline Partial add_small_products(Partial sum, Ints weights, Ints activations) {
    return add_products(sum, weights, activations);
}
static inline Ints widened(Partial sum) { return sum; }
#endif

// Accumulate `rows` tokens times COLUMNS output channels over `steps` times four inputs.
static inline __attribute__((always_inline)) void tile(
    const int rows, const uint8_t *q, long stride, const uint8_t *weights, long steps,
    Ints sums[MOST_ROWS][2]) {
    for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = (Ints){0};
    for (long first = 0; first < steps; first += BATCH) {
        const long end = first + BATCH < steps ? first + BATCH : steps;
        Partial batch[MOST_ROWS][2];
        for (int r = 0; r < rows; r++) batch[r][0] = batch[r][1] = (Partial){0};
        for (long s = first; s < end; s++) {
            Words both;
            memcpy(&both, weights + WIDTH * s, WIDTH);
            const Words low = both & 0x0f0f, high = (both >> 4) & 0x0f0f;
            for (int r = 0; r < rows; r++) {
                const Ints four = four_activations(q + r * stride + DEPTH * s);
                batch[r][0] = add_small_products(batch[r][0], (Ints)low, four);
                batch[r][1] = add_small_products(batch[r][1], (Ints)high, four);
            }
        }
        for (int r = 0; r < rows; r++) {
            sums[r][0] += widened(batch[r][0]);
            sums[r][1] += widened(batch[r][1]);
        }
    }
}

// Channels of a block in the layout of the weights.
int quantvla_int4_columns(void) { return COLUMNS; }

// out[tokens][channels] = sum over groups of (grid(x) . weights) * group scale, times token step
//
// group:   inputs that share a scale, a multiple of 4 where there are several groups
// weights: blocks of COLUMNS channels, each [depth / 4][WIDTH]; a byte holds the weight of a
//          channel in its low half and of the channel LANES further in its high half
// scales:  blocks of COLUMNS channels, each [depth / group][COLUMNS]
// fixed:   step of a static activation grid, 0 for a step per token
// returns 0, or 1 when memory is short
int quantvla_int4_linear(const float *x, long tokens, long depth, long group,
                         const uint8_t *weights, const float *scales, long channels, int limit,
                         float fixed, float *out) {
    const long groups = depth / group, stride = (depth + DEPTH - 1) / DEPTH * DEPTH;
    const long steps = (group + DEPTH - 1) / DEPTH;
    uint8_t *q = malloc((size_t)(tokens * stride));
    float *token_step = malloc((size_t)tokens * sizeof(float));
    int32_t *excess = malloc((size_t)(tokens * groups) * sizeof(int32_t));
    const int failed = !q || !token_step || !excess;
    for (long t = 0; t < tokens && !failed; t++) {
        uint8_t *token = q + t * stride;
        token_step[t] = quantize_token(x + t * depth, depth, limit, 0, fixed, token);
        for (long k = depth; k < stride; k++) token[k] = 0;
        for (long g = 0; g < groups; g++) {
            int32_t sum = 0;
            for (long k = 0; k < group; k++) sum += (int8_t)token[g * group + k];
            excess[t * groups + g] = OFFSET * sum;
        }
    }
    for (long c = 0; c < channels && !failed; c += COLUMNS) {
        const uint8_t *block = weights + c / COLUMNS * (stride / DEPTH) * WIDTH;
        const float *block_scales = scales + c * groups;
        for (long t = 0; t < tokens; t += ROWS) {
            const int rows = tokens - t < ROWS ? (int)(tokens - t) : ROWS;
            Floats total[MOST_ROWS][2] = {0};
            for (long g = 0; g < groups; g++) {
                Ints sums[MOST_ROWS][2];
                Floats low, high;
                RUN_TILE(rows, q + t * stride + g * group, stride, block + g * steps * WIDTH, steps,
                         sums)
                memcpy(&low, block_scales + g * COLUMNS, WIDTH);
                memcpy(&high, block_scales + g * COLUMNS + LANES, WIDTH);
                for (int r = 0; r < rows; r++) {
                    const int32_t extra = excess[(t + r) * groups + g];
                    total[r][0] += __builtin_convertvector(sums[r][0] - extra, Floats) * low;
                    total[r][1] += __builtin_convertvector(sums[r][1] - extra, Floats) * high;
                }
            }
            for (int r = 0; r < rows; r++) {
                const float step = token_step[t + r];
                store(total[r][0] * step, total[r][1] * step, channels - c,
                      out + (t + r) * channels + c);
            }
        }
    }
    free(q);
    free(token_step);
    free(excess);
    return failed;
}
