// SPDX-License-Identifier: Apache-2.0
// Threads that wait between runs and work in step.

#ifndef THREADS_H
#define THREADS_H

#include "engine.h"

// Call `work` on this thread and count - 1 others, and wait for all; returns 0, or 1 when no thread
// can be started.
int run_together(void (*work)(void *, const struct Worker *), void *given, int count);

#endif
