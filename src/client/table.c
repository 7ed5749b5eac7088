/* SPDX-License-Identifier: Apache-2.0 */
#include "client/table.h"

#include <errno.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>

struct client_table {
	struct libscols_table *table;
	unsigned columns;
};

struct client_table *client_table_new(const struct client_column *columns)
{
	struct client_table *table = calloc(1, sizeof(*table));

	scols_init_debug(0);
	if (!table)
		return NULL;
	table->table = scols_new_table();
	while (table->table && columns[table->columns].name) {
		const struct client_column *column = &columns[table->columns];

		if (!scols_table_new_column(table->table, column->name, 0, column->right ? SCOLS_FL_RIGHT : 0)) {
			client_table_free(table);
			return NULL;
		}
		table->columns++;
	}
	if (table->table)
		return table;
	free(table);
	return NULL;
}

int client_table_row(struct client_table *table, const char *const *cells)
{
	struct libscols_line *line = scols_table_new_line(table->table, NULL);
	int ret = line ? 0 : -ENOMEM;

	for (unsigned i = 0; i < table->columns && ret == 0; i++)
		ret = scols_line_set_data(line, i, cells[i] ? cells[i] : "");
	return ret;
}

int client_table_print(struct client_table *table)
{
	return scols_print_table(table->table) < 0 ? -ENOMEM : 0;
}

void client_table_free(struct client_table *table)
{
	if (!table)
		return;
	scols_unref_table(table->table);
	free(table);
}

int client_table_show(const struct client_column *columns, const json_t *items,
		      int (*add_row)(struct client_table *table, const json_t *item))
{
	struct client_table *table = client_table_new(columns);
	int ret = table ? 0 : -ENOMEM;
	const json_t *item;
	size_t i;

	json_array_foreach(items, i, item)
	{
		if (ret == 0)
			ret = add_row(table, item);
	}
	if (ret == 0)
		ret = client_table_print(table);
	client_table_free(table);
	return ret;
}

/* Three digits that count. */
static void format(double value, const char *unit, char text[CLIENT_TEXT])
{
	const int digits = value < 10 ? 2 : value < 100 ? 1 : 0;

	snprintf(text, CLIENT_TEXT, "%.*f %s", digits, value, unit);
}

char *client_format_size(uint64_t bytes, char text[CLIENT_TEXT])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	unsigned power = 0;

	while (power < 6 && bytes >> (10 * (power + 1)))
		power++;
	if (bytes % (UINT64_C(1) << (10 * power)) == 0)
		snprintf(text, CLIENT_TEXT, "%" PRIu64 " %s", bytes >> (10 * power), units[power]);
	else
		format((double)bytes / (double)(UINT64_C(1) << (10 * power)), units[power], text);
	return text;
}

char *client_format_ns(double ns, char text[CLIENT_TEXT])
{
	if (ns < 1000)
		snprintf(text, CLIENT_TEXT, "%.0f ns", ns);
	else if (ns < 1e6)
		format(ns / 1e3, "us", text);
	else if (ns < 1e9)
		format(ns / 1e6, "ms", text);
	else
		format(ns / 1e9, "s", text);
	return text;
}
