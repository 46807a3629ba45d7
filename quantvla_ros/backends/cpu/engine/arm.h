// SPDX-License-Identifier: Apache-2.0
// Instructions of 64-bit Arm, which multiplies signed bytes; included by lanes.h.
//
// Nothing saturates: sdot (Armv8.2 with "asimddp", as in a Jetson Orin) adds four products in 32
// bits, and without it a product of two bytes in -127..127 fits in 16 bits.

#include <arm_neon.h>

// Activations are taken as they are.
static inline int zero_point(int limit) { return (void)limit, 0; }

static inline Ints add_products(Ints sum, Ints activations, Ints weights) {
    const int8x16_t a = (int8x16_t)activations, b = (int8x16_t)weights;
#ifdef __ARM_FEATURE_DOTPROD
    return (Ints)vdotq_s32((int32x4_t)sum, a, b);
#else
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    const int32x4_t high = vpaddlq_s16(vmull_high_s8(a, b));
    return sum + (Ints)vpaddq_s32(low, high);
#endif
}

static inline Floats splat(float x) { return (Floats)vdupq_n_f32(x); }
static inline Ints splat_int(int32_t x) { return (Ints)vdupq_n_s32(x); }
static inline Floats smaller(Floats a, Floats b) { return (Floats)vminq_f32(a, b); }
static inline Floats larger(Floats a, Floats b) { return (Floats)vmaxq_f32(a, b); }
static inline Floats multiply_add(Floats a, Floats b, Floats c) {
    return (Floats)vfmaq_f32(c, a, b);
}

// x times 2^n, n as a float and as an integer in -126..128. Half of the power is taken twice, so
// that the largest results fit; 126 is the exponent of one half.
static inline Floats times_power(Floats x, Floats n, Ints integer) {
    (void)n;
    return x * (Floats)((integer + 126) << 23) * 2.0f;
}

static inline Floats inverse_of(Floats x) { return 1.0f / x; }

static inline Floats load_some(const float *from, long count) {
    float lanes[4] = {0};
    for (long j = 0; j < count; j++) lanes[j] = from[j];
    return (Floats)vld1q_f32(lanes);
}
static inline void store_some(float *to, Floats floats, long count) {
    for (long j = 0; j < count; j++) to[j] = floats[j];
}

// Write the lowest byte of every lane.
static inline void put_bytes(Ints lanes, uint8_t *to) {
    const int16x4_t words = vmovn_s32((int32x4_t)lanes);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
    memcpy(to, &bytes, LANES);
}

static inline Floats floats_of_bytes(const int8_t *from) {
    int8x8_t bytes = vdup_n_s8(0);
    memcpy(&bytes, from, LANES);
    return (Floats)vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))));
}

static inline Floats floats_of_halves(const uint16_t *from) {
    return (Floats)vshlq_n_u32(vmovl_u16(vld1_u16(from)), 16);
}
