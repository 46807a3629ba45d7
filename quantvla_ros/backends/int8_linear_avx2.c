// SPDX-License-Identifier: Apache-2.0
// Linear layer with 8-bit weights and 7-bit activations for CPUs with AVX2 and no VNNI.
//
// vpmaddubsw multiplies unsigned with signed bytes and adds neighbouring products in 16 bits, with
// saturation. Activations on the 7-bit grid are 1..127 after the shift by 64, weights -127..127:
// a pair is at most 2 * 127 * 127 = 32258 and never saturates, so every sum is exact.

#include <stdlib.h>

#include "quantize_tokens.c"

enum { COLUMNS = 16, DEPTH = 4, ROWS = 4, LIMIT = 63, ZERO = 64 };

// Accumulate `rows` tokens times 16 output channels over the whole depth.
static inline __attribute__((always_inline)) void tile(
    const uint8_t *q, long stride, const int8_t *weights, long groups, const int rows,
    __m256i sums[ROWS][2]) {
    const __m256i ones = _mm256_set1_epi16(1);
    for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    for (long g = 0; g < groups; g++) {
        const __m256i w0 = _mm256_loadu_si256((const __m256i *)(weights + 64 * g));
        const __m256i w1 = _mm256_loadu_si256((const __m256i *)(weights + 64 * g + 32));
        for (int r = 0; r < rows; r++) {
            int32_t four;
            __builtin_memcpy(&four, q + r * stride + DEPTH * g, 4);
            const __m256i a = _mm256_set1_epi32(four);
            const __m256i p0 = _mm256_madd_epi16(_mm256_maddubs_epi16(a, w0), ones);
            const __m256i p1 = _mm256_madd_epi16(_mm256_maddubs_epi16(a, w1), ones);
            sums[r][0] = _mm256_add_epi32(sums[r][0], p0);
            sums[r][1] = _mm256_add_epi32(sums[r][1], p1);
        }
    }
}

// out[tokens][channels] = (grid(x) . weights) * token scale * channel scale
//
// weights: blocks of 16 channels, each [depth / 4][16][4], padded with zeros
// shift:   64 times the sum of each channel's weights, padded to 16 channels
// fixed:   step of a static activation grid, 0 for a step per token
// returns 0, or 1 when memory is short
int quantvla_int8_linear(const float *x, long tokens, long depth, const int8_t *weights,
                         const int32_t *shift, const float *scales, long channels, float fixed,
                         float *out) {
    const long groups = (depth + DEPTH - 1) / DEPTH, stride = groups * DEPTH;
    uint8_t *q = malloc((size_t)(tokens * stride));
    float *token_scale = malloc((size_t)tokens * sizeof(float));
    if (!q || !token_scale) {
        free(q);
        free(token_scale);
        return 1;
    }
    for (long t = 0; t < tokens; t++) {
        uint8_t *token = q + t * stride;
        token_scale[t] = quantize_token(x + t * depth, depth, LIMIT, ZERO, fixed, token);
        for (long k = depth; k < stride; k++) token[k] = ZERO;
    }
    for (long c = 0; c < channels; c += COLUMNS) {
        const int8_t *block = weights + c * stride;
        const __m256i shift0 = _mm256_loadu_si256((const __m256i *)(shift + c));
        const __m256i shift1 = _mm256_loadu_si256((const __m256i *)(shift + c + 8));
        const __m256 scale0 = _mm256_loadu_ps(scales + c), scale1 = _mm256_loadu_ps(scales + c + 8);
        for (long t = 0; t < tokens; t += ROWS) {
            const int rows = tokens - t < ROWS ? (int)(tokens - t) : ROWS;
            __m256i sums[ROWS][2];
            switch (rows) {  // the row count as a constant keeps the sums in registers
                case 4: tile(q + t * stride, stride, block, groups, 4, sums); break;
                case 3: tile(q + t * stride, stride, block, groups, 3, sums); break;
                case 2: tile(q + t * stride, stride, block, groups, 2, sums); break;
                default: tile(q + t * stride, stride, block, groups, 1, sums);
            }
            for (int r = 0; r < rows; r++) {
                const __m256 token = _mm256_set1_ps(token_scale[t + r]);
                __m256 y0 = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums[r][0], shift0));
                __m256 y1 = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums[r][1], shift1));
                y0 = _mm256_mul_ps(_mm256_mul_ps(y0, token), scale0);
                y1 = _mm256_mul_ps(_mm256_mul_ps(y1, token), scale1);
                float *row = out + (t + r) * channels + c;
                if (c + COLUMNS <= channels) {
                    _mm256_storeu_ps(row, y0);
                    _mm256_storeu_ps(row + 8, y1);
                } else {
                    float last[COLUMNS];
                    _mm256_storeu_ps(last, y0);
                    _mm256_storeu_ps(last + 8, y1);
                    for (long j = 0; c + j < channels; j++) row[j] = last[j];
                }
            }
        }
    }
    free(q);
    free(token_scale);
    return 0;
}
