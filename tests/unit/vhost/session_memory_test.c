/* SPDX-License-Identifier: Apache-2.0 */
/* The front end's memory: whole tables, single regions, many of them, and such as cannot be. */
#include "stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE         0x1000ull

static unsigned mappings(void)
{
	return count_mappings("front-end-ram");
}

/* SET_MEM_TABLE with these regions, all of the one file. What it says, acknowledged. */
static uint64_t set_table(struct stage *stage, const struct vhost_region_msg *regions, uint32_t count, unsigned fds)
{
	struct vhost_memory_msg table = {.count = count};
	struct vhost_msg msg;

	if (count > 0 && count <= VHOST_MSG_MAX_REGIONS)
		memcpy(table.region, regions, count * sizeof(regions[0]));
	msg = message(VHOST_SET_MEM_TABLE, &table,
		      (uint32_t)(offsetof(struct vhost_memory_msg, region) +
				 (count <= VHOST_MSG_MAX_REGIONS ? count : 8) * sizeof(regions[0])));
	for (unsigned i = 0; i < fds; i++)
		msg.fds[i] = stage->ram_fd;
	msg.fd_count = fds;
	return say_and_ask(stage, msg);
}

static struct vhost_region_msg region(uint64_t guest, uint64_t size, uint64_t user, uint64_t offset)
{
	return (struct vhost_region_msg){
		.guest_address = guest, .size = size, .user_address = user, .mmap_offset = offset};
}

static uint64_t add(struct stage *stage, uint64_t guest, uint64_t size, uint64_t user, uint64_t offset)
{
	return say_and_ask(stage, message_region(VHOST_ADD_MEM_REG, guest, size, user, offset, stage->ram_fd));
}

/* Regions of one table: where each of them leads. */
static void a_table_of_regions(void **state)
{
	struct stage *stage = *state;
	struct vhost_region_msg regions[VHOST_MSG_MAX_REGIONS];

	stage_negotiate(stage);
	for (unsigned count = 1; count <= VHOST_MSG_MAX_REGIONS; count++) {
		for (unsigned i = 0; i < count; i++) {
			const char byte = (char)(i + 1);

			/* The highest first. */
			regions[i] = region((count - i) * 0x100000, PAGE, RAM_USER + i * 0x100000, i * PAGE);
			assert_int_equal(pwrite(stage->ram_fd, &byte, 1, (off_t)(i * PAGE) + 7), 1);
		}
		assert_int_equal(set_table(stage, regions, count, count), 0);
		assert_int_equal(stage->session->memory.count, count);
		assert_int_equal(mappings(), count);
		for (unsigned i = 0; i < count; i++) {
			uint64_t length = 1;
			uint32_t hint = 0;
			const char *guest =
				memmap_guest(&stage->session->memory, &hint, regions[i].guest_address + 7, &length);

			assert_non_null(guest);
			assert_int_equal(*guest, i + 1);
			assert_ptr_equal(memmap_user(&stage->session->memory, regions[i].user_address + 7, 1), guest);
		}
	}
}

/* No memory at all: rings stand still until there is some. */
static void an_empty_table(void **state)
{
	struct stage *stage = *state;
	const struct vhost_memory_msg table = {.count = 0};
	const struct vhost_msg msg = message(VHOST_SET_MEM_TABLE, &table, 8);

	stage_run(stage);
	say_message(stage, &msg);
	stage_drain(stage, 4);
	assert_heard(stage, "stop 0; stop 1; remove");
	assert_int_equal(mappings(), 0);
	say_memory(stage);
	assert_heard(stage, "add; start 0; start 1");
	assert_int_equal(stage->queue[1].setup.ring.base, 4);
}

static void tables_that_cannot_be(void **state)
{
	struct stage *stage = *state;
	const struct vhost_region_msg good[] = {region(0, PAGE, RAM_USER, 0),
						region(PAGE, PAGE, RAM_USER + PAGE, PAGE)};
	const struct vhost_region_msg overlap[] = {good[0], region(PAGE - 1, PAGE, RAM_USER + PAGE, PAGE)};
	const struct vhost_region_msg too_short[] = {good[0], region(PAGE, RAM_SIZE, RAM_USER + PAGE, PAGE)};
	const struct vhost_region_msg wraps[] = {good[0], region(UINT64_MAX - 5, PAGE, RAM_USER + PAGE, 0)};
	const struct vhost_region_msg user_wraps[] = {good[0], region(PAGE, PAGE, UINT64_MAX - 5, 0)};
	const struct vhost_region_msg offset_wraps[] = {good[0], region(PAGE, PAGE, RAM_USER, UINT64_MAX - 5)};
	const struct vhost_region_msg empty[] = {good[0], region(PAGE, 0, RAM_USER + PAGE, 0)};
	const struct {
		const struct vhost_region_msg *regions;
		uint32_t count;
		unsigned fds;
	} cases[] = {
		{overlap, 2, 2},       {too_short, 2, 2},     {wraps, 2, 2}, {user_wraps, 2, 2}, {offset_wraps, 2, 2},
		{empty, 2, 2},         {good, 2, 1},          {good, 2, 0},  {good, 1, 2},       {good, 9, 8},
		{good, UINT32_MAX, 8}, {good, 0x80000001, 1}, {good, 0, 1},
	};

	stage_negotiate(stage);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		/* A mapping keeps its file open; nothing else may. */
		const unsigned fds = count_open_fds() - mappings();

		said_begin();
		assert_int_not_equal(set_table(stage, cases[i].regions, cases[i].count, cases[i].fds), 0);
		assert_int_equal(said_lines(said_end(), "SET_MEM_TABLE refused"), 1);
		assert_int_equal(count_open_fds(), fds + mappings());
		assert_int_equal(mappings(), stage->session->memory.count);
		assert_int_equal(set_table(stage, good, 2, 2), 0);
		assert_int_equal(mappings(), 2);
	}
}

/* A count that the message is too short for. */
static void a_table_shorter_than_it_says(void **state)
{
	struct stage *stage = *state;
	const struct vhost_memory_msg table = {.count = 2};

	stage_negotiate(stage);
	for (uint32_t size = 8; size < 8 + 2 * sizeof(struct vhost_region_msg); size += 8) {
		struct vhost_msg msg = message(VHOST_SET_MEM_TABLE, &table, size);

		msg.fds[0] = msg.fds[1] = stage->ram_fd;
		msg.fd_count = 2;
		said_begin();
		assert_int_not_equal(say_and_ask(stage, msg), 0);
		assert_int_equal(said_lines(said_end(), "SET_MEM_TABLE refused"), 1);
	}
	assert_int_equal(mappings(), 0);
}

/* Up to the last slot, and no further; with holes that are filled again. */
static void as_many_regions_as_slots(void **state)
{
	struct stage *stage = *state;
	uint64_t slots;

	stage_negotiate(stage);
	say(stage, VHOST_GET_MAX_MEM_SLOTS);
	slots = hear_u64(stage, VHOST_GET_MAX_MEM_SLOTS);
	assert_true(slots >= 64);
	assert_true(slots * PAGE <= RAM_SIZE);
	for (uint64_t i = 0; i < slots; i++) {
		/* Every other one first, then those between them. */
		const uint64_t at = i * 2 % slots + (i * 2 >= slots);

		assert_int_equal(add(stage, at * PAGE, PAGE, RAM_USER + at * PAGE, at * PAGE), 0);
	}
	assert_int_equal(mappings(), slots);
	said_begin();
	assert_int_not_equal(add(stage, slots * PAGE, PAGE, RAM_USER + slots * PAGE, 0), 0);
	assert_int_equal(said_lines(said_end(), "memory regions"), 1);
	assert_int_equal(mappings(), slots);
	assert_int_equal(
		say_and_ask(stage, message_region(VHOST_REM_MEM_REG, 7 * PAGE, PAGE, RAM_USER + 7 * PAGE, 0, -1)), 0);
	assert_int_equal(mappings(), slots - 1);
	assert_int_equal(add(stage, 7 * PAGE, PAGE, RAM_USER + 7 * PAGE, 0), 0);
	stage_end(stage);
	assert_int_equal(mappings(), 0);
}

static void regions_that_cannot_be_added(void **state)
{
	struct stage *stage = *state;
	static const struct {
		uint64_t guest, size, user, offset;
	} cases[] = {
		{RAM_GUEST, RAM_SIZE, RAM_USER, 0},                    /* again */
		{RAM_GUEST - 1, 2, RAM_USER + RAM_SIZE, 0},            /* overlaps below */
		{RAM_GUEST + RAM_SIZE - 1, 1, RAM_USER, 0},            /* overlaps above */
		{0, RAM_SIZE + 1, RAM_USER + RAM_SIZE, 0},             /* the file is too short */
		{0, RAM_SIZE, RAM_USER + RAM_SIZE, 1},                 /* behind the offset */
		{0, PAGE, RAM_USER + RAM_SIZE, UINT64_MAX - PAGE + 1}, /* offset and size overflow */
		{0, UINT64_MAX, 0, 0},
		{UINT64_MAX, PAGE, RAM_USER + RAM_SIZE, 0}, /* wraps */
		{0, PAGE, UINT64_MAX, 0},                   /* the front end's address wraps */
		{0, 0, RAM_USER + RAM_SIZE, 0},             /* empty */
	};

	stage_negotiate(stage);
	say_memory(stage);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		said_begin();
		assert_int_not_equal(add(stage, cases[i].guest, cases[i].size, cases[i].user, cases[i].offset), 0);
		assert_int_equal(said_lines(said_end(), "ADD_MEM_REG refused"), 1);
		assert_int_equal(mappings(), 1);
	}
	assert_heard(stage, "features; add");
}

static void regions_that_are_not_there_to_remove(void **state)
{
	struct stage *stage = *state;
	const struct vhost_msg cases[] = {
		message_region(VHOST_REM_MEM_REG, RAM_GUEST + 1, RAM_SIZE, RAM_USER, 0, -1),
		message_region(VHOST_REM_MEM_REG, RAM_GUEST, RAM_SIZE - 1, RAM_USER, 0, -1),
		message_region(VHOST_REM_MEM_REG, RAM_GUEST, RAM_SIZE, RAM_USER + 1, 0, -1),
		message_region(VHOST_REM_MEM_REG, 0, 0, 0, 0, -1),
	};
	unsigned fds;

	stage_negotiate(stage);
	say_memory(stage);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		said_begin();
		assert_int_not_equal(say_and_ask(stage, cases[i]), 0);
		assert_int_equal(said_lines(said_end(), "REM_MEM_REG refused"), 1);
	}
	assert_int_equal(mappings(), 1);
	/* Some front ends send the descriptor along: it is closed, as is the mapping's own. */
	fds = count_open_fds();
	assert_int_equal(
		say_and_ask(stage, message_region(VHOST_REM_MEM_REG, RAM_GUEST, RAM_SIZE, RAM_USER, 0, stage->ram_fd)),
		0);
	assert_int_equal(count_open_fds(), fds - 1);
	assert_int_equal(mappings(), 0);
	assert_heard(stage, "features; add; remove");
}

/* The region that the rings are in goes and comes back; the other one does not matter to them. */
static void rings_follow_their_memory(void **state)
{
	struct stage *stage = *state;
	struct vhost_msg remove = message_region(VHOST_REM_MEM_REG, RAM_GUEST, RAM_SIZE, RAM_USER, 0, -1);
	const struct vhost_msg back =
		message_region(VHOST_ADD_MEM_REG, RAM_GUEST, RAM_SIZE, RAM_USER, 0, stage->ram_fd);
	const struct vhost_msg other =
		message_region(VHOST_ADD_MEM_REG, 0, RAM_SIZE, RAM_USER + RAM_SIZE, 0, stage->ram_fd);

	stage_run(stage);
	say_message(stage, &other);
	stage_drain(stage, 1);
	said_begin();
	say_message(stage, &remove);
	stage_drain(stage, 2);
	assert_heard(stage, "stop 0; stop 1; add; start 0; start 1; stop 0; stop 1; remove; refuse 0; refuse 1");
	assert_int_equal(said_lines(said_end(), "cannot start"), 2);
	say_message(stage, &back);
	assert_heard(stage, "add; start 0; start 1");
	assert_int_equal(stage->queue[0].setup.ring.base, 2);
	assert_true(stage->alive);
}

/* The file behind a region is shrunk, and a ring in it is looked at. The session is over, said once. */
static void memory_that_is_taken_away(void **state)
{
	struct stage *stage = *state;

	stage_run(stage);
	/* Here, not before the test: cmocka takes SIGBUS for itself. */
	assert_int_equal(memguard_install(-1), 0);
	assert_int_equal(ftruncate(stage->ram_fd, 0), 0);
	assert_false(vhost_session_lost_memory(stage->session));
	say_fd(stage, VHOST_SET_VRING_KICK, 1);
	stage_drain(stage, 0);
	assert_heard(stage, "stop 1; start 1");
	said_begin();
	assert_true(vhost_session_lost_memory(stage->session));
	assert_int_equal(said_lines(said_end(), "is gone"), 1);
	assert_int_equal(said_lines(said_end(), "connection closed"), 1);
	assert_false(vhost_session_close(stage->session));
	/* While its queues drain it is not said again. */
	said_begin();
	assert_false(vhost_session_lost_memory(stage->session));
	assert_string_equal(said_end(), "");
	stage_drain(stage, 0);
	assert_false(stage->alive);
	/* The device of the stage will touch it once more. */
	assert_int_equal(ftruncate(stage->ram_fd, RAM_SIZE), 0);
}

/* The front end has taken it back in time: nothing to end. */
static void lost_memory_that_was_removed(void **state)
{
	struct stage *stage = *state;

	stage_negotiate(stage);
	say_memory(stage);
	assert_int_equal(memguard_install(-1), 0);
	assert_int_equal(ftruncate(stage->ram_fd, 0), 0);
	/* The device of the stage touches both ends of what is removed. */
	assert_int_equal(say_and_ask(stage, message_region(VHOST_REM_MEM_REG, RAM_GUEST, RAM_SIZE, RAM_USER, 0, -1)),
			 0);
	assert_false(vhost_session_lost_memory(stage->session));
	assert_heard(stage, "features; add; remove");
	assert_int_equal(mappings(), 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_table_of_regions),
		CASE(an_empty_table),
		CASE(tables_that_cannot_be),
		CASE(a_table_shorter_than_it_says),
		CASE(as_many_regions_as_slots),
		CASE(regions_that_cannot_be_added),
		CASE(regions_that_are_not_there_to_remove),
		CASE(rings_follow_their_memory),
		CASE(memory_that_is_taken_away),
		CASE(lost_memory_that_was_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
