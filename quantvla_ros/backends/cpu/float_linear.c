// SPDX-License-Identifier: Apache-2.0
// Linear layer with 8-bit or 4-bit weights and float activations.
//
// A piece of the weights, 16 output channels by up to 256 inputs, becomes floats in a panel that
// stays in the nearest cache, and all tokens are multiplied with it. Memory holds integers; the
// arithmetic is that of float32. Pieces are summed apart, which also keeps rounding errors small.

#include <stdint.h>
#include <string.h>

#ifdef __aarch64__
#include <arm_neon.h>
enum { LANES = 4 };
#else
#include <immintrin.h>
enum { LANES = 8 };
#endif
enum { COLUMNS = 16, PARTS = COLUMNS / LANES, ROWS = 6, PIECE = 256, OFFSET = 8 };

typedef float Floats __attribute__((vector_size(LANES * sizeof(float))));
typedef uint64_t Pair __attribute__((vector_size(COLUMNS)));
typedef int8_t Codes __attribute__((vector_size(COLUMNS)));

// A register of a row of COLUMNS floats.
static inline Floats part(const float *row, int p) {
    Floats part;
    memcpy(&part, row + p * LANES, sizeof part);
    return part;
}

// The weights of an input.
static inline Codes codes_of(const uint8_t *weights, int bits, long k) {
    Codes codes;
    if (bits == 8) {
        memcpy(&codes, weights + k * COLUMNS, sizeof codes);
        return codes;
    }
    uint64_t both;
    memcpy(&both, weights + k * (long)sizeof both, sizeof both);
    return ((Codes)((Pair){both, both} >> (Pair){0, 4}) & 15) - OFFSET;
}

// Weights as floats.
static inline void widen(Codes codes, Floats wide[PARTS]) {
#ifdef __aarch64__
    const int16x8_t low = vmovl_s8(vget_low_s8((int8x16_t)codes));
    const int16x8_t high = vmovl_high_s8((int8x16_t)codes);
    wide[0] = (Floats)vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
    wide[1] = (Floats)vcvtq_f32_s32(vmovl_high_s16(low));
    wide[2] = (Floats)vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
    wide[3] = (Floats)vcvtq_f32_s32(vmovl_high_s16(high));
#else
    const __m128i high = _mm_unpackhi_epi64((__m128i)codes, (__m128i)codes);
    wide[0] = (Floats)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32((__m128i)codes));
    wide[1] = (Floats)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high));
#endif
}

// panel[end - first][COLUMNS] = weight times scale
static void fill_panel(const uint8_t *weights, int bits, const float *scales, long first, long end,
                       long group, float *panel) {
    for (long k = first; k < end;) {
        const long next = (k / group + 1) * group, stop = next < end ? next : end;
        const float *scale = scales + k / group * COLUMNS;
        for (; k < stop; k++, panel += COLUMNS) {
            Floats wide[PARTS];
            widen(codes_of(weights, bits, k), wide);
#pragma GCC unroll 4
            for (int p = 0; p < PARTS; p++) {
                wide[p] *= part(scale, p);
                memcpy(panel + p * LANES, &wide[p], sizeof wide[p]);
            }
        }
    }
}

// Add the product of `rows` tokens with a panel to `width` channels of out, or begin with it.
static inline __attribute__((always_inline)) void tile(const float *x, long depth,
                                                       const float *panel, long length,
                                                       const int rows, int begin, long channels,
                                                       long width, float *out) {
    Floats sums[ROWS][PARTS];
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++) sums[r][p] = (Floats){0};
    for (long k = 0; k < length; k++) {
        for (int r = 0; r < rows; r++) {
            const Floats value = (Floats){0} + x[r * depth + k];
#pragma GCC unroll 4
            for (int p = 0; p < PARTS; p++) sums[r][p] += value * part(panel + k * COLUMNS, p);
        }
    }
    for (int r = 0; r < rows; r++) {
        float row[COLUMNS], *to = out + r * channels;
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++) memcpy(row + p * LANES, &sums[r][p], sizeof sums[r][p]);
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
