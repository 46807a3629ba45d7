// SPDX-License-Identifier: Apache-2.0
// Instructions of x86, which multiplies unsigned with signed bytes; included by lanes.c.
//
// VNNI adds four products in 32 bits. vpmaddubsw of AVX2 adds neighbouring products in 16 bits,
// with saturation, so that the larger side must leave room: see the two kernels.

#include <immintrin.h>

// What makes an activation of the grid -limit..limit a byte of the side it takes.
static inline int zero_point(int limit) { return limit + 1; }

#ifdef __AVX512VNNI__

// Add to every lane the sum of its four products.
static inline Ints add_products(Ints sum, Ints unsigned_side, Ints signed_side) {
    return (Ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)unsigned_side, (__m512i)signed_side);
}

static inline Floats smaller(Floats a, Floats b) { return (Floats)_mm512_min_ps(a, b); }
static inline Floats larger(Floats a, Floats b) { return (Floats)_mm512_max_ps(a, b); }

// Write the lowest byte of every lane.
static inline void put_bytes(Ints lanes, uint8_t *to) {
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8((__m512i)lanes));
}

#else

static inline Ints add_products(Ints sum, Ints unsigned_side, Ints signed_side) {
    const __m256i pairs = _mm256_maddubs_epi16((__m256i)unsigned_side, (__m256i)signed_side);
    return sum + (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

// Products of 4-bit weights are small enough to be added up in 16 bits for BATCH steps.
#define SMALL_PRODUCTS_IN_WORDS
typedef int16_t Partial __attribute__((vector_size(WIDTH)));

static inline Partial add_small_products(Partial sum, Ints unsigned_side, Ints signed_side) {
    return sum + (Partial)_mm256_maddubs_epi16((__m256i)unsigned_side, (__m256i)signed_side);
}

static inline Ints widened(Partial sum) {
    return (Ints)_mm256_madd_epi16((__m256i)sum, _mm256_set1_epi16(1));
}

static inline Floats smaller(Floats a, Floats b) { return (Floats)_mm256_min_ps(a, b); }
static inline Floats larger(Floats a, Floats b) { return (Floats)_mm256_max_ps(a, b); }

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

#endif
