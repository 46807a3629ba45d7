// SPDX-License-Identifier: Apache-2.0
// Linear layer with 8-bit or 4-bit weights and float activations, for CPUs with AVX2.
//
// A piece of the weights, 16 output channels by up to 256 inputs, becomes floats in a panel that
// stays in the nearest cache, and all tokens are multiplied with it. Memory holds integers; the
// arithmetic is that of float32. Pieces are summed apart, which also keeps rounding errors small.

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 8, COLUMNS = 2 * LANES, ROWS = 6, PIECE = 256, OFFSET = 8 };

static void unpack(const uint8_t *weights, int bits, long k, __m256i codes[2]) {
    if (bits == 8) {
        const uint8_t *at = weights + k * COLUMNS;
        codes[0] = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)at));
        codes[1] = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(at + LANES)));
    } else {
        const __m256i offset = _mm256_set1_epi32(OFFSET);
        const __m128i both = _mm_loadl_epi64((const __m128i *)(weights + k * LANES));
        const __m256i wide = _mm256_cvtepu8_epi32(both);
        codes[0] = _mm256_sub_epi32(_mm256_and_si256(wide, _mm256_set1_epi32(15)), offset);
        codes[1] = _mm256_sub_epi32(_mm256_srli_epi32(wide, 4), offset);
    }
}

// panel[end - first][COLUMNS] = weight times scale
static void fill_panel(const uint8_t *weights, int bits, const float *scales, long first, long end,
                       long group, float *panel) {
    for (long k = first; k < end;) {
        const float *scale = scales + k / group * COLUMNS;
        const __m256 low = _mm256_loadu_ps(scale), high = _mm256_loadu_ps(scale + LANES);
        const long next = (k / group + 1) * group, stop = next < end ? next : end;
        for (; k < stop; k++) {
            __m256i codes[2];
            unpack(weights, bits, k, codes);
            _mm256_storeu_ps(panel, _mm256_mul_ps(_mm256_cvtepi32_ps(codes[0]), low));
            _mm256_storeu_ps(panel + LANES, _mm256_mul_ps(_mm256_cvtepi32_ps(codes[1]), high));
            panel += COLUMNS;
        }
    }
}

// Add the product of `rows` tokens with a panel to `width` channels of out, or begin with it.
static inline __attribute__((always_inline)) void tile(const float *x, long depth,
                                                       const float *panel, long length,
                                                       const int rows, int begin, long channels,
                                                       long width, float *out) {
    __m256 sums[ROWS][2];
    for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = _mm256_setzero_ps();
    for (long k = 0; k < length; k++) {
        const __m256 low = _mm256_loadu_ps(panel + k * COLUMNS);
        const __m256 high = _mm256_loadu_ps(panel + k * COLUMNS + LANES);
        for (int r = 0; r < rows; r++) {
            const __m256 value = _mm256_broadcast_ss(x + r * depth + k);
            sums[r][0] = _mm256_fmadd_ps(value, low, sums[r][0]);
            sums[r][1] = _mm256_fmadd_ps(value, high, sums[r][1]);
        }
    }
    for (int r = 0; r < rows; r++) {
        float row[COLUMNS], *to = out + r * channels;
        _mm256_storeu_ps(row, sums[r][0]);
        _mm256_storeu_ps(row + LANES, sums[r][1]);
        for (long j = 0; j < width; j++) to[j] = begin ? row[j] : to[j] + row[j];
    }
}

// out[tokens][channels] = x . (weights * scales)
//
// bits:    8, or 4 for everything that is packed two to a byte as w + 8
// group:   inputs that share a scale
// weights: blocks of 16 channels, each [depth][16] bytes, or [depth][8] with the weight of a
//          channel in the low half of a byte and of the channel 8 further in its high half
// scales:  blocks of 16 channels, each [depth / group][16]
void quantvla_float_linear(const float *x, long tokens, long depth, long group, int bits,
                           const uint8_t *weights, const float *scales, long channels,
                           float *out) {
    float panel[PIECE * COLUMNS];
    for (long c = 0; c < channels; c += COLUMNS) {
        const long width = channels - c < COLUMNS ? channels - c : COLUMNS;
        const uint8_t *block = weights + c / COLUMNS * (depth * COLUMNS * bits / 8);
        for (long k = 0; k < depth; k += PIECE) {
            const long n = depth - k < PIECE ? depth - k : PIECE;
            fill_panel(block, bits, scales + c * (depth / group), k, k + n, group, panel);
            for (long t = 0; t < tokens; t += ROWS) {
                const float *from = x + t * depth + k;
                float *to = out + t * channels + c;
                switch (tokens - t) {  // the row count as a constant keeps sums in registers
                    case 1: tile(from, depth, panel, n, 1, !k, channels, width, to); break;
                    case 2: tile(from, depth, panel, n, 2, !k, channels, width, to); break;
                    case 3: tile(from, depth, panel, n, 3, !k, channels, width, to); break;
                    case 4: tile(from, depth, panel, n, 4, !k, channels, width, to); break;
                    case 5: tile(from, depth, panel, n, 5, !k, channels, width, to); break;
                    default: tile(from, depth, panel, n, ROWS, !k, channels, width, to);
                }
            }
        }
    }
}
