// SPDX-License-Identifier: Apache-2.0
// What a linear layer does with its sums before they are written.

#ifndef EPILOGUE_H
#define EPILOGUE_H

#include "engine.h"
#include "lanes.h"
#include "vector_math.h"

enum { ACTIVATION = 0xf, GATED = 1 << 4, WEIGHT_KIND = 8 };

// y = activation(sum + bias); in a gated layer that is a gate, and y = gate * (its other sum).
// out = y * multiply * gate + residual
struct Epilogue {
    enum Activation activation;
    long columns;             // of out
    const float *bias;        // in blocks, as the weights
    const float *multiply;    // [rows, columns]
    const float *residual;    // [period, columns]
    const float *gate;        // [columns]
    float *out;
    long multiply_stride, residual_stride, period, out_stride;
};

static inline struct Epilogue epilogue_of(const struct Instruction *it) {
    return (struct Epilogue){
        .activation = it->flags & ACTIVATION,
        .columns = it->n[2],
        .bias = it->p[5],
        .multiply = it->p[6],
        .residual = it->p[7],
        .gate = it->p[8],
        .out = it->p[9],
        .multiply_stride = it->n[6],
        .residual_stride = it->n[7],
        .period = it->n[8],
        .out_stride = it->n[4],
    };
}

// The bias of a block of the weights.
static inline void bias_of_block(const struct Epilogue *to, long block, Floats bias[2]) {
    for (int v = 0; v < 2; v++)
        bias[v] = to->bias ? load(to->bias + block * COLUMNS + v * LANES) : (Floats){0};
}

// Write rows first_row.. of a block of outputs that begins at `column`.
//
// values: sums with their bias
// others: of a gated layer, which the activated values multiply; or NULL
void finish(const struct Epilogue *to, long first_row, int rows, long column, Floats values[][2],
            Floats others[][2]);

#endif
