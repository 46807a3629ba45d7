// SPDX-License-Identifier: Apache-2.0
// Instructions of x86, which multiplies unsigned with signed bytes; included by lanes.h.

#include <immintrin.h>

// What makes an activation of the grid -limit..limit an unsigned byte.
static inline int zero_point(int limit) { return limit + 1; }

#ifdef __AVX512VNNI__

static inline Ints add_products(Ints sum, Ints activations, Ints weights) {
    return (Ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)activations, (__m512i)weights);
}

static inline Floats splat(float x) { return (Floats)_mm512_set1_ps(x); }
static inline Ints splat_int(int32_t x) { return (Ints)_mm512_set1_epi32(x); }
static inline Floats smaller(Floats a, Floats b) { return (Floats)_mm512_min_ps(a, b); }
static inline Floats larger(Floats a, Floats b) { return (Floats)_mm512_max_ps(a, b); }
static inline Floats multiply_add(Floats a, Floats b, Floats c) {
    return (Floats)_mm512_fmadd_ps(a, b, c);
}

// x times 2^n, n as a float and as an integer.
static inline Floats times_power(Floats x, Floats n, Ints integer) {
    (void)integer;
    return (Floats)_mm512_scalef_ps(x, n);
}

// One divided by numbers that are finite, to about one unit in the last place.
static inline Floats inverse_of(Floats x) {
    const Floats rough = (Floats)_mm512_rcp14_ps(x);
    return rough * (2.0f - x * rough);
}

static inline __mmask16 first_lanes(long count) {
    return count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
}
static inline Floats load_some(const float *from, long count) {
    return (Floats)_mm512_maskz_loadu_ps(first_lanes(count), from);
}
static inline void store_some(float *to, Floats floats, long count) {
    _mm512_mask_storeu_ps(to, first_lanes(count), floats);
}

// Write the lowest byte of every lane.
static inline void put_bytes(Ints lanes, uint8_t *to) {
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8((__m512i)lanes));
}

static inline Floats floats_of_bytes(const int8_t *from) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)from);
    return (Floats)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}

static inline Floats floats_of_halves(const uint16_t *from) {
    const __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
    return (Floats)_mm512_slli_epi32(words, 16);
}

#else

// VNNI adds four products in 32 bits. vpmaddubsw adds neighbouring products in 16 bits and
// saturates: activations on the 7-bit grid are 1..127, weights -127..127, so that a pair is at most
// 2 * 127 * 127 = 32258. 4-bit weights leave room for 8-bit activations: 2 * 255 * 7 = 3570.
static inline Ints add_products(Ints sum, Ints activations, Ints weights) {
#ifdef __AVXVNNI__
    return (Ints)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)activations, (__m256i)weights);
#else
    const __m256i pairs = _mm256_maddubs_epi16((__m256i)activations, (__m256i)weights);
    return sum + (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#endif
}

static inline Floats splat(float x) { return (Floats)_mm256_set1_ps(x); }
static inline Ints splat_int(int32_t x) { return (Ints)_mm256_set1_epi32(x); }
static inline Floats smaller(Floats a, Floats b) { return (Floats)_mm256_min_ps(a, b); }
static inline Floats larger(Floats a, Floats b) { return (Floats)_mm256_max_ps(a, b); }
static inline Floats multiply_add(Floats a, Floats b, Floats c) {
    return (Floats)_mm256_fmadd_ps(a, b, c);
}

// x times 2^n, n as a float and as an integer in -126..128. Half of the power is taken twice, so
// that the largest results fit; 126 is the exponent of one half.
static inline Floats times_power(Floats x, Floats n, Ints integer) {
    (void)n;
    return x * (Floats)((integer + 126) << 23) * 2.0f;
}

// One divided by numbers that are finite, to about one unit in the last place.
static inline Floats inverse_of(Floats x) {
    const Floats rough = (Floats)_mm256_rcp_ps(x);
    return rough * (2.0f - x * rough);
}

static inline __m256i first_lanes(long count) {
    return (__m256i)(splat_int((int32_t)count) > (Ints){0, 1, 2, 3, 4, 5, 6, 7});
}
static inline Floats load_some(const float *from, long count) {
    return (Floats)_mm256_maskload_ps(from, first_lanes(count));
}
static inline void store_some(float *to, Floats floats, long count) {
    _mm256_maskstore_ps(to, first_lanes(count), floats);
}

// Write the lowest byte of every lane.
static inline void put_bytes(Ints lanes, uint8_t *to) {
    const __m256i first = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                           -1, 0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                           -1, -1, -1);
    const __m256i fours = _mm256_shuffle_epi8((__m256i)lanes, first);
    const __m128i both = _mm_unpacklo_epi32(_mm256_castsi256_si128(fours),
                                            _mm256_extracti128_si256(fours, 1));
    _mm_storel_epi64((__m128i *)to, both);
}

static inline Floats floats_of_bytes(const int8_t *from) {
    const __m128i bytes = _mm_loadl_epi64((const __m128i *)from);
    return (Floats)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}

static inline Floats floats_of_halves(const uint16_t *from) {
    const __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from));
    return (Floats)_mm256_slli_epi32(words, 16);
}

#endif
