// SPDX-License-Identifier: Apache-2.0
// Activations to integers; included by the kernels.

#include <immintrin.h>
#include <math.h>
#include <stdint.h>

// Largest magnitude of a token divided by `limit`.
static float dynamic_step(const float *x, long n, int limit) {
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256 largest = _mm256_setzero_ps();
    long i = 0;
    for (; i + 8 <= n; i += 8)
        largest = _mm256_max_ps(largest, _mm256_and_ps(_mm256_loadu_ps(x + i), magnitude));
    float lanes[8], top = 0.0f;
    _mm256_storeu_ps(lanes, largest);
    for (int j = 0; j < 8; j++) top = fmaxf(top, lanes[j]);
    for (; i < n; i++) top = fmaxf(top, fabsf(x[i]));
    return fmaxf(top, 1e-8f) / (float)limit;
}

// Write grid(x) + zero; returns the step of the grid, NaN when the token is not finite.
//
// fixed: the step where it is static; 0 asks for the token's own
static float quantize_token(const float *x, long n, int limit, int zero, float fixed, uint8_t *q) {
    const float step = fixed > 0.0f ? fixed : dynamic_step(x, n, limit), inverse = 1.0f / step;
    const __m256 factor = _mm256_set1_ps(fixed > 0.0f ? inverse : step);
    const __m256 high = _mm256_set1_ps((float)limit), low = _mm256_set1_ps(-(float)limit);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i shift = _mm256_set1_epi8((char)zero);
    __m256 broken = _mm256_setzero_ps();
    long i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i v[4];
        for (int j = 0; j < 4; j++) {
            const __m256 y = _mm256_loadu_ps(x + i + 8 * j), none = _mm256_sub_ps(y, y);
            broken = _mm256_or_ps(broken, _mm256_cmp_ps(none, none, _CMP_UNORD_Q));
            // A token's own step divides, as the reference does: to multiply by its inverse rounds
            // differently. A fixed step multiplies there and here.
            __m256 grid = fixed > 0.0f ? _mm256_mul_ps(y, factor) : _mm256_div_ps(y, factor);
            grid = _mm256_max_ps(_mm256_min_ps(grid, high), low);
            v[j] = _mm256_cvtps_epi32(grid);
        }
        const __m256i words0 = _mm256_packs_epi32(v[0], v[1]);
        const __m256i words1 = _mm256_packs_epi32(v[2], v[3]);
        __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words0, words1), order);
        _mm256_storeu_si256((__m256i *)(q + i), _mm256_add_epi8(bytes, shift));
    }
    int nan = _mm256_movemask_ps(broken);
    for (; i < n; i++) {
        const float grid = fixed > 0.0f ? x[i] * inverse : x[i] / step;
        q[i] = (uint8_t)(lrintf(fmaxf(fminf(grid, (float)limit), -(float)limit)) + zero);
        nan |= isnan(x[i] - x[i]);
    }
    return nan ? NAN : step;
}
