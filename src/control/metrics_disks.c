/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/metrics_parts.h"

/* Numbers of the device; those of requests by type are apart. */
static const struct {
	enum stats_word word;
	bool seconds;
	const char *name, *help;
} word_families[] = {
	{STATS_REQUESTS, false, "strait_disk_completed_requests_total", "Requests given back to the driver."},
	{STATS_BYTES_READ, false, "strait_disk_read_bytes_total", "Bytes read by the guest."},
	{STATS_BYTES_WRITTEN, false, "strait_disk_written_bytes_total", "Bytes written by the guest."},
	{STATS_ERRORS, false, "strait_disk_errors_total", "Requests that were answered with an I/O error."},
	{STATS_KICKS, false, "strait_disk_kicks_total", "Times the driver woke the device."},
	{STATS_CALLS, false, "strait_disk_calls_total", "Times the device notified the driver."},
	{STATS_BROKEN, false, "strait_disk_broken_queues_total", "Times the driver broke the rules of a queue."},
	{STATS_HELD, false, "strait_disk_held_requests_total", "Requests that had to wait for a limit (QoS)."},
	{STATS_HELD_NS, true, "strait_disk_held_seconds_total", "How long they waited, together."},
};

/* What it is now; the value of disk. */
static uint64_t is_up(const struct metrics_disk *disk)
{
	return !disk->member->disk.closed;
}

static uint64_t is_connected(const struct metrics_disk *disk)
{
	return disk->member->disk.session != NULL;
}

static uint64_t is_paused(const struct metrics_disk *disk)
{
	return disk->member->paused;
}

static uint64_t size_of(const struct metrics_disk *disk)
{
	return disk->member->disk.closed ? 0 : storage_size(disk->member->disk.storage);
}

static uint64_t in_flight_of(const struct metrics_disk *disk)
{
	return disk->in_flight;
}

static const struct {
	uint64_t (*value)(const struct metrics_disk *disk);
	const char *name, *help;
} state_families[] = {
	{is_up, "strait_disk_up", "1: the disk is served, 0: it failed, or is being closed."},
	{is_connected, "strait_disk_connected", "1: a front end is connected."},
	{is_paused, "strait_disk_paused", "1: an operator has paused it."},
	{size_of, "strait_disk_size_bytes", "Size of the disk."},
	{in_flight_of, "strait_disk_in_flight_requests", "Requests taken and not given back."},
};

/* The record of a disk, which is new where none has its name. *link is where it is looked for first. */
static struct metrics_disk *find(struct metrics *metrics, struct metrics_disk **link, const char *name)
{
	struct metrics_disk *disk = *link;

	if (disk && strcmp(disk->name, name) == 0)
		return disk;
	for (struct metrics_disk **at = &metrics->disks; *at; at = &(*at)->next) {
		disk = *at;
		if (disk->member || strcmp(disk->name, name) != 0)
			continue;
		/* The fleet's order has changed. */
		*at = disk->next;
		if (link == &disk->next)
			link = at;
		disk->next = *link;
		*link = disk;
		return disk;
	}
	disk = calloc(1, sizeof(*disk));
	if (!disk)
		return NULL;
	snprintf(disk->name, sizeof(disk->name), "%s", name);
	disk->next = *link;
	*link = disk;
	return disk;
}

static uint64_t taken(const uint64_t word[STATS_WORDS])
{
	uint64_t sum = 0;

	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++)
		sum += word[STATS_OPS + op];
	return sum;
}

/* Totals by operation type, then stages. */
static void look_at_clocks(struct metrics_disk *disk, const struct stats_disk *stats)
{
	struct metrics_histogram stage[STAGE_COUNT] = {0};
	uint64_t requests = 0;

	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++) {
		const struct stage_times *clocks[CONFIG_MAX_QUEUES];
		const unsigned count = stats ? stats_disk_clocks(stats, op, clocks) : 0;
		struct metrics_histogram total = {0};
		uint64_t counted;

		for (unsigned i = 0; i < count; i++)
			metrics_histogram_add(clocks[i], &total, stage);
		counted = metrics_histogram_requests(&total);
		requests += counted;
		disk->sum_ns[op] = total.sum_ns;
		metrics_histogram_finish(&total, counted, &disk->last[op], disk->cumulative[op]);
	}
	for (unsigned i = 0; i < STAGE_COUNT; i++) {
		const unsigned at = STORAGE_OP_COUNT + i;

		disk->sum_ns[at] = stage[i].sum_ns;
		metrics_histogram_finish(&stage[i], requests, &disk->last[at], disk->cumulative[at]);
	}
}

/*
 * To read clocks is most of what a page costs, so those of a disk that does
 * nothing are not: a request's times are counted behind it, which is why they are
 * read once more when it has come to rest.
 */
static void look(struct metrics_disk *disk, const struct fleet_disk *member)
{
	const uint64_t before = taken(disk->word), done = disk->word[STATS_REQUESTS];
	const struct stats_disk *stats = member->disk.closed ? NULL : member->disk.stats;
	bool rests;

	disk->member = member;
	disk->in_flight = 0;
	memset(disk->word, 0, sizeof(disk->word));
	if (stats) {
		stats_disk_words(stats, disk->word);
		disk->in_flight = disk_in_flight(&member->disk);
	}
	/* Another disk of that name, from the beginning. */
	if (taken(disk->word) < before)
		memset(disk->last, 0, sizeof(disk->last));
	rests = taken(disk->word) == before && disk->word[STATS_REQUESTS] == done && !disk->in_flight;
	if (!rests || !disk->rests)
		look_at_clocks(disk, stats);
	disk->rests = rests;
}

void metrics_disks_look(struct metrics *metrics)
{
	struct metrics_disk **link = &metrics->disks;

	for (struct metrics_disk *disk = metrics->disks; disk; disk = disk->next)
		disk->member = NULL;
	for (const struct fleet_disk *member = metrics->daemon->fleet.first; member; member = member->next) {
		struct metrics_disk *disk = find(metrics, link, member->config->name);

		/* Without memory it is missing for once. */
		if (!disk)
			continue;
		look(disk, member);
		link = &disk->next;
	}
	/* Behind the last one are those that have gone. */
	while (*link) {
		struct metrics_disk *gone = *link;

		*link = gone->next;
		free(gone);
	}
}

static void put_histograms(const struct metrics *metrics, struct metrics_text *text, const char *name, const char *help,
			   const char *label, const char *const *values, unsigned first, unsigned count)
{
	metrics_text_family(text, name, "histogram", help);
	for (const struct metrics_disk *disk = metrics->disks; disk; disk = disk->next) {
		for (unsigned i = 0; i < count; i++) {
			const struct metrics_labels labels = {.name = {"disk", label},
							      .value = {disk->name, values[i]}};

			metrics_text_histogram(text, name, &labels, metrics_ends, disk->cumulative[first + i],
					       METRICS_ENDS, disk->sum_ns[first + i]);
		}
	}
}

static void put_requests(const struct metrics *metrics, struct metrics_text *text)
{
	const char *name = "strait_disk_requests_total";

	metrics_text_family(text, name, "counter", "Requests taken from the queues, by type.");
	for (const struct metrics_disk *disk = metrics->disks; disk; disk = disk->next) {
		for (unsigned op = 0; op < STORAGE_OP_COUNT; op++) {
			const struct metrics_labels labels = {.name = {"disk", "op"},
							      .value = {disk->name, storage_op_names[op]}};

			metrics_text_uint(text, name, &labels, disk->word[STATS_OPS + op]);
		}
	}
}

void metrics_disks_put(struct metrics *metrics, struct metrics_text *text)
{
	for (size_t i = 0; i < sizeof(state_families) / sizeof(state_families[0]); i++) {
		metrics_text_family(text, state_families[i].name, "gauge", state_families[i].help);
		for (const struct metrics_disk *disk = metrics->disks; disk; disk = disk->next) {
			const struct metrics_labels labels = {.name = {"disk"}, .value = {disk->name}};

			metrics_text_uint(text, state_families[i].name, &labels, state_families[i].value(disk));
		}
	}
	put_requests(metrics, text);
	for (size_t i = 0; i < sizeof(word_families) / sizeof(word_families[0]); i++) {
		metrics_text_family(text, word_families[i].name, "counter", word_families[i].help);
		for (const struct metrics_disk *disk = metrics->disks; disk; disk = disk->next) {
			const struct metrics_labels labels = {.name = {"disk"}, .value = {disk->name}};
			const uint64_t value = disk->word[word_families[i].word];

			if (word_families[i].seconds)
				metrics_text_seconds(text, word_families[i].name, &labels, value);
			else
				metrics_text_uint(text, word_families[i].name, &labels, value);
		}
	}
	put_histograms(metrics, text, "strait_request_seconds",
		       "Time from when a request was seen to when the driver was told that it is done, by type.", "op",
		       storage_op_names, 0, STORAGE_OP_COUNT);
	put_histograms(metrics, text, "strait_stage_seconds",
		       "Where that time was spent: every request has a part in each stage.", "stage", stage_names,
		       STORAGE_OP_COUNT, STAGE_COUNT);
}

void metrics_disks_free(struct metrics *metrics)
{
	while (metrics->disks) {
		struct metrics_disk *disk = metrics->disks;

		metrics->disks = disk->next;
		free(disk);
	}
}
