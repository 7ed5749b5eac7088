/* SPDX-License-Identifier: Apache-2.0 */
#include "host/value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "host/tree.h"

/* CPUs from first to last: of each group of them, which begin at first, as many as are used. */
struct range {
	unsigned long first, last, used, group;
};

/* A number, or "N", which is the last one there is. */
static bool read_number(const char **at, unsigned last, unsigned long *number)
{
	char *end;

	if (**at == 'N' && last < CPU_LIST_END) {
		*number = last;
		++*at;
		return true;
	}
	if (!isdigit((unsigned char)**at))
		return false;
	*number = strtoul(*at, &end, 10);
	*at = end;
	return true;
}

/* "3", "0-3", "0-63:2/4" or "all", and what is behind it; false where it is none of them. */
static bool read_range(const char **at, unsigned last, struct range *range)
{
	range->used = range->group = 1;
	if (last < CPU_LIST_END && strncmp(*at, "all", 3) == 0) {
		range->first = 0;
		range->last = last;
		*at += 3;
	} else {
		if (!read_number(at, last, &range->first))
			return false;
		range->last = range->first;
		if (**at == '-') {
			++*at;
			if (!read_number(at, last, &range->last))
				return false;
		}
	}
	if (**at == ':') {
		++*at;
		if (!read_number(at, last, &range->used) || **at != '/')
			return false;
		++*at;
		if (!read_number(at, last, &range->group))
			return false;
	}
	return range->first <= range->last && range->last < CPU_LIST_END && range->group && range->used <= range->group;
}

static struct cpu_list parse(struct tree *tree, const char *text, unsigned last)
{
	bool has[CPU_LIST_END] = {false};
	struct cpu_list list = {0};
	unsigned *cpu, count = 0;
	struct range range;

	if (!text)
		return list;
	text += strspn(text, " \t\n");
	while (*text && !isspace((unsigned char)*text)) {
		if (!read_range(&text, last, &range))
			return list;
		for (unsigned long i = range.first; i <= range.last; i++) {
			if ((i - range.first) % range.group >= range.used)
				continue;
			count += !has[i];
			has[i] = true;
		}
		if (*text == ',')
			text++;
	}
	if (text[strspn(text, " \t\n")] || !count)
		return list;
	cpu = tree_alloc(tree, count * sizeof(*cpu));
	for (unsigned i = 0; i < CPU_LIST_END; i++) {
		if (has[i])
			cpu[list.count++] = i;
	}
	list.cpu = cpu;
	return list;
}

struct cpu_list cpu_list_parse(struct tree *tree, const char *text)
{
	return parse(tree, text, CPU_LIST_END);
}

struct cpu_list cpu_list_parse_option(struct tree *tree, const char *text, unsigned last)
{
	return parse(tree, text, last);
}

const char *cpu_list_format(struct tree *tree, const struct cpu_list *list)
{
	const char *text = "";

	for (unsigned i = 0, end; i < list->count; i = end) {
		const char *comma = i ? "," : "";

		end = i + 1;
		while (end < list->count && list->cpu[end] == list->cpu[end - 1] + 1)
			end++;
		if (end - i == 1)
			text = tree_format(tree, "%s%s%u", text, comma, list->cpu[i]);
		else
			text = tree_format(tree, "%s%s%u-%u", text, comma, list->cpu[i], list->cpu[end - 1]);
	}
	return text;
}

static int compare(const void *a, const void *b)
{
	const unsigned left = *(const unsigned *)a, right = *(const unsigned *)b;

	return (left > right) - (left < right);
}

bool cpu_list_has(const struct cpu_list *list, unsigned cpu)
{
	return list->count && bsearch(&cpu, list->cpu, list->count, sizeof(cpu), compare);
}

bool cpu_list_overlap(const struct cpu_list *a, const struct cpu_list *b)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (cpu_list_has(b, a->cpu[i]))
			return true;
	}
	return false;
}

bool cpu_list_within(const struct cpu_list *inner, const struct cpu_list *outer)
{
	for (unsigned i = 0; i < inner->count; i++) {
		if (!cpu_list_has(outer, inner->cpu[i]))
			return false;
	}
	return true;
}

bool cpu_list_equal(const struct cpu_list *a, const struct cpu_list *b)
{
	return a->count == b->count && cpu_list_within(a, b);
}
