/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BASE_CPUS_H
#define STRAIT_BASE_CPUS_H

#include <sched.h>
#include <stddef.h>

#include "base/error.h"

/* Parse a CPU list as cpuset(7) writes it, such as "0-3,8". 0 or -EINVAL with err set. */
int cpus_parse(const char *text, cpu_set_t *set, struct error *err);

/* The same the other way round, into size bytes; cut short where that is too little. */
void cpus_format(const cpu_set_t *set, char *text, size_t size);

#endif
