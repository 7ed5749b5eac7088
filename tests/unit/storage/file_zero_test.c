/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Discard and write zeroes: what is read afterwards, and what stays allocated. */

enum { SIZE = 8 << 20, FROM = 1 << 20, LENGTH = (3 << 20) + 12288 };

static struct worker worker;
static char *memory;
static char shm_path[] = "/dev/shm/strait-storage-XXXXXX";

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
	unlink(shm_path); /* where it was made */
	return remove_directory(state);
}

static struct storage *full_disk(const char *path, enum storage_cache cache)
{
	struct storage *storage = open_file_if_possible(path, cache);

	if (!storage)
		return NULL;
	stamp(memory, SIZE, 0, 1);
	assert_int_equal(do_write(&worker, storage, memory, 0, SIZE), 0);
	/* Some file systems allocate when they write back. */
	assert_int_equal(do_op(&worker, storage, STORAGE_FLUSH, 0, 0, 0), 0);
	return storage;
}

static blkcnt_t allocated(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	return st.st_blocks;
}

/* The range is zero and what is around it is not. */
static void check_zeroed(struct storage *storage)
{
	memset(memory, 7, SIZE);
	assert_int_equal(do_read(&worker, storage, memory, 0, SIZE), 0);
	assert_true(is_stamped(memory, FROM, 0, 1));
	assert_true(is_zero(memory + FROM, LENGTH));
	assert_true(is_stamped(memory + FROM + LENGTH, SIZE - FROM - LENGTH, FROM + LENGTH, 1));
}

static void discard_gives_back_space(void **state)
{
	(void)state;
	for (int cache = 0; cache < CACHE_COUNT; cache++) {
		const char *path = make_file("disk", SIZE);
		struct storage *storage = full_disk(path, (enum storage_cache)cache);
		blkcnt_t before;

		if (!storage)
			continue;
		if (!storage->info.discard_granularity) {
			storage_close(storage);
			skip_because("this file system cannot punch holes");
		}
		before = allocated(path);
		assert_int_equal(do_op(&worker, storage, STORAGE_DISCARD, 0, FROM, LENGTH), 0);
		assert_true(allocated(path) <= before - LENGTH / 512 + 64);
		check_zeroed(storage);
		storage_close(storage);
	}
}

static void write_zeroes_writes_zeroes(void **state)
{
	static const uint32_t flags[] = {0, STORAGE_UNMAP, STORAGE_STABLE, STORAGE_UNMAP | STORAGE_STABLE};

	(void)state;
	for (int cache = 0; cache < CACHE_COUNT; cache++) {
		for (unsigned i = 0; i < 4; i++) {
			const char *path = make_file("disk", SIZE);
			struct storage *storage = full_disk(path, (enum storage_cache)cache);
			blkcnt_t before;

			if (!storage)
				continue;
			before = allocated(path);
			assert_int_equal(do_op(&worker, storage, STORAGE_WRITE_ZEROES, flags[i], FROM, LENGTH), 0);
			check_zeroed(storage);
			if (!(flags[i] & STORAGE_UNMAP))
				assert_true(allocated(path) >= before - 64);
			else if (storage->info.discard_granularity)
				assert_true(allocated(path) <= before - LENGTH / 512 + 64);
			storage_close(storage);
		}
	}
}

static void no_discard_never_deallocates(void **state)
{
	const char *path = make_file("disk", SIZE);
	struct storage_file_options options = {.path = path, .cache = STORAGE_CACHE_WRITEBACK, .no_discard = true};
	struct storage *storage;
	struct error err;
	blkcnt_t before;

	(void)state;
	storage_close(full_disk(path, STORAGE_CACHE_WRITEBACK));
	before = allocated(path);
	assert_int_equal(storage_file_open("test", &options, &storage, &err), 0);
	assert_int_equal(do_op(&worker, storage, STORAGE_DISCARD, 0, FROM, LENGTH), -EOPNOTSUPP);
	assert_int_equal(do_op(&worker, storage, STORAGE_WRITE_ZEROES, STORAGE_UNMAP, FROM, LENGTH), 0);
	check_zeroed(storage);
	assert_true(allocated(path) >= before - 64);
	storage_close(storage);
}

static int32_t count_only(struct worker *of, struct storage_io *io, int32_t result)
{
	(void)io;
	of->altered++;
	return result;
}

/* tmpfs punches holes but has no FALLOC_FL_ZERO_RANGE, so zeroes must be written there. */
static void without_zero_range_zeroes_are_written(void **state)
{
	int fd = mkostemp(shm_path, O_CLOEXEC);
	struct storage *storage;
	unsigned completions[2];

	(void)state;
	if (fd < 0)
		skip_because("/dev/shm cannot be written");
	if (ftruncate(fd, SIZE) || !fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4096) ||
	    errno != EOPNOTSUPP) {
		close(fd);
		skip_because("/dev/shm has FALLOC_FL_ZERO_RANGE");
	}
	close(fd);
	for (int cache = 0; cache < CACHE_COUNT; cache++) {
		storage = full_disk(shm_path, (enum storage_cache)cache);
		if (!storage)
			continue;
		/* The first finds out, the second knows. */
		for (unsigned i = 0; i < 2; i++) {
			stamp(memory, SIZE, 0, 1);
			assert_int_equal(do_write(&worker, storage, memory, 0, SIZE), 0);
			worker.alter = count_only;
			worker.altered = 0;
			assert_int_equal(do_op(&worker, storage, STORAGE_WRITE_ZEROES, STORAGE_STABLE, FROM, LENGTH),
					 0);
			completions[i] = worker.altered;
			worker.alter = NULL;
			check_zeroed(storage);
		}
		assert_int_equal(completions[1], completions[0] - 1);
		storage_close(storage);
	}
}

/* The kernel did as told; it is made to say that it cannot. */
static int32_t no_fallocate(struct worker *of, struct storage_io *io, int32_t result)
{
	(void)io;
	return of->altered++ < 2 && result == 0 ? -EOPNOTSUPP : result;
}

static void a_refusal_leads_to_the_next_way(void **state)
{
	struct storage *storage = full_disk(make_file("disk", SIZE), STORAGE_CACHE_WRITEBACK);

	(void)state;
	worker.alter = no_fallocate;
	worker.altered = 0;
	assert_int_equal(do_op(&worker, storage, STORAGE_WRITE_ZEROES, STORAGE_UNMAP, FROM, LENGTH), 0);
	check_zeroed(storage);
	/* Both ways are known to be closed now, and a discard is still no error. */
	worker.altered = 100;
	assert_int_equal(do_op(&worker, storage, STORAGE_DISCARD, 0, 0, 4096), 0);
	assert_int_equal(worker.altered, 100);
	check_zeroed(storage);
	worker.alter = NULL;
	storage_close(storage);
}

static void a_refused_discard_is_no_error(void **state)
{
	struct storage *storage = full_disk(make_file("disk", SIZE), STORAGE_CACHE_WRITEBACK);

	(void)state;
	worker.alter = no_fallocate;
	worker.altered = 0;
	assert_int_equal(do_op(&worker, storage, STORAGE_DISCARD, STORAGE_STABLE, 0, 4096), 0);
	assert_int_equal(worker.altered, 1);
	worker.alter = NULL;
	storage_close(storage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(discard_gives_back_space),
		cmocka_unit_test(write_zeroes_writes_zeroes),
		cmocka_unit_test(no_discard_never_deallocates),
		cmocka_unit_test(without_zero_range_zeroes_are_written),
		cmocka_unit_test(a_refusal_leads_to_the_next_way),
		cmocka_unit_test(a_refused_discard_is_no_error),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
