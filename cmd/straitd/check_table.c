/* SPDX-License-Identifier: Apache-2.0 */
#include "check_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/units.h"

enum column {
	COLUMN_NAME,
	COLUMN_SOCKET,
	COLUMN_FILE,
	COLUMN_SIZE,
	COLUMN_CACHE,
	COLUMN_BLOCK,
	COLUMN_QUEUES,
	COLUMN_WORKERS,
	COLUMN_NOTES,
	COLUMN_COUNT,
};

static const struct {
	const char *name;
	int flags;
} columns[COLUMN_COUNT] = {
	[COLUMN_NAME] = {"NAME", 0},
	[COLUMN_SOCKET] = {"SOCKET", 0},
	[COLUMN_FILE] = {"FILE", 0},
	[COLUMN_SIZE] = {"SIZE", SCOLS_FL_RIGHT},
	[COLUMN_CACHE] = {"CACHE", 0},
	[COLUMN_BLOCK] = {"BLOCK", SCOLS_FL_RIGHT},
	[COLUMN_QUEUES] = {"QUEUES", SCOLS_FL_RIGHT},
	[COLUMN_WORKERS] = {"WORKERS", SCOLS_FL_RIGHT},
	[COLUMN_NOTES] = {"NOTES", 0},
};

static const char *cache_word(enum storage_cache cache)
{
	static const char *const words[] = {
		[STORAGE_CACHE_NONE] = "none",
		[STORAGE_CACHE_WRITEBACK] = "writeback",
		[STORAGE_CACHE_WRITETHROUGH] = "writethrough",
		[STORAGE_CACHE_DIRECTSYNC] = "directsync",
		[STORAGE_CACHE_UNSAFE] = "unsafe",
	};

	return words[cache];
}

static void note(char *text, size_t capacity, const char *what)
{
	const size_t used = strlen(text);

	snprintf(text + used, capacity - used, "%s%s", used ? ", " : "", what);
}

/* What is special about a disk: "read-only, 2 fault rules". */
static void list_notes(const struct config_disk *disk, bool served, char *text, size_t capacity)
{
	char part[192];

	text[0] = '\0';
	if (!served)
		note(text, capacity, "cannot be served");
	if (disk->read_only)
		note(text, capacity, "read-only");
	if (!disk->discard)
		note(text, capacity, "no discard");
	snprintf(part, sizeof(part), "%u fault rule%s", disk->fault_count, disk->fault_count == 1 ? "" : "s");
	if (disk->fault_count)
		note(text, capacity, part);
	if (disk->has_delay)
		note(text, capacity, "delayed");
	qos_settings_describe(&disk->qos, part, sizeof(part));
	if (part[0])
		note(text, capacity, part);
	snprintf(part, sizeof(part), "in group %s", disk->qos.group);
	if (disk->qos.group[0])
		note(text, capacity, part);
}

struct libscols_table *check_table_new(void)
{
	struct libscols_table *table = scols_new_table();

	if (!table)
		return NULL;
	for (unsigned i = 0; i < COLUMN_COUNT; i++) {
		if (!scols_table_new_column(table, columns[i].name, 0, columns[i].flags)) {
			scols_unref_table(table);
			return NULL;
		}
	}
	return table;
}

int check_table_add(struct libscols_table *table, const struct config_disk *disk, const struct storage_info *info,
		    bool served, unsigned workers)
{
	char size[32] = "-", block[32] = "-", queues[16], worker_count[16], socket[24], notes[384];
	const char *cells[COLUMN_COUNT] = {
		[COLUMN_NAME] = disk->name,
		[COLUMN_SOCKET] = disk->socket ? disk->socket : socket,
		[COLUMN_FILE] = disk->file ? disk->file : "(null)",
		[COLUMN_SIZE] = size,
		[COLUMN_CACHE] = disk->file ? cache_word(disk->cache) : "-",
		[COLUMN_BLOCK] = block,
		[COLUMN_QUEUES] = queues,
		[COLUMN_WORKERS] = worker_count,
		[COLUMN_NOTES] = notes,
	};
	struct libscols_line *line = scols_table_new_line(table, NULL);

	if (!line)
		return -ENOMEM;
	if (info) {
		units_format_size(info->size, size, sizeof(size));
		snprintf(block, sizeof(block), "%u", info->block_size);
	}
	snprintf(queues, sizeof(queues), "%u", disk->queues);
	snprintf(worker_count, sizeof(worker_count), "%u", workers);
	snprintf(socket, sizeof(socket), "(fd %d)", disk->socket_fd);
	list_notes(disk, served, notes, sizeof(notes));
	for (unsigned i = 0; i < COLUMN_COUNT; i++) {
		if (scols_line_set_data(line, i, cells[i]))
			return -ENOMEM;
	}
	return 0;
}
