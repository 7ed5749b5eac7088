/* SPDX-License-Identifier: Apache-2.0 */
/* Good configurations: what each key becomes, and what is there without it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "config_file.h"

static struct config *loaded(const char *text)
{
	struct config *config = NULL;
	struct error err;

	if (load_text(text, &config, &err) < 0)
		fail_msg("%s\nfor:\n%s", err.text, text);
	return config;
}

static void defaults(void **state)
{
	struct config *config = loaded(GOOD_DISK);
	const struct config_disk *disk = &config->disks[0];

	(void)state;
	assert_int_equal(config->workers, 1);
	assert_false(config->pinned);
	assert_int_equal(config->poll_max_us, 20);
	assert_int_equal(config->placement, PLACEMENT_ADAPTIVE);
	assert_int_equal(config->log_level, 0);
	assert_int_equal(config->disk_count, 1);
	assert_string_equal(disk->name, "a");
	assert_string_equal(disk->socket, "/run/a.sock");
	assert_int_equal(disk->socket_fd, -1);
	assert_string_equal(disk->file, "/a.img");
	assert_int_equal(disk->null_size, 0);
	assert_string_equal(disk->serial, "");
	assert_int_equal(disk->cache, STORAGE_CACHE_NONE);
	assert_int_equal(disk->lock, CONFIG_LOCK_ALWAYS);
	assert_false(disk->read_only);
	assert_true(disk->discard);
	assert_int_equal(disk->queues, 16);
	assert_int_equal(disk->queue_size_max, 1024);
	assert_int_equal(disk->policy.poll, POLL_ADAPTIVE);
	assert_int_equal(disk->policy.coalesce_ns, 10000);
	assert_int_equal(disk->policy.coalesce_count, 32);
	assert_int_equal(disk->fault_count, 0);
	assert_false(disk->has_delay);
	assert_null(disk->record);
	config_free(config);
}

static void every_key(void **state)
{
	struct config *config = loaded("workers: 3\n"
				       "worker-cpus: [0-1, \"2\", '4,6-7']\n"
				       "poll-max-us: 0\n"
				       "placement: spread\n"
				       "log-level: debug\n" GOOD_DISK "    serial: S/N 0001\n"
				       "    cache: directsync\n"
				       "    lock: running\n"
				       "    read-only: true\n"
				       "    discard: false\n"
				       "    queues: 64\n"
				       "    queue-size-max: 32768\n"
				       "    polling: event\n"
				       "    coalesce-us: 0\n"
				       "    coalesce-count: 1\n");
	const struct config_disk *disk = &config->disks[0];

	(void)state;
	assert_int_equal(config->workers, 3);
	assert_true(config->pinned);
	assert_int_equal(CPU_COUNT(&config->worker_cpus[0]), 2);
	assert_int_equal(CPU_COUNT(&config->worker_cpus[1]), 1);
	assert_true(CPU_ISSET(2, &config->worker_cpus[1]));
	assert_int_equal(CPU_COUNT(&config->worker_cpus[2]), 3);
	assert_true(CPU_ISSET(7, &config->worker_cpus[2]));
	assert_int_equal(config->poll_max_us, 0);
	assert_int_equal(config->placement, PLACEMENT_SPREAD);
	assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
	assert_string_equal(disk->serial, "S/N 0001");
	assert_int_equal(disk->cache, STORAGE_CACHE_DIRECTSYNC);
	assert_int_equal(disk->lock, CONFIG_LOCK_RUNNING);
	assert_true(disk->read_only);
	assert_false(disk->discard);
	assert_int_equal(disk->queues, 64);
	assert_int_equal(disk->queue_size_max, 32768);
	assert_int_equal(disk->policy.poll, POLL_NEVER);
	assert_int_equal(disk->policy.coalesce_ns, 0);
	assert_int_equal(disk->policy.coalesce_count, 1);
	config_free(config);
}

static void cache_modes(void **state)
{
	static const struct {
		const char *word;
		enum storage_cache cache;
	} modes[] = {
		{"none", STORAGE_CACHE_NONE},
		{"writeback", STORAGE_CACHE_WRITEBACK},
		{"writethrough", STORAGE_CACHE_WRITETHROUGH},
		{"directsync", STORAGE_CACHE_DIRECTSYNC},
		{"unsafe", STORAGE_CACHE_UNSAFE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct config *config;
		char text[256];

		snprintf(text, sizeof(text), GOOD_DISK "    cache: %s\n", modes[i].word);
		config = loaded(text);
		assert_int_equal(config->disks[0].cache, modes[i].cache);
		config_free(config);
	}
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} table[] = {
		{"512", 512},
		{"512B", 512},
		{"1024 B", 1024},
		{"64KiB", 64ull << 10},
		{"3 MiB", 3ull << 20},
		{"10GiB", 10ull << 30},
		{"\"10 GiB\"", 10ull << 30},
		{"2TiB", 2ull << 40},
		{"5PiB", 5ull << 50},
		{"7EiB", 7ull << 60},
		{"9223372036854775296", 9223372036854775296ull},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct config *config;
		char text[256];

		snprintf(text, sizeof(text), BARE_DISK "    null: %s\n", table[i].text);
		config = loaded(text);
		assert_true(config->disks[0].null_size == table[i].bytes);
		assert_null(config->disks[0].file);
		config_free(config);
	}
}

static void fault_rules(void **state)
{
	struct config *config = loaded(GOOD_DISK "    fault:\n"
						 "      - on: [read, write-zeroes]\n"
						 "        rate: 0.25\n"
						 "        offset: 4KiB\n"
						 "        length: 1MiB\n"
						 "        count: 7\n"
						 "        error: ENOSPC\n"
						 "      - {on: [flush]}\n"
						 "      - {}\n");
	const struct storage_fault_rule *rule = config->disks[0].fault;

	(void)state;
	assert_int_equal(config->disks[0].fault_count, 3);
	assert_int_equal(rule[0].ops, 1 << STORAGE_READ | 1 << STORAGE_WRITE_ZEROES);
	assert_true(rule[0].rate == 0.25);
	assert_int_equal(rule[0].offset, 4096);
	assert_int_equal(rule[0].length, 1 << 20);
	assert_int_equal(rule[0].count, 7);
	assert_int_equal(rule[0].error, ENOSPC);
	assert_int_equal(rule[1].ops, 1 << STORAGE_FLUSH);
	/* A rule that says nothing fails everything with EIO. */
	assert_int_equal(rule[2].ops, 0);
	assert_true(rule[2].rate == 1.0);
	assert_int_equal(rule[2].length, 0);
	assert_int_equal(rule[2].count, 0);
	assert_int_equal(rule[2].error, EIO);
	config_free(config);
}

static void delays(void **state)
{
	struct config *config =
		loaded(GOOD_DISK "    delay: {on: [read], distribution: normal, mean-us: 120.5, "
				 "spread-us: 30}\n"
				 "  - {name: b, socket: /b, file: /b, delay: {mean-us: 100}, record: /b.rec}\n"
				 "  - {name: c, socket: /c, file: /c, delay: {mean-us: 9, "
				 "distribution: pareto}}\n");
	const struct storage_delay_options *delay = &config->disks[0].delay;

	(void)state;
	assert_true(config->disks[0].has_delay);
	assert_string_equal(config->disks[1].record, "/b.rec");
	assert_int_equal(delay->ops, 1 << STORAGE_READ);
	assert_int_equal(delay->kind, STORAGE_DELAY_NORMAL);
	assert_true(delay->mean_us == 120.5);
	assert_true(delay->spread_us == 30.0);
	assert_true(config->disks[1].has_delay);
	assert_int_equal(config->disks[1].delay.kind, STORAGE_DELAY_FIXED);
	assert_int_equal(config->disks[1].delay.ops, 0);
	assert_int_equal(config->disks[2].delay.kind, STORAGE_DELAY_PARETO);
	config_free(config);
}

/* Without "workers" there are as many as "worker-cpus" says. */
static void workers_from_cpus(void **state)
{
	struct config *config = loaded("worker-cpus: 1,4-5\n" GOOD_DISK);

	(void)state;
	assert_int_equal(config->workers, 3);
	assert_true(CPU_ISSET(1, &config->worker_cpus[0]));
	assert_true(CPU_ISSET(4, &config->worker_cpus[1]));
	assert_true(CPU_ISSET(5, &config->worker_cpus[2]));
	assert_int_equal(CPU_COUNT(&config->worker_cpus[2]), 1);
	config_free(config);
	config = loaded("worker-cpus:\n  - 0-3\n  - 4-7\n" GOOD_DISK);
	assert_int_equal(config->workers, 2);
	assert_int_equal(CPU_COUNT(&config->worker_cpus[1]), 4);
	config_free(config);
	config = loaded("worker-cpus: 7\n" GOOD_DISK);
	assert_int_equal(config->workers, 1);
	assert_true(CPU_ISSET(7, &config->worker_cpus[0]));
	config_free(config);
}

static void sharing_that_is_fine(void **state)
{
	/* One image, only read; "null" in quotes; JSON is YAML; the longest socket path. */
	static const char *const texts[] = {
		"disks:\n  - {name: a, socket: /a, file: /i, read-only: true}\n"
		"  - {name: b, socket: /b, file: /i, read-only: true}\n",
		"disks: [{name: a, socket: a.sock, 'null': 1GiB}, {name: A, socket: A.sock, null: 1GiB}]\n",
		"{\"disks\": [{\"name\": \"a\", \"socket\": \"/a\", \"file\": \"/i\", \"read-only\": false}]}",
		"%YAML 1.1\n---\n" GOOD_DISK "...\n",
		"\xef\xbb\xbf" GOOD_DISK,
		"disks:\n  - name: x\n    file: \"null\"\n"
		"    socket: /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		config_free(loaded(texts[i]));
}

static void single(void **state)
{
	char too_long[109] = "/";
	struct config *config;
	struct error err;

	(void)state;
	assert_int_equal(config_single("/run/s.sock", -1, "/dir/my disk+1.img", true, &config, &err), 0);
	assert_int_equal(config->workers, 1);
	assert_int_equal(config->poll_max_us, 20);
	assert_int_equal(config->disk_count, 1);
	assert_string_equal(config->disks[0].name, "my_disk_1.img");
	assert_string_equal(config->disks[0].socket, "/run/s.sock");
	assert_string_equal(config->disks[0].file, "/dir/my disk+1.img");
	assert_int_equal(config->disks[0].socket_fd, -1);
	assert_true(config->disks[0].read_only);
	config_free(config);

	assert_int_equal(config_single(NULL, 7, "/dev/", false, &config, &err), 0);
	assert_null(config->disks[0].socket);
	assert_int_equal(config->disks[0].socket_fd, 7);
	config_free(config);

	memset(too_long, '/', sizeof(too_long) - 1);
	assert_true(config_single(too_long, -1, "/f", false, &config, &err) < 0);
	assert_non_null(strstr(err.text, "--socket-path"));
	assert_non_null(strstr(err.text, "107"));
	assert_true(config_single("/s", -1, "", false, &config, &err) < 0);
	assert_non_null(strstr(err.text, "--blk-file"));
	assert_null(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(every_key),
		cmocka_unit_test(cache_modes),
		cmocka_unit_test(sizes),
		cmocka_unit_test(fault_rules),
		cmocka_unit_test(delays),
		cmocka_unit_test(workers_from_cpus),
		cmocka_unit_test(sharing_that_is_fine),
		cmocka_unit_test(single),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
