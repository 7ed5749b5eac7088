/* SPDX-License-Identifier: Apache-2.0 */
/* Limits, groups and weights in a configuration: what they become, and what is refused with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config_file.h"

#define QOS    GOOD_DISK "    qos:\n      " /* its first key is on line 6 */
#define GROUPS "groups:\n  - "              /* the first key of the first is on line 2 */

static struct config *loaded(const char *text)
{
	struct config *config = NULL;
	struct error err;

	if (load_text(text, &config, &err) < 0)
		fail_msg("%s\nfor:\n%s", err.text, text);
	return config;
}

static void there_are_no_limits_by_default(void **state)
{
	static const struct qos_limits none;
	struct config *config = loaded(GOOD_DISK);

	(void)state;
	assert_memory_equal(&config->disks[0].qos.limits, &none, sizeof(none));
	assert_int_equal(config->disks[0].qos.weight, 100);
	assert_string_equal(config->disks[0].qos.group, "");
	assert_int_equal(config->disks[0].qos.latency_target_us, 0);
	assert_int_equal(config->group_count, 0);
	config_free(config);
}

static void every_key(void **state)
{
	struct config *config =
		loaded(GROUPS "name: inner\n    parent: outer\n    weight: 10000\n    read-iops: 5k\n"
			      "  - {name: outer, bps: 2g, bps-burst: 3g}\n" QOS
			      "{group: inner, weight: 1, latency-target-us: 500, iops: 1000, iops-burst: 5000,\n"
			      "       iops-burst-seconds: 10, read-iops: 1m, write-iops: 1, bps: 1k, read-bps: 100MiB, "
			      "write-bps: 1024g}\n");
	const struct qos_settings *disk = &config->disks[0].qos;
	const struct qos_limit *limit = disk->limits.limit;

	(void)state;
	assert_string_equal(disk->group, "inner");
	assert_int_equal(disk->weight, 1);
	assert_int_equal(disk->latency_target_us, 500);
	assert_int_equal(limit[QOS_IOPS].rate, 1000);
	assert_int_equal(limit[QOS_IOPS].burst, 5000);
	assert_int_equal(limit[QOS_IOPS].burst_seconds, 10);
	assert_int_equal(limit[QOS_READ_IOPS].rate, 1000000);
	assert_int_equal(limit[QOS_WRITE_IOPS].rate, 1);
	assert_int_equal(limit[QOS_BPS].rate, 1024);
	assert_int_equal(limit[QOS_READ_BPS].rate, 100 << 20);
	assert_int_equal(limit[QOS_WRITE_BPS].rate, 1ull << 40);
	assert_int_equal(config->group_count, 2);
	assert_string_equal(config->groups[0].qos.group, "outer");
	assert_int_equal(config->groups[0].qos.weight, 10000);
	assert_int_equal(config->groups[0].qos.limits.limit[QOS_READ_IOPS].rate, 5000);
	assert_int_equal(config->groups[1].qos.limits.limit[QOS_BPS].burst, 3ull << 30);
	assert_int_equal(config->groups[1].qos.limits.limit[QOS_BPS].burst_seconds, 1);
	config_free(config);
}

static const struct {
	const char *text;
	unsigned line;
	const char *words[4];
} bad[] = {
	{QOS "iops: 0\n", 6, {"disks[0].qos.iops", "\"0\"", "1 to 1000m"}},
	{QOS "iops: 1001m\n", 6, {"qos.iops", "1 to 1000m"}},
	{QOS "iops: 1K\n", 6, {"qos.iops", "\"1K\"", "as in 20k"}},
	{QOS "iops: 1KiB\n", 6, {"qos.iops", "as in 20k"}},
	{QOS "iops: 1.5k\n", 6, {"qos.iops"}},
	{QOS "iops: -1\n", 6, {"qos.iops"}},
	{QOS "iops: 99999999999999999999g\n", 6, {"qos.iops"}},
	{QOS "bps: 1023\n", 6, {"qos.bps", "1k to 1024g"}},
	{QOS "write-bps: 1025g\n", 6, {"qos.write-bps", "1k to 1024g"}},
	{QOS "iops-burst: 5\n", 6, {"qos.iops-burst", "expected \"iops\" beside it"}},
	{QOS "iops: 5\n      iops-burst: 5\n", 7, {"qos.iops-burst", "more than \"iops\" (5)"}},
	{QOS "iops: 5\n      iops-burst-seconds: 5\n", 7, {"qos.iops-burst-seconds", "expected \"iops-burst\""}},
	{QOS "{iops: 5, iops-burst: 6, iops-burst-seconds: 0}\n", 6, {"iops-burst-seconds", "1 to 3600"}},
	{QOS "weight: 0\n", 6, {"qos.weight", "1 to 10000"}},
	{QOS "weight: 10001\n", 6, {"qos.weight", "1 to 10000"}},
	{QOS "latency-target-us: 0\n", 6, {"qos.latency-target-us", "1 to 60000000"}},
	{QOS "group: x\n", 6, {"disks[0].qos.group", "\"x\"", "no such group", "\"groups\""}},
	{QOS "group: \"a b\"\n", 6, {"qos.group", "letters, digits"}},
	{QOS "iop: 5\n", 6, {"disks[0].qos", "\"iop\"", "did you mean \"iops\""}},
	{GOOD_DISK "    qos: 5\n", 5, {"disks[0].qos", "keys and values"}},
	{"groups: []\n" GOOD_DISK, 1, {"groups", "1 to 1024"}},
	{GROUPS "iops: 5\n" GOOD_DISK, 2, {"groups[0]", "\"name\" is missing"}},
	{GROUPS "{name: a}\n  - {name: a}\n" GOOD_DISK, 3, {"groups[1].name", "name of its own"}},
	{GROUPS "{name: a, parent: b}\n" GOOD_DISK, 2, {"groups[0].parent", "\"b\"", "no such group"}},
	{GROUPS "{name: a, parent: a}\n" GOOD_DISK, 2, {"groups[0].parent", "inside of this group itself"}},
	{GROUPS "{name: a}\n  - {name: b, parent: c}\n  - {name: c, parent: b}\n" GOOD_DISK,
	 3,
	 {"groups[1].parent", "inside of this group itself"}},
	{GROUPS "{name: a, parent: b}\n  - {name: b, parent: c}\n  - {name: c, parent: b}\n" GOOD_DISK,
	 3,
	 {"groups[1].parent", "inside of this group itself"}},
	{GROUPS "{name: a, parent: b}\n  - {name: b, parent: c}\n  - {name: c, parent: d}\n"
		"  - {name: d, parent: e}\n  - {name: e}\n" GOOD_DISK,
	 2,
	 {"groups[0].parent", "nested 5 deep", "at most 4"}},
	{GROUPS "{name: a, latency-target-us: 5}\n" GOOD_DISK, 2, {"groups[0]", "unknown key"}},
	{GROUPS "{name: a, bps: 5}\n" GOOD_DISK, 2, {"groups[0].bps", "1k to 1024g"}},
};

static void bad_ones_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct config *config = NULL;
		struct error err;
		char place[32];

		if (load_text(bad[i].text, &config, &err) == 0)
			fail_msg("accepted:\n%s", bad[i].text);
		assert_null(config);
		snprintf(place, sizeof(place), ":%u: ", bad[i].line);
		if (!strstr(err.text, place))
			fail_msg("%s\nhas no %s for:\n%s", err.text, place, bad[i].text);
		for (unsigned k = 0; k < 4 && bad[i].words[k]; k++) {
			if (!strstr(err.text, bad[i].words[k]))
				fail_msg("%s\nhas no %s for:\n%s", err.text, bad[i].words[k], bad[i].text);
		}
	}
}

/* What RPC tells can be said again. */
static void told_as_it_was_said(void **state)
{
	struct config *config = loaded(GROUPS "name: g\n" QOS "{group: g, weight: 7, bps: 100m, bps-burst: 1g, "
					      "bps-burst-seconds: 3, read-iops: 20k}\n");
	json_t *told = qos_settings_json(&config->disks[0].qos, "group");
	char *text = json_dumps(told, JSON_COMPACT);
	char described[160];

	(void)state;
	assert_string_equal(text, "{\"group\":\"g\",\"weight\":7,\"read-iops\":20000,\"bps\":104857600,"
				  "\"bps-burst\":1073741824,\"bps-burst-seconds\":3}");
	qos_settings_describe(&config->disks[0].qos, described, sizeof(described));
	assert_string_equal(described, "20000 IOPS of reads, 100 MiB/s (1 GiB/s for 3 s)");
	free(text);
	json_decref(told);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_are_no_limits_by_default),
		cmocka_unit_test(every_key),
		cmocka_unit_test(bad_ones_are_refused),
		cmocka_unit_test(told_as_it_was_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
