/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_EXIT_TEXT_H
#define STRAIT_HOST_EXIT_TEXT_H

#include <stdio.h>

#include "host/exit_counts.h"

/*
 * A recorded trace as text: /sys/kernel/tracing/trace, "trace-cmd report", or "perf script", with the events
 * kvm_exit and kvm_entry of module kvm among whatever else. Returns how many of these events it had; what is none is
 * passed over. lost: how many events of any kind it says were lost, at least. ferror() tells of reading that failed.
 */
size_t exit_text_read(struct exit_counts *counts, FILE *file, uint64_t *lost);

#endif
