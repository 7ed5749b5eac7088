/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cpu.h"
#include "host/irq.h"

/* More columns than this are not looked at. */
#define COLUMNS CPU_LIST_END

/* Which of host_cpus.cpu each column is of, or the count of them: another's. Returns how many columns there are. */
static unsigned read_header(const struct host_cpus *cpus, const char *line, unsigned *columns)
{
	const size_t length = strcspn(line, "\n");
	unsigned count = 0;

	for (const char *at = line; at < line + length && count < COLUMNS;) {
		char *end;
		const struct host_cpu *cpu;

		at += strspn(at, " \t");
		if (strncmp(at, "CPU", 3) || !isdigit((unsigned char)at[3]))
			break;
		cpu = host_cpu_find(cpus, (unsigned)strtoul(at + 3, &end, 10));
		columns[count++] = cpu ? (unsigned)(cpu - cpus->cpu) : cpus->count;
		at = end;
	}
	return count;
}

/* The row at a line: its counts, and where they end. */
static const char *read_counts(const char *at, const unsigned *columns, unsigned count, uint64_t *counts, unsigned cpus)
{
	for (unsigned i = 0; i < count; i++) {
		char *end;

		at += strspn(at, " \t");
		if (!isdigit((unsigned char)*at))
			break;
		if (columns[i] < cpus)
			counts[columns[i]] = strtoull(at, &end, 10);
		else
			strtoull(at, &end, 10);
		at = end;
	}
	return at + strspn(at, " \t");
}

static void parse_row(const struct host_cpus *cpus, const char *line, size_t length, const unsigned *columns,
		      unsigned count, uint64_t *counts, host_interrupt_row *each, void *context)
{
	char *row, *colon;
	const char *name;

	/* Where nothing asked for an interrupt the columns are empty, not missing. */
	while (length && isspace((unsigned char)line[length - 1]))
		length--;
	row = strndup(line, length);
	colon = row ? strchr(row, ':') : NULL;

	if (colon) {
		*colon = 0;
		name = row + strspn(row, " \t");
		memset(counts, 0, cpus->count * sizeof(*counts));
		each(context, name, counts, read_counts(colon + 1, columns, count, counts, cpus->count));
	}
	free(row);
}

void host_interrupts_parse(const struct host_cpus *cpus, const char *text, host_interrupt_row *each, void *context)
{
	unsigned *columns = malloc(COLUMNS * sizeof(*columns));
	uint64_t *counts = calloc(cpus->count + 1, sizeof(*counts));

	if (columns && counts) {
		const unsigned count = read_header(cpus, text, columns);

		for (const char *line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n'))
			parse_row(cpus, line + 1, strcspn(line + 1, "\n"), columns, count, counts, each, context);
	}
	free(columns);
	free(counts);
}
