/* SPDX-License-Identifier: Apache-2.0 */
/* Bad configurations: each is refused with the line it is wrong on and the words a user needs to mend it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config_file.h"

struct bad {
	const char *text;
	unsigned line;
	const char *words[4];
};

#define X16      "xxxxxxxxxxxxxxxx"
#define X64      X16 X16 X16 X16
#define DELAY    GOOD_DISK "    delay:\n"                           /* its keys start on line 6 */
#define FAULT    GOOD_DISK "    fault:\n      - "                   /* its first key is on line 6 */
#define TWO_FULL GOOD_DISK "  - name: b\n    socket: /run/b.sock\n" /* the next key is on line 7 */

static const struct bad cases[] = {
	/* not a configuration at all */
	{"", 1, {"is empty", "disks"}},
	{"# nothing but words\n\n", 1, {"is empty"}},
	{"---\n", 2, {"no value", "disks"}},
	{"hello\n", 1, {"\"hello\"", "keys and values"}},
	{"- a\n- b\n", 1, {"a list", "keys and values"}},
	{"{}\n", 1, {"\"disks\" is missing"}},
	{"workers: 2\n", 1, {"\"disks\" is missing"}},

	/* not YAML */
	{"disks:\n  - name: a\n   socket: b\n", 3, {"not valid YAML", "socket: b"}},
	{"disks: [\n  {name: a\n", 3, {"not valid YAML"}},
	{"disks:\n  - name: \"a\n", 3, {"not valid YAML", "quoted"}},
	{"disks:\n\t- name: a\n", 2, {"not valid YAML", "tab"}},
	{"workers: @x\n", 1, {"not valid YAML", "workers: @x"}},
	{"workers: 1\n%bad\n", 2, {"not valid YAML"}},
	{GOOD_DISK "    serial: 'x\n", 6, {"not valid YAML"}},

	/* YAML that a configuration has no use for */
	{"disks: &d\n  - name: a\n", 1, {"anchor"}},
	{"a: &a 1\nb: *a\n", 1, {"anchor"}},
	{GOOD_DISK "workers: *w\n", 5, {"alias", "write the value out"}},
	{GOOD_DISK "workers: !!int 3\n", 5, {"tag"}},
	{GOOD_DISK "---\nworkers: 1\n", 5, {"second document"}},
	{"disks: [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]\n", 1, {"nested too deep"}},
	{"%YAML 1.1\n%TAG ! tag:a,2000:\n---\n" GOOD_DISK, 2, {"%TAG"}},
	{"? [a, b]\n: 1\n", 1, {"a key is a list", "a word"}},
	{GOOD_DISK "    serial: \"a\\0b\"\n", 5, {"NUL"}},

	/* keys */
	{"upgrade-socket: \"\"\n" GOOD_DISK, 1, {"upgrade-socket", "expected the path of a socket"}},
	{"upgrade-socket: /" X64 X64 "\n" GOOD_DISK, 1, {"upgrade-socket", "at most 107 bytes"}},
	{"http-listen: 0.0.0.0:80\n" GOOD_DISK,
	 1,
	 {"http-listen", "0.0.0.0:80", "127.0.0.1:PORT", "neither encryption"}},
	{"http-listen: 127.0.0.1\n" GOOD_DISK, 1, {"http-listen", "127.0.0.1:PORT"}},
	{"http-listen: \"unix:\"\n" GOOD_DISK, 1, {"http-listen", "expected the path of a socket"}},
	{"wrokers: 2\n" GOOD_DISK, 1, {"\"wrokers\"", "did you mean \"workers\"", "worker-cpus, poll-max-us"}},
	{GOOD_DISK "    quees: 4\n", 5, {"disks[0]", "\"quees\"", "did you mean \"queues\"", "queue-size-max"}},
	{GOOD_DISK "    readonly: true\n", 5, {"\"readonly\"", "did you mean \"read-only\""}},
	{GOOD_DISK "    bandwidth: 4\n", 5, {"\"bandwidth\"", "allowed are name, socket, file, null, serial"}},
	{GOOD_DISK "    name: b\n", 5, {"disks[0]", "\"name\" is given again", "line 2"}},
	{GOOD_DISK "disks: []\n", 5, {"\"disks\" is given again", "line 1"}},
	{"disks:\n  - socket: /s\n    file: /f\n", 2, {"disks[0]", "\"name\" is missing", "name, socket"}},
	{"disks:\n  - name: a\n    file: /f\n", 2, {"\"socket\" is missing"}},
	{GOOD_DISK "  - name: b\n    file: /b\n", 5, {"disks[1]", "\"socket\" is missing"}},
	{FAULT "probability: 1\n", 6, {"disks[0].fault[0]", "\"probability\"", "rate, offset, length, count"}},
	{DELAY "      mean: 5\n", 6, {"disks[0].delay", "\"mean\"", "mean-us"}},
	{DELAY "      on: [read]\n", 6, {"disks[0].delay", "\"mean-us\" is missing"}},
	{GOOD_DISK "    <<: {queues: 1}\n", 5, {"unknown key \"<<\""}},

	/* the wrong kind of value */
	{"disks: yes\n", 1, {"disks", "\"yes\"", "a list"}},
	{"disks:\n", 1, {"disks has no value", "a list"}},
	{"disks: {name: a}\n", 1, {"disks is a mapping", "a list"}},
	{"disks: []\n", 1, {"a list of 0", "1 to 1024"}},
	{"disks:\n  - a\n", 2, {"disks[0]", "\"a\"", "keys and values"}},
	{"disks:\n  -\n", 2, {"disks[0] has no value"}},
	{"disks:\n  - name: [a]\n    socket: /s\n", 2, {"disks[0].name is a list", "a single value"}},
	{"disks:\n  - name: a\n    socket: {path: /s}\n", 3, {"disks[0].socket is a mapping"}},
	{BARE_DISK "    file:\n", 4, {"disks[0].file has no value"}},
	{BARE_DISK "    file: null\n", 4, {"disks[0].file has no value"}},
	{BARE_DISK "    null: ~\n", 4, {"disks[0].null has no value"}},
	{"workers: [1, 2]\n" GOOD_DISK, 1, {"workers is a list"}},
	{GOOD_DISK "    fault: {rate: 1}\n", 5, {"disks[0].fault is a mapping", "a list"}},
	{GOOD_DISK "    fault: []\n", 5, {"disks[0].fault", "1 to 16"}},
	{GOOD_DISK "    delay: 5\n", 5, {"disks[0].delay", "\"5\"", "keys and values"}},
	{GOOD_DISK "    delay: [5]\n", 5, {"disks[0].delay is a list"}},
	{FAULT "on: read\n", 6, {"fault[0].on", "\"read\"", "a list", "write-zeroes"}},
	{FAULT "on: []\n", 6, {"fault[0].on is an empty list"}},

	/* words */
	{GOOD_DISK "    cache: fast\n", 5, {"disks[0].cache", "\"fast\"", "none, writeback, writethrough, directsync"}},
	{GOOD_DISK "    cache: None\n", 5, {"\"None\"", "none, writeback"}},
	{GOOD_DISK "    read-only: yes\n", 5, {"disks[0].read-only", "\"yes\"", "true, false"}},
	{GOOD_DISK "    discard: 1\n", 5, {"disks[0].discard", "\"1\"", "true, false"}},
	{"log-level: loud\n" GOOD_DISK, 1, {"log-level", "\"loud\"", "error, warning, info, debug"}},
	{FAULT "on: [read, trim]\n", 6, {"fault[0].on", "\"trim\"", "read, write, flush, discard, write-zeroes"}},
	{FAULT "error: EFOO\n", 6, {"fault[0].error", "\"EFOO\"", "EIO, ENOSPC"}},
	{FAULT "error: 5\n", 6, {"fault[0].error", "\"5\"", "EIO, ENOSPC"}},
	{DELAY "      mean-us: 5\n      distribution: gauss\n",
	 7,
	 {"delay.distribution", "\"gauss\"", "fixed, uniform"}},

	/* numbers */
	{"workers: 0\n" GOOD_DISK, 1, {"workers", "\"0\"", "1 to 64"}},
	{"workers: 65\n" GOOD_DISK, 1, {"workers", "\"65\"", "1 to 64"}},
	{"workers: -1\n" GOOD_DISK, 1, {"workers", "\"-1\"", "1 to 64"}},
	{"workers: two\n" GOOD_DISK, 1, {"workers", "\"two\"", "whole number"}},
	{"workers: 0x2\n" GOOD_DISK, 1, {"workers", "\"0x2\"", "whole number"}},
	{"workers: 08\n" GOOD_DISK, 1, {"workers", "\"08\"", "whole number"}},
	{"workers: 2.5\n" GOOD_DISK, 1, {"workers", "\"2.5\"", "whole number"}},
	{"workers: 18446744073709551617\n" GOOD_DISK, 1, {"workers", "1 to 64"}},
	{"poll-max-us: 1000001\n" GOOD_DISK, 1, {"poll-max-us", "\"1000001\"", "0 to 1000000"}},
	{GOOD_DISK "    queues: 0\n", 5, {"disks[0].queues", "\"0\"", "1 to 64"}},
	{GOOD_DISK "    queues: 65\n", 5, {"disks[0].queues", "\"65\"", "1 to 64"}},
	{GOOD_DISK "    queue-size-max: 100\n", 5, {"queue-size-max", "\"100\"", "power of two", "32768"}},
	{GOOD_DISK "    polling: always\n", 5, {"polling", "\"always\"", "adaptive, poll, event"}},
	{GOOD_DISK "    coalesce-us: 10001\n", 5, {"coalesce-us", "\"10001\"", "0 to 10000"}},
	{GOOD_DISK "    slow-threshold-us: 0\n", 5, {"slow-threshold-us", "\"0\"", "1 to 3600000000"}},
	{GOOD_DISK "    slow-percentile: 100\n", 5, {"slow-percentile", "\"100\"", "50 to 99.999"}},
	{GOOD_DISK "    slow-threshold-us: 5\n    slow-percentile: 99\n", 6, {"slow-percentile", "slow-threshold-us"}},
	{GOOD_DISK "    coalesce-count: 0\n", 5, {"coalesce-count", "\"0\"", "1 to 32768"}},
	{"placement: anywhere\n" GOOD_DISK, 1, {"placement", "\"anywhere\"", "adaptive, together, spread"}},
	{GOOD_DISK "    queue-size-max: 65536\n", 5, {"\"65536\"", "power of two", "32768"}},
	{GOOD_DISK "    queue-size-max: 1\n", 5, {"\"1\"", "power of two"}},
	{GOOD_DISK "    queue-size-max: big\n", 5, {"\"big\"", "power of two"}},
	{FAULT "rate: 1.5\n", 6, {"disks[0].fault[0].rate", "\"1.5\"", "0 to 1"}},
	{FAULT "rate: nan\n", 6, {"fault[0].rate", "\"nan\"", "0 to 1"}},
	{FAULT "rate: -0.1\n", 6, {"fault[0].rate", "\"-0.1\""}},
	{FAULT "rate: 1e-3\n", 6, {"fault[0].rate", "\"1e-3\""}},
	{FAULT "count: 0\n", 6, {"fault[0].count", "\"0\"", "from 1"}},
	{DELAY "      mean-us: 3600000001\n", 6, {"disks[0].delay.mean-us", "3600000001", "0 to 3600000000"}},
	{DELAY "      mean-us: inf\n", 6, {"mean-us", "\"inf\""}},

	/* sizes */
	{BARE_DISK "    null: 10G\n", 4, {"disks[0].null", "\"10G\"", "KiB, MiB, GiB", "10GiB"}},
	{BARE_DISK "    null: 1.5GiB\n", 4, {"\"1.5GiB\"", "a size"}},
	{BARE_DISK "    null: -5\n", 4, {"\"-5\"", "a size"}},
	{BARE_DISK "    null: 0\n", 4, {"\"0\"", "512 B"}},
	{BARE_DISK "    null: 1000\n", 4, {"\"1000\"", "multiple of 512"}},
	{BARE_DISK "    null: 8EiB\n", 4, {"\"8EiB\"", "a size"}},
	{BARE_DISK "    null: 99999999999EiB\n", 4, {"\"99999999999EiB\"", "a size"}},
	{FAULT "length: 0\n", 6, {"fault[0].length", "\"0\"", "1 B"}},
	{FAULT "offset: 4 kib\n", 6, {"fault[0].offset", "\"4 kib\"", "KiB"}},
	{FAULT "offset: 7EiB\n        length: 2EiB\n", 7, {"fault[0].length", "\"2EiB\"", "beyond any disk"}},

	/* names, paths */
	{"disks:\n  - name: a b\n    socket: /s\n    file: /f\n", 2, {"disks[0].name", "\"a b\"", "letters, digits"}},
	{"disks:\n  - name: a/b\n    socket: /s\n    file: /f\n", 2, {"disks[0].name", "\"a/b\""}},
	{"disks:\n  - name: \"\"\n    socket: /s\n    file: /f\n", 2, {"disks[0].name", "\"\"", "1 to 63"}},
	{"disks:\n  - name: " X64 "\n    socket: /s\n    file: /f\n", 2, {"disks[0].name", "xxx...", "1 to 63"}},
	{"disks:\n  - name: a\n    socket: ''\n    file: /f\n", 3, {"disks[0].socket", "path of a socket"}},
	{"disks:\n  - name: a\n    socket: /" X64 X16 X16 "12345678901\n    file: /f\n",
	 3,
	 {"disks[0].socket", "at most 107 bytes"}},
	{BARE_DISK "    file: ''\n", 4, {"disks[0].file", "path of an image"}},
	{GOOD_DISK "    serial: 123456789012345678901\n", 5, {"disks[0].serial", "1 to 20 printable"}},
	{GOOD_DISK "    serial: \"caf\\xe9\"\n", 5, {"disks[0].serial", "ASCII"}},
	{GOOD_DISK "    serial: \"\"\n", 5, {"disks[0].serial", "1 to 20"}},

	/* what excludes what */
	{BARE_DISK, 2, {"\"file\" or \"null\" is missing", "null: 10GiB"}},
	{GOOD_DISK "    null: 1GiB\n", 5, {"disks[0].null", "\"1GiB\"", "excludes \"file\""}},
	{BARE_DISK "    null: 1GiB\n    cache: none\n", 5, {"disks[0].cache", "null disk"}},
	{GOOD_DISK "    lock: never\n", 5, {"disks[0].lock", "\"never\"", "always, running"}},
	{BARE_DISK "    null: 1GiB\n    lock: running\n", 5, {"disks[0].lock", "null disk"}},
	{GOOD_DISK "    lock: running\n    cache: writeback\n", 5, {"disks[0].lock", "page cache", "cache: none"}},
	{FAULT "on: [flush]\n        offset: 4KiB\n", 7, {"fault[0].offset", "\"4KiB\"", "never match"}},
	{GOOD_DISK "    record: ''\n", 5, {"record", "path of a file"}},
	{DELAY "      mean-us: 5\n      spread-us: 1\n", 7, {"delay.spread-us", "uniform or normal"}},
	{DELAY "      mean-us: 5\n      distribution: normal\n", 6, {"delay.spread-us", "is missing"}},
	{DELAY "      mean-us: 5\n      distribution: uniform\n      spread-us: 6\n",
	 8,
	 {"delay.spread-us", "\"6\"", "at most mean-us (5)"}},

	/* workers and CPUs */
	{"worker-cpus: abc\n" GOOD_DISK, 1, {"worker-cpus", "\"abc\"", "0-3,8"}},
	{"worker-cpus: 3-1\n" GOOD_DISK, 1, {"worker-cpus", "\"3-1\""}},
	{"worker-cpus: 5000\n" GOOD_DISK, 1, {"worker-cpus", "\"5000\"", "below 1024"}},
	{"worker-cpus:\n" GOOD_DISK, 1, {"worker-cpus", "CPU numbers"}},
	{"worker-cpus: {a: 1}\n" GOOD_DISK, 1, {"worker-cpus", "a mapping"}},
	{"worker-cpus: []\n" GOOD_DISK, 1, {"worker-cpus", "a list of 0", "1 to 64"}},
	{"worker-cpus: [0-1, x]\n" GOOD_DISK, 1, {"worker-cpus[1]", "\"x\""}},
	{"worker-cpus:\n  - 0-1\n  - [1]\n" GOOD_DISK, 3, {"worker-cpus[1]", "a list or mapping"}},
	{"workers: 2\nworker-cpus: 0-3\n" GOOD_DISK, 2, {"worker-cpus", "4 CPUs for 2 workers"}},
	{"workers: 2\nworker-cpus: [0]\n" GOOD_DISK, 2, {"worker-cpus", "a list of 1 for 2 workers"}},
	{"worker-cpus: 0-64\n" GOOD_DISK, 1, {"worker-cpus", "65 CPUs", "1 to 64"}},

	/* used twice */
	{GOOD_DISK "  - name: a\n    socket: /b\n    file: /b.img\n", 5, {"disks[1].name", "\"a\"", "line 2"}},
	{GOOD_DISK "  - name: b\n    socket: /run/a.sock\n    file: /b.img\n",
	 6,
	 {"disks[1].socket", "/run/a.sock", "line 3"}},
	{GOOD_DISK "  - name: b\n    socket: /run//a.sock\n    file: /b.img\n", 6, {"disks[1].socket", "line 3"}},
	{GOOD_DISK "  - name: b\n    socket: /run/../run/a.sock\n    file: /b.img\n", 6, {"disks[1].socket", "line 3"}},
	{TWO_FULL "    file: /a.img\n", 7, {"disks[1].file", "\"/a.img\"", "line 4", "read-only"}},
	{TWO_FULL "    file: /a.img\n    read-only: true\n", 7, {"disks[1].file", "read-only"}},
	{"disks:\n  - {name: a, socket: /a, file: /etc/passwd}\n  - {name: b, socket: /b, file: /etc//passwd}\n",
	 3,
	 {"disks[1].file", "/etc//passwd", "line 2"}},
};

/* The line a message names, 0 where it names none: "/path:LINE: ...". */
static unsigned line_in(const char *text)
{
	const char *colon = strchr(text, ':');

	return colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
}

static void bad_configurations(void **state)
{
	unsigned failures = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct bad *bad = &cases[i];
		struct config *config = NULL;
		struct error err;
		bool good = true;

		good = load_text(bad->text, &config, &err) < 0 && !config && line_in(err.text) == bad->line;
		for (unsigned j = 0; j < 4 && bad->words[j] && good; j++)
			good = strstr(err.text, bad->words[j]) != NULL;
		config_free(config);
		if (good)
			continue;
		failures++;
		print_error("expected line %u and \"%s\" ...\n  got: %s\n  for:\n%s\n", bad->line, bad->words[0],
			    config ? "(accepted)" : err.text, bad->text);
	}
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_configurations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
