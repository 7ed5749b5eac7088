/* SPDX-License-Identifier: Apache-2.0 */
#include "host/kernel_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/tree.h"

/* The latest so many; a storm of errors is one after some hundreds of lines. */
#define LINES_MAX 2000

static const char *const subjects[] = {
	"nvme",
	"blk_",
	"I/O error",
	"buffer_io",
	"exception Emask",
	"scsi",
	"EXT4-fs",
	"XFS (",
	"BTRFS",
	"device-mapper",
	"md/raid",
	"pcie",
	"AER:",
	"vfio",
	"DMAR",
	"AMD-Vi",
	"iommu",
	"kvm",
	"vhost",
	"hung_task",
	"blocked for more than",
	"lockup",
	"Out of memory",
	"oom-kill",
	"oom_reaper",
	"page allocation failure",
	"Hardware Error",
	"mce:",
	"clocksource",
	"tsc",
	"stalls on CPU",
	"NETDEV WATCHDOG",
	"thermal",
};

static bool is_about_io(const char *text)
{
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		if (strcasestr(text, subjects[i]))
			return true;
	}
	return false;
}

/* Lines kept while reading, the oldest given up first. */
struct ring {
	char *line[LINES_MAX];
	size_t count;
};

static void keep(struct ring *ring, char *line)
{
	char **place = &ring->line[ring->count++ % LINES_MAX];

	free(*place);
	*place = line;
}

/* A record is "level,number,microseconds,flags;text\n" and more lines, which are for programs. */
static void take_record(struct ring *ring, char *record)
{
	char *text = strchr(record, ';'), *line;
	unsigned long long us;

	if (!text || sscanf(record, "%*u,%*u,%llu", &us) != 1)
		return;
	text++;
	text[strcspn(text, "\n")] = 0;
	if (is_about_io(text) && asprintf(&line, "[%llu.%06llu] %s\n", us / 1000000, us % 1000000, text) >= 0)
		keep(ring, line);
}

static ssize_t read_records(struct ring *ring)
{
	const int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char record[8192];
	ssize_t got;

	if (fd < 0)
		return -errno;
	/* EPIPE: what came next was overwritten meanwhile. */
	while ((got = read(fd, record, sizeof(record) - 1)) > 0 || (got < 0 && (errno == EPIPE || errno == EINTR))) {
		if (got > 0) {
			record[got] = 0;
			take_record(ring, record);
		}
	}
	got = got < 0 && errno != EAGAIN ? -errno : 0;
	close(fd);
	return got;
}

static ssize_t provide(void *context, char **text)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	size_t length = 0;
	ssize_t ret = -ENOMEM;
	FILE *file;

	(void)context;
	if (!ring)
		return ret;
	ret = read_records(ring);
	file = ret < 0 ? NULL : open_memstream(text, &length);
	for (size_t i = 0; i < LINES_MAX; i++) {
		char *line = ring->line[(ring->count + i) % LINES_MAX];

		if (file && line)
			fputs(line, file);
		free(line);
	}
	free(ring);
	if (ret < 0)
		return ret;
	return file && fclose(file) == 0 ? (ssize_t)length : -ENOMEM;
}

ssize_t host_kernel_log(struct tree *tree, const struct kernel_log_line **lines)
{
	struct kernel_log_line *line;
	const char *text, *end;
	ssize_t length = tree_ask_again(tree, &text, provide, NULL, "kernel-log"), count = 0;

	/* A capture has the log of the samples in which somebody asked. */
	if (length == -ENOENT || length == -ENODATA)
		length = tree_ask(tree, &text, provide, NULL, "kernel-log");
	if (length < 0)
		return length;
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		count++;
	*lines = line = tree_alloc(tree, (size_t)(count + 1) * sizeof(*line));
	count = 0;
	for (const char *at = text; (end = strchr(at, '\n')); at = end + 1) {
		const char *behind = memchr(at, ']', (size_t)(end - at));

		if (*at != '[' || !behind)
			continue;
		behind += 1 + (behind[1] == ' ');
		line[count].seconds = strtod(at + 1, NULL);
		line[count++].text = tree_format(tree, "%.*s", (int)(end - behind), behind);
	}
	return count;
}
