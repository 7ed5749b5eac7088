/* SPDX-License-Identifier: Apache-2.0 */
/* Mapping one region of a front end's memory: what it promises is checked against its file. */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vhost/memory.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FILE_SIZE    0x10000ull

static int make_file(void)
{
	int fd = memfd_create("front-end-ram", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, FILE_SIZE), 0);
	return fd;
}

static int map_one(struct memmap *map, uint64_t guest, uint64_t size, uint64_t offset, int fd,
		   struct memmap_region *region, struct error *err)
{
	const struct vhost_region_msg msg = {
		.guest_address = guest, .size = size, .user_address = RAM_USER, .mmap_offset = offset};

	*err = (struct error){0};
	return vhost_memory_map(map, &msg, fd, region, err);
}

/* Offsets need not be multiples of a page: the mapping begins at the file's start. */
static void shows_the_bytes_of_the_file(void **state)
{
	static const struct {
		uint64_t size, offset;
	} cases[] = {{FILE_SIZE, 0}, {FILE_SIZE - 4096, 4096}, {1, FILE_SIZE - 1}, {100, 123}, {0x1000, 0xf000}};

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct memmap map = {.count = 0};
		struct memmap_region region;
		struct error err;
		int fd = make_file();
		char byte = 0;

		assert_int_equal(map_one(&map, RAM_GUEST, cases[i].size, cases[i].offset, fd, &region, &err), 0);
		assert_int_equal(map.count, 1);
		assert_memory_equal(&map.region[0], &region, sizeof(region));
		assert_int_equal(region.guest, RAM_GUEST);
		assert_int_equal(region.user, RAM_USER);
		assert_int_equal(region.size, cases[i].size);
		/* Both ways, at both ends. */
		region.host[0] = 'a';
		assert_int_equal(pread(fd, &byte, 1, (off_t)cases[i].offset), 1);
		assert_int_equal(byte, 'a');
		assert_int_equal(pwrite(fd, "z", 1, (off_t)(cases[i].offset + cases[i].size - 1)), 1);
		assert_int_equal(region.host[cases[i].size - 1], 'z');
		/* The descriptor stays the caller's; the mapping outlives it. */
		close(fd);
		region.host[0] = 'b';
		vhost_memory_unmap(&region);
		assert_int_equal(count_mappings("front-end-ram"), 0);
	}
}

static void files_that_are_too_short(void **state)
{
	static const struct {
		uint64_t size, offset;
	} cases[] = {
		{FILE_SIZE + 1, 0},        {FILE_SIZE, 1},           {1, FILE_SIZE},  {4096, FILE_SIZE - 4095},
		{UINT64_MAX, 0},           {FILE_SIZE, UINT64_MAX},  {2, UINT64_MAX}, {UINT64_MAX, UINT64_MAX},
		{UINT64_MAX - 4095, 4096}, {1ull << 63, 1ull << 63},
	};
	int fd = make_file();

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct memmap map = {.count = 0};
		struct memmap_region region;
		struct error err;

		assert_int_equal(map_one(&map, 0, cases[i].size, cases[i].offset, fd, &region, &err), -EINVAL);
		assert_contains(err.text, "its file has");
		assert_int_equal(map.count, 0);
	}
	assert_int_equal(count_mappings("front-end-ram"), 0);
	close(fd);
}

/* A part of a huge page is mapped, and unmapped, with all of it. Works without any such page: none is touched. */
static void parts_of_huge_pages(void **state)
{
	struct memmap map = {.count = 0};
	struct memmap_region region;
	struct error err;
	int fd = memfd_create("front-end-ram", MFD_CLOEXEC | MFD_HUGETLB);

	(void)state;
	if (fd < 0 || ftruncate(fd, 4 << 20) < 0) {
		print_message("this kernel has no huge pages: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(map_one(&map, RAM_GUEST, 4096, 8192, fd, &region, &err), 0);
	assert_int_equal(count_mappings("front-end-ram"), 1);
	vhost_memory_unmap(&region);
	assert_int_equal(count_mappings("front-end-ram"), 0);
	close(fd);
}

/* Refused by the map after it was mapped: unmapped again. */
static void regions_that_the_map_refuses(void **state)
{
	struct memmap map = {.count = 0};
	struct memmap_region first, region;
	struct error err;
	int fd = make_file();

	(void)state;
	assert_int_equal(map_one(&map, RAM_GUEST, FILE_SIZE, 0, fd, &first, &err), 0);
	assert_int_equal(map_one(&map, RAM_GUEST + FILE_SIZE - 1, 4096, 0, fd, &region, &err), -EINVAL);
	assert_contains(err.text, "overlaps");
	assert_int_equal(map_one(&map, UINT64_MAX - 100, 4096, 0, fd, &region, &err), -EINVAL);
	assert_contains(err.text, "wraps");
	assert_true(map_one(&map, 0, 0, 0, fd, &region, &err) < 0);
	assert_true(map_one(&map, 0, 0, 4096, fd, &region, &err) < 0);
	assert_int_equal(map.count, 1);
	assert_int_equal(count_mappings("front-end-ram"), 1);
	vhost_memory_unmap(&first);
	assert_int_equal(count_mappings("front-end-ram"), 0);
	close(fd);
}

/* Descriptors of things that are no memory, or may not be written. */
static void descriptors_that_cannot_be_mapped(void **state)
{
	char path[] = "/tmp/strait-memory-XXXXXX";
	int whole = mkstemp(path), ends[2];
	int fds[5];

	(void)state;
	assert_true(whole >= 0);
	assert_int_equal(ftruncate(whole, FILE_SIZE), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fds[0] = -1;
	fds[1] = open(path, O_RDONLY | O_CLOEXEC);
	fds[2] = open(path, O_PATH | O_CLOEXEC);
	fds[3] = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[4] = eventfd(0, EFD_CLOEXEC);
	unlink(path);
	for (unsigned i = 0; i < COUNT(fds) + 1; i++) {
		struct memmap map = {.count = 0};
		struct memmap_region region;
		struct error err;

		assert_true(map_one(&map, 0, 4096, 0, i < COUNT(fds) ? fds[i] : ends[0], &region, &err) < 0);
		assert_contains(err.text, "memory region at 0x0");
		assert_int_equal(map.count, 0);
	}
	for (unsigned i = 1; i < COUNT(fds); i++)
		close(fds[i]);
	close(ends[0]);
	close(ends[1]);
	close(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_the_bytes_of_the_file),
		cmocka_unit_test(files_that_are_too_short),
		cmocka_unit_test(parts_of_huge_pages),
		cmocka_unit_test(regions_that_the_map_refuses),
		cmocka_unit_test(descriptors_that_cannot_be_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
