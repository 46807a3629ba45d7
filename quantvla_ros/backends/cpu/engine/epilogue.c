// SPDX-License-Identifier: Apache-2.0
// See epilogue.h.

#include "epilogue.h"

#include <stddef.h>

// values = activation(values) * others; no others are ones.
static inline __attribute__((always_inline)) void apply(const enum Activation kind, int rows,
                                                        Floats values[][2], Floats others[][2]) {
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < 2; v++) {
            const Floats y = activated(values[r][v], kind);
            values[r][v] = others ? y * others[r][v] : y;
        }
}

// The kind as a constant takes the choice out of the loop.
static void activate(enum Activation kind, int rows, Floats values[][2], Floats others[][2]) {
    switch (kind) {
        case PLAIN:
            if (others) apply(PLAIN, rows, values, others);
            break;
        case RELU: apply(RELU, rows, values, others); break;
        case SILU: apply(SILU, rows, values, others); break;
        case GELU_TANH: apply(GELU_TANH, rows, values, others); break;
        default: apply(kind, rows, values, others);
    }
}

// Write register `v` of each row, whose columns begin at `column`.
static void write_rows(const struct Epilogue *to, long first_row, int rows, long column, int v,
                       Floats values[][2]) {
    const long width = to->columns - column;
    const Floats gate = to->gate ? load_up_to(to->gate + column, width) : splat(1.0f);
    float *out = to->out + first_row * to->out_stride + column;
    for (int r = 0; r < rows; r++, out += to->out_stride) {
        const long row = first_row + r, of = to->period ? row % to->period : row;
        Floats y = values[r][v];
        if (to->multiply) y *= load_up_to(to->multiply + row * to->multiply_stride + column, width);
        if (to->residual)
            y = multiply_add(
                y, gate, load_up_to(to->residual + of * to->residual_stride + column, width));
        else
            y *= gate;
        store_up_to(out, y, width);
    }
}

void finish(const struct Epilogue *to, long first_row, int rows, long column, Floats values[][2],
            Floats others[][2]) {
    activate(to->activation, rows, values, others);
    if (to->columns - column >= COLUMNS && !to->multiply && !to->residual && !to->gate) {
        float *out = to->out + first_row * to->out_stride + column;
        for (int r = 0; r < rows; r++, out += to->out_stride) {
            store(out, values[r][0]);
            store(out + LANES, values[r][1]);
        }
        return;
    }
    for (int v = 0; v < 2 && column < to->columns; v++, column += LANES)
        write_rows(to, first_row, rows, column, v, values);
}
