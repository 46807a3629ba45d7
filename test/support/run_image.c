// SPDX-License-Identifier: Apache-2.0
// Carry out instructions on a copy of the memory that they name, on a processor that only an
// emulator may have. `engine_machine.py` writes the file and reads it again.

#include <stdio.h>
#include <stdlib.h>

#include "engine.h"

int quantvla_columns(void);
int quantvla_zero_point(int limit);
int quantvla_run(const struct Instruction *code, long count, int threads, double *seconds);

int main(int count, char **given) {
    if (count < 2) {
        printf("%d %d %d\n", quantvla_columns(), quantvla_zero_point(127), quantvla_zero_point(63));
        return 0;
    }
    FILE *file = fopen(given[1], "r+b");
    int64_t head[4];  // instructions, threads, address of the memory in Python, its bytes
    if (!file || fread(head, sizeof head, 1, file) != 1) return 2;
    struct Instruction *code = malloc((size_t)head[0] * sizeof *code);
    char *memory = aligned_alloc(64, (size_t)head[3]);
    if (fread(code, sizeof *code, (size_t)head[0], file) != (size_t)head[0]) return 2;
    const long start = ftell(file);
    if (fread(memory, 1, (size_t)head[3], file) != (size_t)head[3]) return 2;
    for (long i = 0; i < head[0]; i++)
        for (int j = 0; j < 12; j++)
            if (code[i].p[j]) code[i].p[j] = memory + ((char *)code[i].p[j] - (char *)head[2]);
    const int failed = quantvla_run(code, head[0], (int)head[1], NULL);
    fseek(file, start, SEEK_SET);
    if (fwrite(memory, 1, (size_t)head[3], file) != (size_t)head[3] || fclose(file)) return 2;
    printf("%d\n", failed);
    return 0;
}
