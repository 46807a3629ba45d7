// SPDX-License-Identifier: Apache-2.0
// Instructions of 64-bit Arm, which multiplies signed bytes; included by lanes.c.
//
// Nothing saturates: sdot (Armv8.2 with "asimddp", as in a Jetson Orin) adds four products in 32
// bits, and without it a product of two bytes in -127..127 fits in 16 bits.

#include <arm_neon.h>

// Activations are taken as they are.
static inline int zero_point(int limit) { return (void)limit, 0; }

// Add to every lane the sum of its four products. A byte of 0..15 is the same signed or not.
static inline Ints add_products(Ints sum, Ints first, Ints second) {
    const int8x16_t a = (int8x16_t)first, b = (int8x16_t)second;
#ifdef __ARM_FEATURE_DOTPROD
    return (Ints)vdotq_s32((int32x4_t)sum, a, b);
#else
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    const int32x4_t high = vpaddlq_s16(vmull_high_s8(a, b));
    return sum + (Ints)vpaddq_s32(low, high);
#endif
}

static inline Floats smaller(Floats a, Floats b) { return (Floats)vminq_f32(a, b); }
static inline Floats larger(Floats a, Floats b) { return (Floats)vmaxq_f32(a, b); }

// Write the lowest byte of every lane.
static inline void put_bytes(Ints lanes, uint8_t *to) {
    const int16x4_t words = vmovn_s32((int32x4_t)lanes);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
    memcpy(to, &bytes, LANES);
}
