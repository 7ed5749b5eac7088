/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CLIENT_TABLE_H
#define STRAIT_CLIENT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* A table on standard output, as wide as its cells are. */
struct client_column {
	const char *name;
	bool right; /* numbers */
};

struct client_table;

/* NULL: no memory. columns ends with a NULL name and stays the caller's. */
struct client_table *client_table_new(const struct client_column *columns);

/* A row of as many cells as there are columns, which are copied; NULL is an empty one. 0 or -ENOMEM. */
int client_table_row(struct client_table *table, const char *const *cells);

/* 0 or -ENOMEM. */
int client_table_print(struct client_table *table);
void client_table_free(struct client_table *table);

/* A whole table: add_row() makes a row of each item. 0 or -ENOMEM. */
int client_table_show(const struct client_column *columns, const json_t *items,
		      int (*add_row)(struct client_table *table, const json_t *item));

/* "16 MiB", "1.5 GiB", "512 B": three digits at least where it is not exact. Returns text. */
#define CLIENT_TEXT 32
char *client_format_size(uint64_t bytes, char text[CLIENT_TEXT]);

/* "870 ns", "12.3 us", "4.56 ms", "1.20 s". Returns text. */
char *client_format_ns(double ns, char text[CLIENT_TEXT]);

#endif
