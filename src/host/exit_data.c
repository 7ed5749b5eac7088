/* SPDX-License-Identifier: Apache-2.0 */
#include "host/exit_data.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool exit_data_is(int fd)
{
	static const char magic[] = "\x17\x08\x44tracing";
	char start[sizeof(magic) - 1];

	return pread(fd, start, sizeof(start), 0) == sizeof(start) && !memcmp(start, magic, sizeof(start));
}

#ifdef HAVE_LIBTRACECMD

#include <stdlib.h>
#include <sys/stat.h>

#include <trace-cmd/trace-cmd.h>

#include "host/confine.h"
#include "host/document.h"
#include "host/exit_counts.h"
#include "host/exit_events.h"
#include "host/patience.h"

/* What reading may take, and a second more for each MiB: ten times what it does. */
#define SECONDS 20u
#define MEMORY  (UINT64_C(4) << 30)
/* By the clock on the wall it is so many times as much: a child that has been taken over may sleep. */
#define SLOWER INT64_C(5)

struct reading {
	const char *name;
	off_t size;
	struct exit_events events;
	uint64_t lost;
};

static int take(struct tracecmd_input *input, struct tep_record *record, int cpu, void *context)
{
	struct reading *reading = context;

	(void)input;
	(void)cpu;
	/* It is not always known how many were lost. */
	if (record->missed_events)
		reading->lost += record->missed_events > 0 ? (uint64_t)record->missed_events : 1;
	exit_events_take(&reading->events, record);
	return 0;
}

/* The main buffer, and those of instances (trace-cmd record -B). */
static void take_all(struct reading *reading, struct tracecmd_input *input)
{
	const int instances = tracecmd_buffer_instances(input);

	tracecmd_iterate_events(input, NULL, 0, take, reading);
	for (int i = 0; i < instances; i++) {
		struct tracecmd_input *instance = tracecmd_buffer_instance_handle(input, i);

		if (instance)
			tracecmd_iterate_events(instance, NULL, 0, take, reading);
	}
}

static unsigned seconds_of(const struct reading *reading)
{
	return SECONDS + (unsigned)(reading->size >> 20);
}

/* In the child: nothing is given back, since it ends. */
static ssize_t read_file(void *context, char **text)
{
	struct reading *reading = context;
	struct exit_origin origin = {.source = reading->name};
	struct tracecmd_input *input;
	int ret;

	tracecmd_set_loglevel(TEP_LOG_NONE);
	reading->events.counts = exit_counts_new();
	if (!reading->events.counts)
		return -ENOMEM;
	if (lseek(PATIENCE_FILE, 0, SEEK_SET) < 0)
		return -errno;
	ret = confine(seconds_of(reading), MEMORY);
	if (ret < 0)
		return ret;
	input = tracecmd_open_fd(PATIENCE_FILE, TRACECMD_FL_LOAD_NO_PLUGINS | TRACECMD_FL_LOAD_NO_SYSTEM_PLUGINS);
	reading->events.formats = input ? tracecmd_get_tep(input) : NULL;
	if (!reading->events.formats)
		return -EPROTO;
	if (exit_events_find(&reading->events) < 0)
		return -ENOENT;
	take_all(reading, input);
	origin.seconds = exit_counts_seconds(reading->events.counts);
	if (!(origin.seconds > 0))
		return -ENOENT;
	origin.lost = reading->lost;
	return document_text(exit_counts_json(reading->events.counts, &origin), text);
}

static void refuse(int code, struct error *err)
{
	if (code == -EPROTO || code == -E2BIG || code == -ETIMEDOUT)
		error_set(
			err, -EINVAL,
			"libtracecmd could not read this trace.dat: is all of it there? \"trace-cmd report\" may make "
			"text of it");
	else if (code == -ENOENT)
		error_set(
			err, -EINVAL,
			"expected a trace with events kvm_exit and kvm_entry, found none: record them with \"trace-cmd "
			"record -e kvm:kvm_exit -e kvm:kvm_entry\"");
	else
		error_set(err, code, "could not be read: %s", strerror(-code));
}

/* A child that has been taken over may answer anything: the text is not more than a capture's. */
char *exit_data_read(int fd, const char *name, struct error *err)
{
	struct reading reading = {.name = name};
	char *text = NULL, *whole;
	struct stat status;
	ssize_t length = fstat(fd, &status) < 0 ? -errno : 0;

	reading.size = length == 0 ? status.st_size : 0;
	if (length == 0)
		length = patience_ask_of_file(fd, seconds_of(&reading) * SLOWER * 1000, read_file, &reading, &text);
	if (length < 0) {
		refuse((int)length, err);
		return NULL;
	}
	whole = strndup(text, (size_t)length);
	free(text);
	if (!whole)
		error_set(err, -ENOMEM, "no memory");
	return whole;
}

#else

char *exit_data_read(int fd, const char *name, struct error *err)
{
	(void)fd;
	(void)name;
	error_set(err, -ENOSYS,
		  "this strait was built without libtracecmd, which reads a trace.dat: \"trace-cmd report\" makes text "
		  "of it, which strait reads");
	return NULL;
}

#endif
