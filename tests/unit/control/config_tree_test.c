/* SPDX-License-Identifier: Apache-2.0 */
/* What is written back is what was read: loaded again it is the same, and looks as somebody wrote it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config_file.h"
#include "control/config_tree.h"

static struct config *loaded(const char *text)
{
	struct config *config = NULL;
	struct error err;

	if (config_load_text(text, strlen(text), false, &config, &err) < 0)
		fail_msg("%s\nfor:\n%s", err.text, text);
	return config;
}

static char *written(const json_t *tree)
{
	char *text = config_tree_write(tree, "");

	assert_non_null(text);
	return text;
}

/* Through YAML and back, and through JSON, which is YAML. */
static void assert_round_trip(const char *text)
{
	struct config *first = loaded(text), *second, *third;
	char *yaml = written(first->tree), *json = json_dumps(first->tree, 0), *again;

	second = loaded(yaml);
	third = loaded(json);
	if (!json_equal(first->tree, second->tree) || !json_equal(first->tree, third->tree))
		fail_msg("%s\nis written as\n%s", text, yaml);
	again = written(second->tree);
	assert_string_equal(yaml, again);
	assert_int_equal(first->disk_count, second->disk_count);
	for (unsigned i = 0; i < first->disk_count; i++) {
		assert_true(config_disk_same(&first->disks[i], &second->disks[i]));
		assert_true(config_disk_same(&first->disks[i], &third->disks[i]));
	}
	free(again);
	free(yaml);
	free(json);
	config_free(first);
	config_free(second);
	config_free(third);
}

static void every_kind_of_value(void **state)
{
	(void)state;
	assert_round_trip(GOOD_DISK);
	assert_round_trip(
		"workers: 2\nworker-cpus: [0-1, \"3\"]\npoll-max-us: 0\nplacement: spread\nlog-level: debug\n"
		"socket-mode: 0660\nuser: \"1000\"\nsandbox: on\nsandbox-without: [seccomp, io-uring]\n"
		"upgrade-socket: /run/up.sock\n"
		"disks:\n"
		"  - {name: a, socket: /run/a.sock, file: '/a b: #c.img', cache: unsafe, serial: '007'}\n"
		"  - {name: b, socket: /run/b.sock, null: 10 GiB, queues: 1, in-flight-max: 7}\n"
		"  - {name: \"true\", socket: \"/run/\\u00fc.sock\", file: /c, read-only: true,\n"
		"     memory-max: 512MiB, coalesce-us: 0, polling: poll}\n"
		"  - name: \"null\"\n    socket: /run/e.sock\n    file: /e\n    serial: '~'\n"
		"  - name: \"12\"\n    socket: /run/d.sock\n    file: /d\n"
		"    fault:\n      - {on: [read, write], rate: 0.0001, error: EIO, offset: 1MiB, length: 64KiB}\n"
		"      - {on: [flush]}\n"
		"    delay: {mean-us: 12.5, spread-us: 3, distribution: normal}\n");
}

/* A name may be a number; whoever looks for it, or makes a socket by it, gets a text. */
static void what_is_text_stays_text(void **state)
{
	struct config *config =
		loaded("groups: [{name: 7}, {name: true, parent: 7}]\n"
		       "disks:\n"
		       "  - {name: 12, socket: /s, null: 4096, socket-group: 107, socket-mode: 660, serial: 3,\n"
		       "     qos: {group: 7, weight: 5}}\n");
	const char *name, *group, *mode, *serial, *in, *seven, *word, *parent;
	json_int_t null, weight;

	(void)state;
	assert_int_equal(json_unpack(config->tree, "{s:[{s:s,s:s,s:s,s:s,s:I,s:{s:s,s:I}}],s:[{s:s},{s:s,s:s}]}",
				     "disks", "name", &name, "socket-group", &group, "socket-mode", &mode, "serial",
				     &serial, "null", &null, "qos", "group", &in, "weight", &weight, "groups", "name",
				     &seven, "name", &word, "parent", &parent),
			 0);
	assert_string_equal(name, "12");
	assert_string_equal(group, "107");
	assert_string_equal(mode, "660");
	assert_string_equal(word, "true");
	assert_string_equal(parent, "7");
	assert_int_equal(null, 4096);
	config_free(config);
}

static void it_looks_as_it_was_written(void **state)
{
	const char *text = "poll-max-us: 50\n"
			   "disks:\n"
			   "- name: a\n"
			   "  socket: /run/a.sock\n"
			   "  null: 10 GiB\n"
			   "  fault:\n"
			   "  - on: [read, write]\n"
			   "    rate: 0.01\n"
			   "- name: b\n"
			   "  socket: /run/b.sock\n"
			   "  file: /b.img\n"
			   "  read-only: true\n";
	struct config *config = loaded(text);
	char *yaml = written(config->tree);

	(void)state;
	assert_string_equal(yaml, text);
	free(yaml);
	yaml = config_tree_write(config->tree, "one\ntwo");
	assert_int_equal(strncmp(yaml, "# one\n# two\npoll-max-us", 23), 0);
	free(yaml);
	config_free(config);
}

/* What RPC brings has numbers. */
static void numbers_are_written_plainly(void **state)
{
	json_t *tree = json_pack("{s:i,s:f,s:f,s:f,s:s,s:s,s:s}", "a", 7, "b", 0.01, "c", 250.0, "d", 0.00001, "e", "",
				 "f", "9", "g", "false");
	char *yaml = written(tree);

	(void)state;
	assert_string_equal(yaml, "a: 7\nb: 0.01\nc: 250\nd: 0.00001\ne: ''\nf: '9'\ng: 'false'\n");
	free(yaml);
	json_decref(tree);
}

static void one_key_makes_a_difference(void **state)
{
	static const char *const keys[] = {"queues: 3",          "cache: unsafe",  "read-only: true",
					   "serial: x",          "polling: event", "coalesce-us: 3",
					   "memory-max: 1GiB",   "lock: running",  "socket-mode: 600",
					   "connection-rate: 3", "record: /r",     "socket-owner: me"};
	struct config *plain = loaded(GOOD_DISK);

	(void)state;
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char text[256];
		struct config *other;

		snprintf(text, sizeof(text), "%s    %s\n", GOOD_DISK, keys[i]);
		other = loaded(text);
		if (config_disk_same(&plain->disks[0], &other->disks[0]))
			fail_msg("%s makes no difference", keys[i]);
		config_free(other);
	}
	config_free(plain);
}

/* A default that is written out, and a size in other words. */
static void other_words_make_none(void **state)
{
	struct config *plain = loaded(GOOD_DISK "    memory-max: 1GiB\n");
	struct config *other = loaded(GOOD_DISK "    memory-max: 1024 MiB\n    queues: 16\n    cache: none\n");

	(void)state;
	assert_true(config_disk_same(&plain->disks[0], &other->disks[0]));
	assert_false(json_equal(plain->tree, other->tree));
	config_free(plain);
	config_free(other);
}

static void an_update_keeps_names(void **state)
{
	struct config *plain = loaded(GOOD_DISK), *other = loaded(GOOD_DISK "    coalesce-us: 3\n");
	struct config_disk *disk = config_disk_copy(&plain->disks[0]);
	const char *name = disk->name;

	(void)state;
	disk->image_fd = 77;
	config_disk_update(disk, &other->disks[0]);
	assert_ptr_equal(disk->name, name);
	assert_int_equal(disk->image_fd, 77);
	assert_true(config_disk_same(disk, &other->disks[0]));
	config_disk_free(disk);
	config_free(plain);
	config_free(other);
}

/* Text that is no file has no place to name. */
static void messages_begin_with_the_key(void **state)
{
	const char *text = "{\"disks\": [{\"name\": \"a\", \"socket\": \"/s\", \"file\": \"/f\", \"queues\": 0}]}";
	struct config *config;
	struct error err;

	(void)state;
	assert_int_equal(config_load_text(text, strlen(text), false, &config, &err), -EINVAL);
	assert_int_equal(strncmp(err.text, "disks[0].queues: \"0\": expected", 30), 0);
}

static void a_merge_goes_into_mappings(void **state)
{
	json_t *tree = json_pack("{s:i,s:i,s:{s:i,s:i}}", "a", 1, "b", 2, "q", "x", 1, "y", 2);
	json_t *set = json_pack("{s:i,s:n,s:{s:n,s:i},s:{s:i}}", "a", 3, "b", "q", "x", "z", 4, "new", "n", 5);
	json_t *merged = config_tree_merge(tree, set);
	char *text = json_dumps(merged, JSON_COMPACT | JSON_SORT_KEYS), *before = json_dumps(tree, JSON_COMPACT);

	(void)state;
	assert_string_equal(text, "{\"a\":3,\"new\":{\"n\":5},\"q\":{\"y\":2,\"z\":4}}");
	assert_string_equal(before, "{\"a\":1,\"b\":2,\"q\":{\"x\":1,\"y\":2}}");
	free(text);
	free(before);
	json_decref(merged);
	json_decref(set);
	json_decref(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_value),        cmocka_unit_test(what_is_text_stays_text),
		cmocka_unit_test(it_looks_as_it_was_written), cmocka_unit_test(numbers_are_written_plainly),
		cmocka_unit_test(one_key_makes_a_difference), cmocka_unit_test(other_words_make_none),
		cmocka_unit_test(an_update_keeps_names),      cmocka_unit_test(messages_begin_with_the_key),
		cmocka_unit_test(a_merge_goes_into_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
