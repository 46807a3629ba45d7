// SPDX-License-Identifier: Apache-2.0
// Memory that a thread keeps for what an operation needs while it runs.

#include <pthread.h>
#include <stdlib.h>

#include "engine.h"

static pthread_key_t memory_key;
static pthread_once_t memory_once = PTHREAD_ONCE_INIT;
static _Thread_local struct {
    void *at;
    long bytes;
} memory;

static void make_memory_key(void) { pthread_key_create(&memory_key, free); }

void *scratch(long bytes) {
    enum { ALIGNMENT = 64 };
    if (bytes > memory.bytes) {
        pthread_once(&memory_once, make_memory_key);
        free(memory.at);
        memory.bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        memory.at = aligned_alloc(ALIGNMENT, (size_t)memory.bytes);
        if (memory.at == NULL) memory.bytes = 0;
        pthread_setspecific(memory_key, memory.at);
    }
    return memory.at;
}
