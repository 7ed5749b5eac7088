/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/record_format.h"

enum { SIZE = 65536, MOST = 64 };

static struct worker worker;
static char *memory;

static int set_up(void **state)
{
	worker_start(&worker);
	memory = aligned_memory(SIZE);
	return make_directory(state);
}

static int tear_down(void **state)
{
	free(memory);
	worker_stop(&worker);
	return remove_directory(state);
}

static struct storage *recorded(struct storage *lower, const char *path)
{
	struct storage *storage;
	struct error err = {0};

	if (storage_record_open(lower, path, &storage, &err))
		fail_msg("%s", err.text);
	return storage;
}

static struct storage *null_disk(void)
{
	struct storage *storage;
	struct error err;

	assert_int_equal(storage_null_open("n", SIZE, false, &storage, &err), 0);
	return storage;
}

struct recording {
	struct record_entry entry[MOST];
	char *data[MOST]; /* of each, in text */
	unsigned count;
	char *text;
	size_t size;
};

static void load(struct recording *recording, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t at = 0;

	assert_true(fd >= 0 && !fstat(fd, &st));
	*recording = (struct recording){.size = (size_t)st.st_size, .text = malloc((size_t)st.st_size)};
	assert_int_equal(read(fd, recording->text, recording->size), recording->size);
	close(fd);
	while (at < recording->size) {
		struct record_entry *entry = &recording->entry[recording->count];

		assert_true(recording->count < MOST && recording->size - at >= sizeof(*entry));
		memcpy(entry, recording->text + at, sizeof(*entry));
		assert_int_equal(le32toh(entry->magic), RECORD_MAGIC);
		recording->data[recording->count++] = recording->text + at + sizeof(*entry);
		at += sizeof(*entry) + le64toh(entry->data);
	}
	assert_int_equal(at, recording->size);
}

static void expect(const struct recording *recording, unsigned at, enum record_kind kind, enum storage_op op,
		   uint64_t id, int result)
{
	const struct record_entry *entry = &recording->entry[at];

	assert_true(at < recording->count);
	assert_int_equal(entry->kind, kind);
	assert_int_equal(entry->op, op);
	assert_int_equal(le64toh(entry->id), id);
	if (kind == RECORD_DONE)
		assert_int_equal((int64_t)le64toh((uint64_t)entry->result), result);
}

/* Each change is there twice, in its order, with the bytes written, and has been done; reads are not. */
static void what_changes_the_disk_is_written_down(void **state)
{
	const char *path = in_directory("changes");
	struct storage *storage = recorded(open_file(make_file("disk", SIZE), STORAGE_CACHE_WRITEBACK), path);
	struct iovec parts[3] = {{memory, 512}, {memory + 8192, 1024}, {memory + 4096, 512}};
	struct request request;
	struct recording recording;

	(void)state;
	stamp(memory, SIZE, 0, 1);
	request_init(&request, STORAGE_WRITE, 4096, 2048);
	request.io.iov = parts;
	request.io.iov_count = 3;
	request.io.flags = STORAGE_STABLE;
	assert_int_equal(worker_run(&worker, storage, &request), 0);
	assert_int_equal(do_read(&worker, storage, memory + 16384, 4096, 2048), 0);
	assert_memory_equal(memory + 16384, memory, 512);
	assert_memory_equal(memory + 16384 + 512, memory + 8192, 1024);
	assert_int_equal(do_op(&worker, storage, STORAGE_FLUSH, 0, 0, 0), 0);
	assert_int_equal(do_op(&worker, storage, STORAGE_DISCARD, 0, 8192, 4096), 0);
	assert_int_equal(do_op(&worker, storage, STORAGE_WRITE_ZEROES, STORAGE_UNMAP, 0, 4096), 0);
	storage_close(storage);

	load(&recording, path);
	assert_int_equal(recording.count, 9);
	expect(&recording, 0, RECORD_OPEN, 0, 0, 0);
	assert_int_equal(le64toh(recording.entry[0].length), SIZE);
	assert_int_equal(recording.entry[0].flags, 0);
	expect(&recording, 1, RECORD_SUBMIT, STORAGE_WRITE, 0, 0);
	assert_int_equal(le16toh(recording.entry[1].flags), RECORD_STABLE);
	assert_int_equal(le64toh(recording.entry[1].offset), 4096);
	assert_int_equal(le64toh(recording.entry[1].length), 2048);
	assert_int_equal(le64toh(recording.entry[1].data), 2048);
	assert_memory_equal(recording.data[1], memory + 16384, 2048);
	expect(&recording, 2, RECORD_DONE, STORAGE_WRITE, 0, 0);
	expect(&recording, 3, RECORD_SUBMIT, STORAGE_FLUSH, 1, 0);
	expect(&recording, 4, RECORD_DONE, STORAGE_FLUSH, 1, 0);
	expect(&recording, 5, RECORD_SUBMIT, STORAGE_DISCARD, 2, 0);
	assert_int_equal(le64toh(recording.entry[5].data), 0);
	assert_int_equal(le64toh(recording.entry[5].length), 4096);
	expect(&recording, 6, RECORD_DONE, STORAGE_DISCARD, 2, 0);
	expect(&recording, 7, RECORD_SUBMIT, STORAGE_WRITE_ZEROES, 3, 0);
	assert_int_equal(le16toh(recording.entry[7].flags), RECORD_UNMAP);
	expect(&recording, 8, RECORD_DONE, STORAGE_WRITE_ZEROES, 3, 0);
	free(recording.text);
}

static void an_error_is_recorded_as_one(void **state)
{
	const struct storage_fault_rule rule = {.ops = 1u << STORAGE_FLUSH, .rate = 1, .error = EIO};
	const char *path = in_directory("errors");
	struct recording recording;
	struct storage *storage;
	struct error err;

	(void)state;
	assert_int_equal(storage_fault_open(null_disk(), &rule, 1, &storage, &err), 0);
	storage = recorded(storage, path);
	assert_int_equal(do_op(&worker, storage, STORAGE_FLUSH, 0, 0, 0), -EIO);
	storage_close(storage);
	load(&recording, path);
	assert_int_equal(recording.count, 3);
	expect(&recording, 2, RECORD_DONE, STORAGE_FLUSH, 0, -EIO);
	free(recording.text);
}

/* A write that is submitted while another is under way is recorded before that one's end. */
static void the_order_is_that_of_events(void **state)
{
	const struct storage_delay_options slow = {
		.ops = 1u << STORAGE_WRITE, .kind = STORAGE_DELAY_FIXED, .mean_us = 1000};
	const char *path = in_directory("order");
	struct request first, second, third;
	struct recording recording;
	struct storage *storage;
	struct error err;

	(void)state;
	assert_int_equal(storage_delay_open(null_disk(), &slow, &storage, &err), 0);
	storage = recorded(storage, path);
	request_init(&first, STORAGE_WRITE, 0, 512);
	request_memory(&first, memory);
	request_init(&second, STORAGE_FLUSH, 0, 0);
	request_init(&third, STORAGE_WRITE, 512, 512);
	request_memory(&third, memory);
	worker_submit(&worker, storage, &first);
	worker_submit(&worker, storage, &second);
	worker_wait(&worker);
	worker_run(&worker, storage, &third);
	storage_close(storage);
	load(&recording, path);
	assert_int_equal(recording.count, 7);
	expect(&recording, 1, RECORD_SUBMIT, STORAGE_WRITE, 0, 0);
	expect(&recording, 2, RECORD_SUBMIT, STORAGE_FLUSH, 1, 0);
	expect(&recording, 3, RECORD_DONE, STORAGE_FLUSH, 1, 0);
	expect(&recording, 4, RECORD_DONE, STORAGE_WRITE, 0, 0);
	expect(&recording, 5, RECORD_SUBMIT, STORAGE_WRITE, 2, 0);
	expect(&recording, 6, RECORD_DONE, STORAGE_WRITE, 2, 0);
	free(recording.text);
}

/* A recording goes on behind its last whole entry. */
static void a_torn_end_is_cut_off(void **state)
{
	const char *path = in_directory("torn");
	struct storage *storage = recorded(null_disk(), path);
	struct recording recording;
	struct stat whole, torn;

	(void)state;
	assert_int_equal(do_write(&worker, storage, memory, 0, 4096), 0);
	storage_close(storage);
	assert_int_equal(stat(path, &whole), 0);
	storage = recorded(null_disk(), path);
	assert_int_equal(do_write(&worker, storage, memory, 0, 4096), 0);
	storage_close(storage);
	/* In the data, then in the entry of the second write: its OPEN stays. */
	for (unsigned cut = 1000; cut <= 4100; cut += 3100) {
		assert_int_equal(truncate(path, whole.st_size + 2 * 64 + 4096 - cut), 0);
		storage = recorded(null_disk(), path);
		storage_close(storage);
		assert_int_equal(stat(path, &torn), 0);
		assert_int_equal(torn.st_size, whole.st_size + 2 * 64);
		load(&recording, path);
		assert_int_equal(recording.count, 5);
		expect(&recording, 4, RECORD_OPEN, 0, 0, 0);
		free(recording.text);
	}
}

static void refuse(const char *path, const char *what)
{
	struct storage *storage;
	struct error err;

	assert_true(storage_record_open(null_disk(), path, &storage, &err) < 0);
	assert_contains(err.text, "disk n: ");
	assert_contains(err.text, what);
}

static void what_is_no_recording_is_left_alone(void **state)
{
	const char *other = make_file("other", 4096), *path = in_directory("twice");
	struct storage *storage;
	struct stat st;

	(void)state;
	refuse(other, "is no recording");
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_size, 4096);
	assert_int_equal(truncate(other, 10), 0);
	refuse(other, "is no recording");
	refuse(in_directory("nowhere/at/all"), "No such file");
	refuse(in_directory(""), "cannot record");
	refuse("/dev/null", "not a regular file");
	storage = recorded(null_disk(), path);
	refuse(path, "another recording");
	storage_close(storage);
}

/* The recording stops at a whole entry; the disk does not stop. */
static void a_full_disk_ends_the_recording(void **state)
{
	const char *path = in_directory("full");
	struct storage *storage = recorded(null_disk(), path);
	struct rlimit before, small;
	struct recording recording;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 16384;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(do_write(&worker, storage, memory, 0, 4096), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(do_write(&worker, storage, memory, 0, 4096), 0);
	storage_close(storage);
	load(&recording, path);
	assert_int_equal(recording.count, 1 + 2 * 3);
	free(recording.text);
}

static void only_unsafe_ignores_flushes(void **state)
{
	(void)state;
	for (int cache = 0; cache < CACHE_COUNT; cache++) {
		struct storage *storage = open_file_if_possible(make_file("disk", SIZE), (enum storage_cache)cache);
		const char *path = in_directory(cache_name[cache]);
		struct recording recording;

		if (!storage)
			continue;
		storage_close(recorded(storage, path));
		load(&recording, path);
		assert_int_equal(le16toh(recording.entry[0].flags),
				 cache == STORAGE_CACHE_UNSAFE ? RECORD_FLUSH_IGNORED : 0);
		free(recording.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_changes_the_disk_is_written_down),
		cmocka_unit_test(an_error_is_recorded_as_one),
		cmocka_unit_test(the_order_is_that_of_events),
		cmocka_unit_test(a_torn_end_is_cut_off),
		cmocka_unit_test(what_is_no_recording_is_left_alone),
		cmocka_unit_test(a_full_disk_ends_the_recording),
		cmocka_unit_test(only_unsafe_ignores_flushes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
