/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_VALUE_H
#define STRAIT_HOST_VALUE_H

#include <stdbool.h>
#include <stdint.h>

/* What cannot be known: of numbers, and of answers. */
#define HOST_UNKNOWN (-1)

/* HOST_UNKNOWN, 0 or 1 */
typedef int8_t host_answer;

/* CPUs or nodes by number, ascending, each once. */
struct cpu_list {
	unsigned count;
	const unsigned *cpu;
};

struct tree;

/*
 * "0-3,8", or "0-63:2/4" for the first two of each four: the kernel's way to write it. What is no such list is an empty
 * one. Numbers are below CPU_LIST_END.
 */
#define CPU_LIST_END 8192u
struct cpu_list cpu_list_parse(struct tree *tree, const char *text);

/*
 * One on the kernel's command line, where "N" is the last CPU of the machine and "all" is 0-N
 * (Documentation/admin-guide/kernel-parameters.rst, cpu lists).
 */
struct cpu_list cpu_list_parse_option(struct tree *tree, const char *text, unsigned last);

const char *cpu_list_format(struct tree *tree, const struct cpu_list *list);
bool cpu_list_has(const struct cpu_list *list, unsigned cpu);
bool cpu_list_overlap(const struct cpu_list *a, const struct cpu_list *b);
bool cpu_list_within(const struct cpu_list *inner, const struct cpu_list *outer);
bool cpu_list_equal(const struct cpu_list *a, const struct cpu_list *b);

#endif
