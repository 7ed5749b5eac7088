/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "host/counters.h"
#include "host/document.h"
#include "host/qmp.h"

/* Version 1 of control groups counts in ns. */
static int64_t throttled_us(struct tree *tree, const char *cgroup)
{
	static const char key[] = "throttled_usec ", old_key[] = "throttled_time ";
	const char *text, *at;

	if (tree_reread(tree, &text, "%s/cpu.stat", cgroup) < 0)
		return HOST_UNKNOWN;
	at = strstr(text, key);
	if (at)
		return strtoll(at + strlen(key), NULL, 10);
	at = strstr(text, old_key);
	return at ? strtoll(at + strlen(old_key), NULL, 10) / 1000 : HOST_UNKNOWN;
}

/* "/machine/peripheral/vda/virtio-backend" has "vda" as a part. */
static bool has_part(const char *path, const char *id)
{
	const size_t length = strlen(id);

	while (path && *path && length) {
		path += *path == '/';
		if (strcspn(path, "/") == length && !strncmp(path, id, length))
			return true;
		path += strcspn(path, "/");
	}
	return false;
}

static const struct guest_disk *disk_of(const struct guest *guest, const json_t *entry)
{
	const char *path = json_string_value(document_member(entry, "qdev"));
	const char *drive = json_string_value(document_member(entry, "device"));

	for (unsigned i = 0; i < guest->disk_count; i++) {
		const char *id = guest->disk[i].id;

		if (id && (has_part(path, id) || (drive && !strcmp(drive, id))))
			return &guest->disk[i];
	}
	return NULL;
}

static int64_t sum(int64_t a, int64_t b)
{
	return a < 0 || b < 0 || a > INT64_MAX - b ? HOST_UNKNOWN : a + b;
}

static void ask_blocks(struct host *host, const struct guest *guest, struct counter_list *disks)
{
	struct qmp *qmp = qmp_new(host->tree, guest);
	json_t *answer = qmp_ask_again(qmp, "query-blockstats", NULL, "query-blockstats");
	const json_t *entry;
	size_t i;

	qmp_hang_up(qmp);
	json_array_foreach(answer, i, entry)
	{
		const struct guest_disk *disk = disk_of(guest, entry);
		const json_t *stats = document_member(entry, "stats");
		struct counter_guest_disk *counter = disk ? counter_add(host->tree, disks, sizeof(*counter)) : NULL;

		if (!counter)
			continue;
		counter->pid = guest->pid;
		counter->id = disk->id;
		counter->reads = document_number(stats, "rd_operations");
		counter->writes = document_number(stats, "wr_operations");
		counter->ios = sum(counter->reads, counter->writes);
		counter->bytes = sum(document_number(stats, "rd_bytes"), document_number(stats, "wr_bytes"));
		counter->flushes = document_number(stats, "flush_operations");
		counter->io_ns =
			sum(document_number(stats, "rd_total_time_ns"), document_number(stats, "wr_total_time_ns"));
		counter->flush_ns = document_number(stats, "flush_total_time_ns");
	}
	json_decref(answer);
}

/* The kernel counts in the group that has the quota. */
static void read_quotas(struct tree *tree, const struct guest *guest, struct counter_list *quotas)
{
	for (unsigned i = 0; i < guest->quota_count; i++) {
		const char *cgroup = guest->quota[i].cgroup;
		struct counter_quota *counter = counter_add(tree, quotas, sizeof(*counter));

		if (counter)
			*counter = (struct counter_quota){guest->pid, cgroup, throttled_us(tree, cgroup)};
	}
}

/* More than a control group has reached yet. */
#define DEVICES_MOST 1024u

/* What the group has done whose io.max holds the guest back. */
static void read_group(struct tree *tree, const struct guest *guest, struct counter_list *groups)
{
	const char *text;
	struct group_io io;
	unsigned count = 0;

	if (!guest->io_cgroup || tree_reread(tree, &text, "%s/io.stat", guest->io_cgroup) < 0)
		return;
	while (count++ < DEVICES_MOST && (text = group_io_next(text, &io))) {
		struct counter_group *counter = counter_add(tree, groups, sizeof(*counter));

		if (counter)
			*counter = (struct counter_group){guest->pid, io};
	}
}

void host_counters_guests(struct host *host, struct host_counters *counters)
{
	for (unsigned i = 0; i < host->guests.count; i++) {
		const struct guest *guest = &host->guests.guest[i];

		if (guest->pid <= 0)
			continue;
		read_quotas(host->tree, guest, &counters->quotas);
		read_group(host->tree, guest, &counters->groups);
		/* One that did not answer when the machine was read would be waited for in each sample. */
		if (guest->qmp && !guest->unreadable)
			ask_blocks(host, guest, &counters->guest_disks);
	}
}
