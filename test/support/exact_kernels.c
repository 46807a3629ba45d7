// SPDX-License-Identifier: Apache-2.0
// The C kernels against int64 arithmetic, on a processor that only an emulator may have.
//
// Scales and steps are powers of two and every sum stays below 2**24, so that float32 holds all of
// it and a result is equal or wrong. Prints what it compared; the first difference ends it.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int quantvla_int8_columns(void);
int quantvla_int8_zero_point(int limit);
int quantvla_int4_columns(void);
int quantvla_int8_linear(const float *, long, long, const int8_t *, const int32_t *, const float *,
                         long, int, float, float *);
int quantvla_int4_linear(const float *, long, long, long, const uint8_t *, const float *, long, int,
                         float, float *);
void quantvla_float_linear(const float *, long, long, long, int, const uint8_t *, const float *,
                           long, float *);

enum { MOST = 1024, TOKENS = 13, ROWS = 37, FLOAT_COLUMNS = 16 };
enum { RANDOM, HIGH, LOW, OPPOSED, KINDS };

static int8_t codes[ROWS][MOST];
static int grid[TOKENS][MOST];
static float x[TOKENS * MOST], out[TOKENS * ROWS], scale[ROWS][MOST];
static long compared;

static uint64_t state = 1;
static int between(int low, int high) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + (int)((state >> 33) % (uint64_t)(high - low + 1));
}

// A weight and an activation of largest size meet in every place, or random ones do.
static void fill(int kind, long rows, long depth, long groups, int most, int limit, float step) {
    for (long r = 0; r < rows; r++) {
        for (long k = 0; k < depth; k++)
            codes[r][k] = (int8_t)(kind == RANDOM ? between(-most, most)
                                   : kind == OPPOSED && (r + k) % 2 ? -most : most);
        for (long g = 0; g < groups; g++) scale[r][g] = between(0, 1) ? 0.5f : 2.0f;
    }
    for (long t = 0; t < TOKENS; t++) {
        for (long k = 0; k < depth; k++)
            grid[t][k] = kind == RANDOM ? between(-limit, limit)
                         : kind == LOW || (kind == OPPOSED && k % 2) ? -limit : limit;
        grid[t][depth - 1] = limit;  // makes a dynamic step 1
        for (long k = 0; k < depth; k++) x[t * depth + k] = (float)grid[t][k] * step;
    }
}

static void compare(const char *what, long tokens, long rows, long depth, long group, float step) {
    for (long t = 0; t < tokens; t++)
        for (long r = 0; r < rows; r++) {
            double expected = 0;
            for (long g = 0; g < depth / group; g++) {
                int64_t sum = 0;
                for (long k = g * group; k < (g + 1) * group; k++)
                    sum += (int64_t)codes[r][k] * grid[t][k];
                expected += (double)sum * (double)scale[r][g];
            }
            if ((double)out[t * rows + r] != expected * (double)step) {
                printf("%s: %ld tokens, %ld rows, depth %ld, group %ld: %g, not %g\n", what, tokens,
                       rows, depth, group, (double)out[t * rows + r], expected * (double)step);
                exit(1);
            }
            compared++;
        }
}

static void *cleared(long bytes) {
    void *made = calloc(1, (size_t)bytes);
    return made ? made : (perror("calloc"), exit(1), NULL);
}

static float *blocked_scales(long rows, long groups, long columns) {
    float *made = cleared((rows + columns) * groups * (long)sizeof(float));
    for (long r = 0; r < rows; r++)
        for (long g = 0; g < groups; g++)
            made[(r / columns * groups + g) * columns + r % columns] = scale[r][g];
    return made;
}

static void int8_case(long tokens, long rows, long depth, int limit, float fixed) {
    const long columns = quantvla_int8_columns(), stride = (depth + 3) / 4 * 4;
    int8_t *weights = cleared((rows + columns) * stride);
    int32_t *shift = cleared((rows + columns) * (long)sizeof(int32_t));
    for (long r = 0; r < rows; r++)
        for (long k = 0; k < depth; k++) {
            const long block = r / columns * columns * stride, four = k / 4 * columns * 4;
            weights[block + four + r % columns * 4 + k % 4] = codes[r][k];
            shift[r] += quantvla_int8_zero_point(limit) * codes[r][k];
        }
    float *scales = blocked_scales(rows, 1, columns);
    quantvla_int8_linear(x, tokens, depth, weights, shift, scales, rows, limit, fixed, out);
    compare("int8", tokens, rows, depth, depth, fixed > 0 ? fixed : 1.0f);
    free(weights), free(shift), free(scales);
}

static void int4_case(long tokens, long rows, long depth, long group, float fixed) {
    const long columns = quantvla_int4_columns(), half = columns / 2, stride = (depth + 3) / 4 * 4;
    uint8_t *weights = cleared((rows + columns) * stride);
    memset(weights, 0x88, (size_t)((rows + columns) * stride));
    for (long r = 0; r < rows; r++)
        for (long k = 0; k < depth; k++) {
            const long lane = r % columns % half, high = r % columns >= half;
            uint8_t *at = weights + r / columns * stride * half + k / 4 * half * 4 + lane * 4 + k % 4;
            const uint8_t code = (uint8_t)(codes[r][k] + 8);
            *at = high ? (uint8_t)((*at & 15) | code << 4) : (uint8_t)((*at & 0xf0) | code);
        }
    float *scales = blocked_scales(rows, depth / group, columns);
    quantvla_int4_linear(x, tokens, depth, group, weights, scales, rows, 127, fixed, out);
    compare("int4", tokens, rows, depth, group, fixed > 0 ? fixed : 1.0f);
    free(weights), free(scales);
}

static void float_case(long tokens, long rows, long depth, long group, int bits, float step) {
    const long columns = FLOAT_COLUMNS, half = columns / 2;
    uint8_t *weights = cleared((rows + columns) * depth);
    for (long r = 0; r < rows; r++)
        for (long k = 0; k < depth; k++) {
            const long block = r / columns * columns * depth * bits / 8, lane = r % columns;
            if (bits == 8)
                weights[block + k * columns + lane] = (uint8_t)codes[r][k];
            else
                weights[block + k * half + lane % half] |=
                    (uint8_t)((codes[r][k] + 8) << (lane < half ? 0 : 4));
        }
    float *scales = blocked_scales(rows, depth / group, columns);
    quantvla_float_linear(x, tokens, depth, group, bits, weights, scales, rows, out);
    compare(bits == 8 ? "float on 8 bits" : "float on 4 bits", tokens, rows, depth, group, step);
    free(weights), free(scales);
}

// argument: largest magnitude of an activation that this processor multiplies with 8-bit weights
int main(int count, char **arguments) {
    const int limit = count > 1 ? atoi(arguments[1]) : 127;
    const long depths[] = {1, 3, 4, 7, 31, 36, 130, 1003}, rows[] = {1, 7, 37};
    const float steps[] = {0.0f, 0.25f};
    for (int d = 0; d < 8; d++)
        for (int r = 0; r < 3; r++)
            for (long tokens = 1; tokens <= TOKENS; tokens += tokens < 9 ? 1 : 4)
                for (int kind = 0; kind < KINDS; kind++)
                    for (int s = 0; s < 2; s++) {
                        const float step = steps[s] > 0 ? steps[s] : 1.0f;
                        const long depth = depths[d], group = depth == 36 ? 12 : depth;
                        fill(kind, rows[r], depth, 1, 127, limit, step);
                        int8_case(tokens, rows[r], depth, limit, steps[s]);
                        float_case(tokens, rows[r], depth, depth, 8, step);
                        fill(kind, rows[r], depth, depth / group, 7, 127, step);
                        int4_case(tokens, rows[r], depth, group, steps[s]);
                        float_case(tokens, rows[r], depth, group, 4, step);
                    }
    printf("%ld results are exact\n", compared);
    return 0;
}
