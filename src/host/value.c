/* SPDX-License-Identifier: Apache-2.0 */
#include "host/value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "host/tree.h"

/* "3" or "0-3", and what is behind it; false where it is neither. */
static bool read_range(const char **at, unsigned long *first, unsigned long *last)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	*first = *last = strtoul(*at, &end, 10);
	if (*end == '-' && isdigit((unsigned char)end[1]))
		*last = strtoul(end + 1, &end, 10);
	*at = end;
	return *first <= *last && *last < CPU_LIST_END;
}

struct cpu_list cpu_list_parse(struct tree *tree, const char *text)
{
	bool has[CPU_LIST_END] = {false};
	struct cpu_list list = {0};
	unsigned *cpu, count = 0;
	unsigned long first, last;

	if (!text)
		return list;
	text += strspn(text, " \t\n");
	while (*text && read_range(&text, &first, &last)) {
		for (unsigned long i = first; i <= last; i++) {
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
