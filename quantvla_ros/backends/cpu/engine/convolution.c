// SPDX-License-Identifier: Apache-2.0
// Convolution to channels-last pixels.
//
// The input is copied once, channels last and with its border of zeros. Then a row of the kernel is
// a stretch of memory, and pixels side by side are multiplied like the rows of a linear layer.

#include <stddef.h>

#include "epilogue.h"
#include "float_tile.h"

struct Form {
    long batch, height, width, channels, kernel_height, kernel_width, stride, padding;
    long padded_width, image;  // floats of a padded row and of a padded picture
};

static void copy_pixel(const float *from, long stride, long channels, float *to) {
    if (stride == 1) memcpy(to, from, (size_t)channels * sizeof(float));
    else
        for (long c = 0; c < channels; c++) to[c] = from[c * stride];
}

// Rows first..end of all padded pictures, counted through.
static void pad(const struct Instruction *it, const struct Form *f, long first, long end) {
    const long rows = f->height + 2 * f->padding;
    for (long row = first; row < end; row++) {
        const long b = row / rows, y = row % rows - f->padding;
        float *to = (float *)it->p[1] + row * f->padded_width;
        memset(to, 0, (size_t)f->padded_width * sizeof(float));
        if (y < 0 || y >= f->height) continue;
        const float *from = (const float *)it->p[0] + b * it->n[9] + y * it->n[11];
        to += f->padding * f->channels;
        for (long x = 0; x < f->width; x++, to += f->channels)
            copy_pixel(from + x * it->n[12], it->n[10], f->channels, to);
    }
}

// n: batch, height, width, channels, output channels, kernel's height and width, stride, padding,
//    x's strides of batch, channel, row and column, floats between pixels of out
// p: x, scratch for the padded input, weights in blocks [kernel height * width * channels]
//    [COLUMNS];
//    [5] bias in blocks, [9] out
int convolution(const struct Instruction *it, const struct Worker *worker) {
    struct Form f = {.batch = it->n[0],
                     .height = it->n[1],
                     .width = it->n[2],
                     .channels = it->n[3],
                     .kernel_height = it->n[5],
                     .kernel_width = it->n[6],
                     .stride = it->n[7],
                     .padding = it->n[8]};
    f.padded_width = (f.width + 2 * f.padding) * f.channels;
    f.image = (f.height + 2 * f.padding) * f.padded_width;
    const long rows = (f.height + 2 * f.padding - f.kernel_height) / f.stride + 1;
    const long columns = (f.width + 2 * f.padding - f.kernel_width) / f.stride + 1;
    const long stretch = f.kernel_width * f.channels, depth = stretch * f.kernel_height;
    const struct Epilogue to = {.activation = it->flags & ACTIVATION,
                                .columns = it->n[4],
                                .bias = it->p[5],
                                .out = it->p[9],
                                .out_stride = it->n[13]};
    const long tiles = tiles_of(columns, FLOAT_ROWS), pieces = f.batch * rows * tiles;
    long first, end;
    share(f.batch * (f.height + 2 * f.padding), worker, &first, &end);
    pad(it, &f, first, end);
    meet(worker);
    share((to.columns + COLUMNS - 1) / COLUMNS * pieces, worker, &first, &end);
    for (long task = first; task < end; task++) {
        const long block = task / pieces, piece = task % pieces, line = piece / tiles;
        const long x = tile_start(columns, tiles, piece % tiles);
        const int count = (int)(tile_start(columns, tiles, piece % tiles + 1) - x);
        const float *from = (const float *)it->p[1] + line / rows * f.image +
                            line % rows * f.stride * f.padded_width + x * f.stride * f.channels;
        const float *panel = (const float *)it->p[2] + block * depth * COLUMNS;
        Floats sums[FLOAT_ROWS][2], bias[2];
        bias_of_block(&to, block, bias);
        begin(count, bias, sums);
        for (long k = 0; k < f.kernel_height; k++)
            add_products_of(count, to.columns - block * COLUMNS, from + k * f.padded_width,
                            f.stride * f.channels, 1, panel + k * stretch * COLUMNS, COLUMNS,
                            stretch, NULL, sums);
        finish(&to, line * columns + x, count, block * COLUMNS, sums, NULL);
    }
    return 0;
}
