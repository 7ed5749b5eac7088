/* SPDX-License-Identifier: Apache-2.0 */
#include "host/qemu_option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "made.h"

static struct made made;

static int set_up(void **state)
{
	(void)state;
	made_begin(&made);
	made_open(&made);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	made_close(&made);
	return 0;
}

static const struct {
	const char *text, *implied, *key, *value; /* value NULL: there is no such key */
} keys[] = {
	{"virtio-blk-pci,drive=d0", "driver", "driver", "virtio-blk-pci"},
	{"virtio-blk-pci,drive=d0", "driver", "drive", "d0"},
	{"file=/a,,b=c,if=none", NULL, "file", "/a,b=c"},
	{"file=/a,,,if=none", NULL, "file", "/a,"},
	{"file=/a,,,if=none", NULL, "if", "none"},
	{"if=none,file=", NULL, "file", ""},
	{"cache=none,cache=unsafe", NULL, "cache", "unsafe"},
	{"unix:/x,server,nowait", "path", "server", "on"},
	{"unix:/x,server,nowait", "path", "wait", "off"},
	{"a,b", NULL, "a", "on"},
	{"a,,b", "first", "first", "a,b"},
	{"", "first", "first", NULL},
	{",,,,", "first", "first", ",,"},
	{"x=1", NULL, "y", NULL},
	{"{\"driver\":\"nvme\",\"n\":4,\"on\":true,\"off\":false,\"none\":null}", "driver", "driver", "nvme"},
	{"{\"driver\":\"nvme\",\"n\":4,\"on\":true,\"off\":false,\"none\":null}", "driver", "n", "4"},
	{"{\"driver\":\"nvme\",\"n\":4,\"on\":true,\"off\":false,\"none\":null}", "driver", "on", "on"},
	{"{\"driver\":\"nvme\",\"n\":4,\"on\":true,\"off\":false,\"none\":null}", "driver", "off", "off"},
	{"{\"driver\":\"nvme\",\"n\":4,\"on\":true,\"off\":false,\"none\":null}", "driver", "none", ""},
	{"{\"file\":{\"driver\":\"file\",\"filename\":\"/a,b\"}}", NULL, "file.filename", "/a,b"},
	{"{\"iothread-vq-mapping\":[{\"iothread\":\"a\"},{\"iothread\":\"b\",\"vqs\":[0,3]}]}", NULL,
	 "iothread-vq-mapping.1.iothread", "b"},
	{"{\"iothread-vq-mapping\":[{\"iothread\":\"a\"},{\"iothread\":\"b\",\"vqs\":[0,3]}]}", NULL,
	 "iothread-vq-mapping.1.vqs.1", "3"},
	{"{\"broken\":", NULL, "broken", NULL},
	{"{}", NULL, "", NULL},
};

static void values_of_keys(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct qemu_keys read = qemu_keys_read(made.tree, keys[i].text, keys[i].implied);
		const char *value = qemu_key(&read, keys[i].key);

		if (!keys[i].value)
			assert_null(value);
		else if (!value)
			fail_msg("%s has no %s", keys[i].text, keys[i].key);
		else
			assert_string_equal(value, keys[i].value);
	}
}

static const struct {
	const char *text;
	uint64_t unit, size;
} sizes[] = {
	{"4096", 1, 4096},       {"512", 1 << 20, 512ull << 20},
	{"1.5G", 1, 3ull << 29}, {"2k", 1, 2048},
	{"1T", 1, 1ull << 40},   {"8E", 1, 77}, /* does not fit: the fallback */
	{"10X", 1, 77},          {"", 1, 77},
	{"-1", 1, 77},           {"4GB", 1, 77},
	{"1e400", 1, 77},        {"nan", 1, 77},
	{"0x10", 1, 16},
};

static void sizes_have_suffixes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(qemu_size(sizes[i].text, sizes[i].unit, 77), sizes[i].size);
	assert_int_equal(qemu_size(NULL, 1, 77), 77);
}

static void numbers_and_answers(void **state)
{
	(void)state;
	assert_int_equal(qemu_number("4", -1), 4);
	assert_int_equal(qemu_number("0x20", -1), 32);
	assert_int_equal(qemu_number("4x", -1), -1);
	assert_int_equal(qemu_number("99999999999999999999", -1), -1);
	assert_int_equal(qemu_answer("yes", HOST_UNKNOWN), 1);
	assert_int_equal(qemu_answer("off", HOST_UNKNOWN), 0);
	assert_int_equal(qemu_answer("perhaps", HOST_UNKNOWN), HOST_UNKNOWN);
}

/* Flags take no word, other options one; with one dash or two; an image may stand alone. */
static void words_become_options(void **state)
{
	static const char text[] = "qemu\0-enable-kvm\0-m\0004G\0--smp\0cpus=2\0disk.img\0-snapshot\0-name\0x,y=z\0-S";
	const struct qemu_command *command = qemu_command_read(made.tree, 7, text, sizeof(text));

	(void)state;
	assert_string_equal(command->binary, "qemu");
	assert_int_equal(command->count, 7);
	assert_string_equal(command->option[0].name, "enable-kvm");
	assert_string_equal(qemu_option_key(command, "m", "size"), "4G");
	assert_string_equal(qemu_option_key(command, "smp", "cpus"), "2");
	assert_string_equal(command->option[3].name, "hda");
	assert_string_equal(command->option[3].text, "disk.img");
	assert_string_equal(qemu_option_key(command, "name", "guest"), "x");
	assert_non_null(qemu_option_find(command, "S"));
	assert_null(qemu_option_find(command, "snapshots"));
}

/* Whether a word behind the option is its argument. */
static bool takes_word(const char *option)
{
	char text[256];
	const int length = snprintf(text, sizeof(text), "qemu%c-%s%cWORD", '\0', option, '\0');
	const struct qemu_command *command = qemu_command_read(made.tree, 7, text, (size_t)length + 1);

	return command->count == 1 && strcmp(command->option[0].text, "WORD") == 0;
}

/* Options before and after 7.2. */
static void flags_of_other_versions(void **state)
{
	static const char *const flags[] = {"jitdump", "perfmap", "rtc-td-hack", "show-cursor", "no-kvm-irqchip"};

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		assert_false(takes_word(flags[i]));
}

/* What an option does is said from this column on; a longer name is followed by more than one space. */
#define COLUMN 16

/* "-m [size=]megs", "-daemonize      daemonize QEMU", "-dtb    file    use 'file'", "-fda/-fdb file" */
static void check_help(const char *line)
{
	const size_t name = strcspn(line, " /\n"), both = strcspn(line, " \n");
	const size_t argument = both + strspn(line + both, " ");
	const bool takes = line[argument] != '\n' && argument < (both < COLUMN ? COLUMN : both + 2);
	char option[64];

	snprintf(option, sizeof(option), "%.*s", (int)(name - 1), line + 1);
	if (takes_word(option + (*option == '-')) != takes)
		fail_msg("QEMU says of %s that it takes %s", option, takes ? "a word" : "none");
}

static void as_qemu_says_itself(void **state)
{
	FILE *help = popen("qemu-system-x86_64 --help 2>/dev/null", "re");
	char line[4096];
	unsigned options = 0;

	(void)state;
	assert_non_null(help);
	while (fgets(line, sizeof(line), help)) {
		if (line[0] != '-' || strncmp(line, "-h or ", 6) == 0)
			continue;
		check_help(line);
		options++;
	}
	if (pclose(help) != 0 && !options)
		skip();
	assert_in_range(options, 100, 1000);
}

static void lists_of_numbers(void **state)
{
	static const char *const forms[] = {"host-nodes=0-1,host-nodes=3",
					    "host-nodes.0=0,host-nodes.1=1,host-nodes.2=3", "{\"host-nodes\":[0,1,3]}"};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const struct qemu_keys read = qemu_keys_read(made.tree, forms[i], NULL);
		const struct cpu_list list = qemu_list(made.tree, &read, "host-nodes");

		assert_string_equal(cpu_list_format(made.tree, &list), "0-1,3");
	}
}

/* What was not written by QEMU's users: no end, no bounds, much of everything. */
static void hostile_words(void **state)
{
	enum { LENGTH = 1 << 20 };
	char *text = malloc(LENGTH);
	const struct qemu_command *command;
	struct qemu_keys read;

	(void)state;
	assert_int_equal(qemu_command_read(made.tree, 7, "", 0)->count, 0);
	command = qemu_command_read(made.tree, 7, "qemu\0-device", 12);
	assert_int_equal(command->count, 1);
	memset(text, 'x', LENGTH);
	for (unsigned i = 0; i < LENGTH; i += 2)
		text[i] = '\0';
	assert_true(qemu_command_read(made.tree, 7, text, LENGTH)->count < QEMU_WORDS_MAX);
	memset(text, ',', LENGTH - 1);
	for (unsigned i = 0; i < LENGTH - 1; i += 2)
		text[i] = 'a';
	text[LENGTH - 1] = '\0';
	read = qemu_keys_read(made.tree, text, NULL);
	assert_in_range(read.count, 1, QEMU_KEYS_MAX);
	memset(text, '[', LENGTH - 1);
	memcpy(text, "{\"a\":", 5);
	assert_int_equal(qemu_keys_read(made.tree, text, NULL).count, 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_keys),          cmocka_unit_test(sizes_have_suffixes),
		cmocka_unit_test(numbers_and_answers),     cmocka_unit_test(words_become_options),
		cmocka_unit_test(flags_of_other_versions), cmocka_unit_test(as_qemu_says_itself),
		cmocka_unit_test(lists_of_numbers),        cmocka_unit_test(hostile_words),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
