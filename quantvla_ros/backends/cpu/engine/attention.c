// SPDX-License-Identifier: Apache-2.0
// Attention for sequences whose logits fit in the caches.
//
// Everything is turned around: a register holds one number of many queries. So keys and values are
// read where they lie, softmax goes down registers, and no sum crosses one. The queries of all
// heads that share keys stand side by side.

#include <stddef.h>

#include "engine.h"
#include "float_tile.h"
#include "vector_math.h"

struct Segment {
    const float *keys, *values;  // of one kv head
    long tokens, stride;
};

// A block of up to COLUMNS queries of one kv head.
struct Block {
    const struct Instruction *it;
    long first_head, first, width;  // its queries, counted through the heads that share the keys
    float *queries;                 // [E][COLUMNS]
    float *logits;                  // [S][COLUMNS]
};

// The head and the token of a block's query.
static void place_of(const struct Block *block, long j, long *head, long *token) {
    const long tokens = block->it->n[0], query = block->first + j;
    *head = block->first_head + query / tokens;
    *token = query % tokens;
}

static void gather_queries(const struct Block *block) {
    const struct Instruction *it = block->it;
    const long width = it->n[3];
    for (long j = 0; j < COLUMNS; j++) {
        long head, token;
        place_of(block, j < block->width ? j : 0, &head, &token);
        const float *from = (const float *)it->p[0] + token * it->n[6] + head * it->n[7];
        for (long e = 0; e < width; e++) block->queries[e * COLUMNS + j] = from[e] * it->f[0];
    }
}

// A token's part of the bias, for all queries of the block.
static void bias_of(const struct Block *block, long s, Floats bias[2]) {
    const struct Instruction *it = block->it;
    const float *from = (const float *)it->p[5] + s;
    if (it->n[14] == 0 && it->n[15] == 0) {
        bias[0] = bias[1] = splat(*from);
        return;
    }
    float lanes[COLUMNS] = {0};
    for (long j = 0; j < block->width; j++) {
        long head, token;
        place_of(block, j, &head, &token);
        lanes[j] = from[token * it->n[14] + head * it->n[15]];
    }
    bias[0] = load(lanes);
    bias[1] = load(lanes + LANES);
}

// Logits of a segment's tokens, of which the first is the block's token `at`; keeps the largest.
static void score(const struct Block *block, const struct Segment *segment, long at,
                  Floats largest[2]) {
    const long width = block->it->n[3], tiles = tiles_of(segment->tokens, FLOAT_ROWS);
    for (long n = 0; n < tiles; n++) {
        const long first = tile_start(segment->tokens, tiles, n);
        const int rows = (int)(tile_start(segment->tokens, tiles, n + 1) - first);
        Floats sums[FLOAT_ROWS][2];
        clear(rows, sums);
        add_products_of(rows, block->width, segment->keys + first * segment->stride,
                        segment->stride, 1, block->queries, COLUMNS, width, NULL, sums);
        for (int r = 0; r < rows; r++) {
            Floats bias[2] = {{0}, {0}};
            if (block->it->p[5]) bias_of(block, at + first + r, bias);
            for (int v = 0; v < 2; v++) {
                sums[r][v] += bias[v];
                largest[v] = larger(largest[v], sums[r][v]);
                store(block->logits + (at + first + r) * COLUMNS + v * LANES, sums[r][v]);
            }
        }
    }
}

// Logits to weights; what they must be multiplied with goes to `scale`.
static void weigh(const struct Block *block, long tokens, const Floats largest[2],
                  Floats scale[2]) {
    const int vectors = block->width > LANES ? 2 : 1;
    Floats total[2] = {{0}, {0}};
    for (long s = 0; s < tokens; s++) {
        for (int v = 0; v < vectors; v++) {
            float *at = block->logits + s * COLUMNS + v * LANES;
            const Floats weight = exp_of(load(at) - largest[v]);
            total[v] += weight;
            store(at, weight);
        }
    }
    for (int v = 0; v < vectors; v++) scale[v] = 1.0f / total[v];
}

static void write_out(const struct Block *block, long first, int rows, Floats sums[][2],
                      const Floats scale[2]) {
    const struct Instruction *it = block->it;
    float lanes[MOST_ROWS][COLUMNS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < 2; v++) store(lanes[r] + v * LANES, sums[r][v] * scale[v]);
    for (long j = 0; j < block->width; j++) {
        long head, token;
        place_of(block, j, &head, &token);
        float *to = (float *)it->p[6] + token * it->n[12] + head * it->n[13] + first;
        for (int r = 0; r < rows; r++) to[r] = lanes[r][j];
    }
}

static void attend(const struct Block *block, const struct Segment segments[2]) {
    const long width = block->it->n[3], tiles = tiles_of(width, FLOAT_ROWS);
    const long tokens = segments[0].tokens + segments[1].tokens;
    Floats largest[2] = {splat(-3e38f), splat(-3e38f)}, scale[2] = {{0}, {0}};
    gather_queries(block);
    score(block, &segments[0], 0, largest);
    score(block, &segments[1], segments[0].tokens, largest);
    weigh(block, tokens, largest, scale);
    for (long n = 0; n < tiles; n++) {
        const long first = tile_start(width, tiles, n);
        const int rows = (int)(tile_start(width, tiles, n + 1) - first);
        const float *weights = block->logits;
        Floats sums[FLOAT_ROWS][2];
        clear(rows, sums);
        for (int i = 0; i < 2; weights += segments[i++].tokens * COLUMNS)
            add_products_of(rows, block->width, segments[i].values + first, 1, segments[i].stride,
                            weights, COLUMNS, segments[i].tokens, NULL, sums);
        write_out(block, first, rows, sums, scale);
    }
}

// out[t, h] = softmax(scale * q[t, h] . k + bias) v, head h with kv head h / (heads / kv heads)
//
// n: tokens, heads, kv heads, width of a head, tokens of both segments; strides of token and head:
//    of q, of both segments' k and v, of out; the bias's stride of queries and of heads
// p: q, k and v of the first segment, k and v of the second, bias [.., S] or none, out;  f: scale
int attention(const struct Instruction *it, const struct Worker *worker) {
    const long shared = it->n[1] / it->n[2], queries = it->n[0] * shared, width = it->n[3];
    const long tokens = it->n[4] + it->n[5], blocks = (queries + COLUMNS - 1) / COLUMNS;
    float *room = scratch((width + tokens) * COLUMNS * (long)sizeof(float));
    if (room == NULL) return 1;
    long begin, end;
    share(it->n[2] * blocks, worker, &begin, &end);
    for (long task = begin; task < end; task++) {
        const long kv = task / blocks, first = task % blocks * COLUMNS;
        const struct Segment segments[2] = {
            {(const float *)it->p[1] + kv * it->n[9], (const float *)it->p[2] + kv * it->n[9],
             it->n[4], it->n[8]},
            {(const float *)it->p[3] + kv * it->n[11], (const float *)it->p[4] + kv * it->n[11],
             it->n[5], it->n[10]},
        };
        const long left = queries - first;
        const struct Block block = {it, kv * shared, first, left < COLUMNS ? left : COLUMNS, room,
                                    room + width * COLUMNS};
        attend(&block, segments);
    }
    return 0;
}
