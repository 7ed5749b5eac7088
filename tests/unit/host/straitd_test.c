/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "host/straitd.h"
#include "host/tree.h"
#include "host/value.h"
#include "made.h"

static void test_disks(void **state)
{
	struct host_straitd straitd;
	const struct host_straitd_disk *disk;
	struct made made;

	(void)state;
	made_begin(&made);
	made_file(
		&made, "/.strait/straitd/disk.list.json",
		"{\"asked\": \"/run/strait/rpc.sock\", \"disks\": [{\"name\": \"vm0\", \"socket\": \"/run/vm0.sock\", "
		"\"file\": \"/srv/vm0.img\", \"queues\": 4, \"state\": \"connected\"}, {\"name\": \"null\", "
		"\"socket\": "
		"null, \"file\": null}]}");
	made_file(&made, "/.strait/straitd/budget.get/vm0.json", "{\"requests\": 17}");
	made_open(&made);
	host_straitd_read(made.tree, NULL, &straitd);
	assert_string_equal(straitd.socket, "/run/strait/rpc.sock");
	assert_null(straitd.unreadable);
	assert_int_equal(straitd.count, 2);
	disk = host_straitd_by_socket(&straitd, "/run/vm0.sock");
	assert_non_null(disk);
	assert_string_equal(disk->file, "/srv/vm0.img");
	assert_string_equal(disk->state, "connected");
	assert_int_equal(disk->queues, 4);
	assert_int_equal(json_integer_value(json_object_get(disk->budget, "requests")), 17);
	assert_null(disk->profile);
	assert_null(host_straitd_by_socket(&straitd, "/run/other.sock"));
	assert_null(host_straitd_by_socket(&straitd, NULL));
	assert_null(straitd.disk[1].socket);
	assert_null(straitd.disk[1].budget);
	made_close(&made);
}

static void test_no_straitd(void **state)
{
	struct host_straitd straitd;
	struct made made;

	(void)state;
	made_begin(&made);
	made_open(&made);
	host_straitd_read(made.tree, NULL, &straitd);
	assert_null(straitd.socket);
	assert_null(straitd.unreadable);
	assert_int_equal(straitd.count, 0);
	made_close(&made);
}

/* Of a forged capture: names that lead elsewhere, and values of other types. */
static void test_hostile(void **state)
{
	static const char *const lists[] = {
		"[]",
		"\"disks\"",
		"{\"disks\": 7}",
		"{\"disks\": [1, null, [], {}, {\"name\": 5}, {\"name\": \"\"}, {\"name\": \"../../etc/x\"}]}",
		"{\"disks\": [{\"name\": \".hidden\", \"socket\": \"/s\"}, {\"name\": \"a/b\", \"socket\": \"/s\"}]}",
		"{\"disks\": ",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct host_straitd straitd;
		struct made made;

		made_begin(&made);
		made_file(&made, "/.strait/straitd/disk.list.json", lists[i]);
		made_open(&made);
		host_straitd_read(made.tree, NULL, &straitd);
		assert_int_equal(straitd.count, 0);
		assert_null(host_straitd_by_socket(&straitd, "/s"));
		made_close(&made);
	}
}

static void test_types(void **state)
{
	struct host_straitd straitd;
	struct made made;

	(void)state;
	made_begin(&made);
	made_file(&made, "/.strait/straitd/disk.list.json",
		  "{\"disks\": [{\"name\": \"vm0\", \"socket\": 5, \"queues\": \"many\", \"state\": []}]}");
	made_file(&made, "/.strait/straitd/budget.get/vm0.json", "[1]");
	made_open(&made);
	host_straitd_read(made.tree, NULL, &straitd);
	assert_int_equal(straitd.count, 1);
	assert_null(straitd.disk[0].socket);
	assert_null(straitd.disk[0].state);
	assert_null(straitd.disk[0].budget);
	assert_int_equal(straitd.disk[0].queues, HOST_UNKNOWN);
	assert_non_null(straitd.unreadable);
	made_close(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disks),
		cmocka_unit_test(test_no_straitd),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
