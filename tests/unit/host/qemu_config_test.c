/* SPDX-License-Identifier: Apache-2.0 */
/* Files of options, QEMU's -readconfig. */
#include "host/qemu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "made.h"

static const struct {
	const char *text, *json;
} configs[] = {
	{"", "{\"groups\":[]}"},
	{"# remark\n\n[machine]\n  type = \"q35\"\n accel = \"kvm\"\n",
	 "{\"groups\":[{\"group\":\"machine\",\"keys\":{\"type\":\"q35\",\"accel\":\"kvm\"}}]}"},
	{"[device \"vda\"]\n driver = \"virtio-blk-pci\"\n drive = \"a\"\n drive = \"b\"",
	 "{\"groups\":[{\"group\":\"device\",\"keys\":{\"id\":\"vda\",\"driver\":\"virtio-blk-pci\",\"drive\":\"b\"}}]"
	 "}"},
	{"[global]\n empty = \"\"\n", "{\"groups\":[{\"group\":\"global\",\"keys\":{\"empty\":\"\"}}]}"},
	/* Somebody else's file: nothing of it is kept. */
	{"[client]\n user = \"root\"\n[mysql]\n password = \"x\"\n", "{\"groups\":[]}"},
	{"root:$6$x:19000:0:99999:7:::\n", NULL},
	{"driver = \"virtio-blk-pci\"\n", NULL},
	{"[device\n \n", NULL},
};

static void configs_are_read_as_qemu_does(void **state)
{
	char large[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
		json_t *read = qemu_config_describe(configs[i].text, strlen(configs[i].text));
		char *text = read ? json_dumps(read, JSON_COMPACT) : NULL;

		if (configs[i].json)
			assert_string_equal(text, configs[i].json);
		else
			assert_null(read);
		free(text);
		json_decref(read);
	}
	memset(large, '#', sizeof(large));
	assert_null(qemu_config_describe(large, sizeof(large)));
}

static const char *unreadable(const struct made *made, const char *text, size_t length)
{
	struct guest guest = {.pid = 7};

	qemu_guest_read(made->tree, qemu_command_read(made->tree, 7, text, length), &guest);
	return guest.unreadable;
}

#define UNREADABLE(made, text) unreadable(made, text, sizeof(text))

/* One that nobody could read, and more than anybody has. */
static void configs_that_are_not_known(void **state)
{
	char many[1000 * sizeof("-readconfig\0/a")];
	struct made made;

	(void)state;
	made_begin(&made);
	made_file(&made, "/.strait/readconfig/7/0.json", "{\"groups\":[]}");
	made_file(&made, "/.strait/readconfig/7/1.json", "{\"groups\":{\"group\":\"device\"}}");
	made_open(&made);
	assert_null(UNREADABLE(&made, "qemu\0-readconfig\0/a"));
	assert_null(UNREADABLE(&made, "qemu\0-readconfig\0/a\0-readconfig\0/b"));
	assert_string_equal(UNREADABLE(&made, "qemu\0-readconfig\0/a\0-readconfig\0/b\0-readconfig\0/c"),
			    "what its -readconfig /c adds is not known");
	assert_null(
		UNREADABLE(&made, "qemu\0-readconfig\0/a\0-readconfig\0/b\0-readconfig\0/c\0-qmp\0unix:/q,server=on"));
	for (size_t i = 0; i < sizeof(many); i += sizeof("-readconfig\0/a"))
		memcpy(many + i, "-readconfig\0/a", sizeof("-readconfig\0/a"));
	assert_non_null(unreadable(&made, many, sizeof(many)));
	made_close(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configs_are_read_as_qemu_does),
		cmocka_unit_test(configs_that_are_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
