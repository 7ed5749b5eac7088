/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/libvirt.h"
#include "host/model_json.h"
#include "host/process.h"
#include "host/qemu.h"
#include "host/tree.h"

static int open_tree(void **state)
{
	*state = tree_open_directory(FIXTURES "/libvirt-q35", NULL);
	return *state ? 0 : -1;
}

static int close_tree(void **state)
{
	tree_close(*state);
	return 0;
}

/* The guest that the fixture's only process runs, by its command line alone. */
static struct guest by_command_line(struct tree *tree)
{
	unsigned count;
	const struct process *process = processes_read(tree, &count);
	struct guest guest = {.windows = HOST_UNKNOWN, .hpet = HOST_UNKNOWN, .realtime_locked = HOST_UNKNOWN};
	const struct qemu_command *command;

	assert_int_equal(count, 1);
	command = qemu_command_read(tree, process->pid, process->command, process->length);
	guest.pid = process->pid;
	guest.binary = command->binary;
	qemu_guest_read(tree, command, &guest);
	guest_process_read(tree, &guest);
	return guest;
}

/* What only libvirt knows: it has no other way to tell QEMU, or QEMU no use for it. */
static void forget_what_is_libvirts(json_t *guest)
{
	size_t i;
	json_t *disk;

	json_object_del(guest, "source");
	json_object_del(guest, "state");
	json_array_foreach(json_object_get(guest, "disk"), i, disk)
	{
		json_object_del(disk, "target");
		/* Given to the running QEMU, by a monitor that only libvirt has. */
		json_object_del(disk, "throttle");
	}
}

static void forget_what_is_the_process(json_t *guest)
{
	static const char *const keys[] = {"pid", "vcpu", "iothread", "other", "cpu-features"};

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		json_object_del(guest, keys[i]);
	json_object_del(json_object_get(guest, "memory"), "place");
}

/* Shows both where they differ. */
static void assert_same(json_t *left, json_t *right)
{
	char *a = json_dumps(left, JSON_INDENT(1) | JSON_SORT_KEYS),
	     *b = json_dumps(right, JSON_INDENT(1) | JSON_SORT_KEYS);

	assert_string_equal(a, b);
	free(a);
	free(b);
	json_decref(left);
	json_decref(right);
}

/* A guest that libvirt 9.0 started, by its definition and by its command line: neither has seen the other. */
static void test_definition_is_command_line(void **state)
{
	struct host_guests guests = {0};
	struct guest guest = by_command_line(*state);
	json_t *told, *seen = host_guest_json(&guest);

	host_libvirt_read(*state, &guests);
	assert_int_equal(guests.count, 1);
	told = host_guest_json(&guests.guest[0]);
	forget_what_is_libvirts(told);
	forget_what_is_libvirts(seen);
	forget_what_is_the_process(told);
	forget_what_is_the_process(seen);
	assert_same(told, seen);
}

static void test_merged_is_command_line(void **state)
{
	struct host_guests guests = {0};
	struct guest guest = by_command_line(*state);
	json_t *told, *seen = host_guest_json(&guest);

	host_guests_read(*state, &guests);
	assert_int_equal(guests.count, 1);
	assert_int_equal(guests.guest[0].source, GUEST_OF_LIBVIRT);
	assert_string_equal(guests.guest[0].state, "running");
	assert_string_equal(guests.guest[0].disk[0].target, "vda");
	assert_int_equal(guests.guest[0].disk[1].throttle.iops, 1000);
	told = host_guest_json(&guests.guest[0]);
	forget_what_is_libvirts(told);
	forget_what_is_libvirts(seen);
	assert_same(told, seen);
}

static void test_what_is_known_stays(void **state)
{
	struct guest_disk told_disk = {.id = "a", .cache = "none", .queues = HOST_UNKNOWN, .read_only = HOST_UNKNOWN};
	struct guest_disk seen_disk[] = {{.id = "b", .cache = "unsafe"},
					 {.id = "a", .cache = "unsafe", .queues = 4, .read_only = 1}};
	struct guest_nic told_nic = {.id = "net0", .interface = "vnet0", .vhost = HOST_UNKNOWN, .queues = 1};
	struct guest_nic seen_nic = {.id = "net0", .interface = "other", .vhost = 1, .queues = 2};
	struct guest told = {.pid = HOST_UNKNOWN,
			     .name = "x",
			     .disk = &told_disk,
			     .disk_count = 1,
			     .nic = &told_nic,
			     .nic_count = 1};
	struct guest seen = {.pid = 7,
			     .name = "y",
			     .version = "7.2",
			     .disk = seen_disk,
			     .disk_count = 2,
			     .nic = &seen_nic,
			     .nic_count = 1};

	guest_take_process(*state, &told, &seen);
	assert_int_equal(told.pid, 7);
	assert_string_equal(told.name, "x");
	assert_string_equal(told.version, "7.2");
	assert_int_equal(told.disk_count, 2);
	assert_string_equal(told.disk[0].cache, "none");
	assert_int_equal(told.disk[0].queues, 4);
	assert_int_equal(told.disk[0].read_only, 1);
	assert_string_equal(told.disk[1].id, "b");
	assert_string_equal(told.nic[0].interface, "vnet0");
	assert_int_equal(told.nic[0].vhost, 1);
	assert_int_equal(told.nic[0].queues, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_definition_is_command_line),
		cmocka_unit_test(test_merged_is_command_line),
		cmocka_unit_test(test_what_is_known_stays),
	};

	return cmocka_run_group_tests(tests, open_tree, close_tree);
}
