/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/capture.h"
#include "made.h"

/* Pack what a tree was asked for, and open that. */
static struct tree *again(struct tree *tree, struct capture *capture)
{
	static const char path[] = "/tmp/strait-capture-test";
	char name[64];
	struct tree *other;
	struct error err = {0};
	FILE *file;

	assert_int_equal(capture_pack(tree, capture, &err), 0);
	snprintf(name, sizeof(name), "%s-%d", path, getpid());
	file = fopen(name, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(capture->bytes, 1, capture->length, file), capture->length);
	assert_int_equal(fclose(file), 0);
	other = tree_open_capture(name, &err);
	if (!other)
		fail_msg("%s", err.text);
	unlink(name);
	return other;
}

static void make(struct made *made)
{
	char path[128];

	made_begin(made);
	made_file(made, "/sys/devices/pci0/block/sda/size", "2048\n");
	made_file(made, "/sys/devices/pci0/block/sda/never", "asked for\n");
	made_file(made, "/sys/devices/pci0/block/sda/queue/depth", "");
	made_file(made, "/sys/class/block/loop0/size", "0\n");
	made_file(made, "/sys/class/net/\xc3\xa4thernet/mtu", "1500\n");
	made_bytes(made, "/etc/binary", "a\0b", 3);
	made_file(made, "/.strait/qmp/7/query-block.json", "[]");
	snprintf(path, sizeof(path), "%s/sys/class/block/sda", made->path);
	assert_int_equal(symlink("../../devices/pci0/block/sda", path), 0);
	snprintf(path, sizeof(path), "%s/pipe", made->path);
	assert_int_equal(mkfifo(path, 0600), 0);
	made_open(made);
}

static ssize_t never(void *context, char **text)
{
	(void)context;
	(void)text;
	fail_msg("a capture is asked");
	return -EIO;
}

/* All that is asked of a tree here, with the answers of the one it was made of. */
static void ask(struct tree *tree)
{
	const char *const *names;
	const char *text;

	assert_int_equal(tree_list(tree, "/sys/class/block", &names), 2);
	assert_string_equal(names[0], "loop0");
	assert_string_equal(names[1], "sda");
	assert_int_equal(tree_number(tree, -1, "/sys/class/block/sda/size"), 2048);
	assert_string_equal(tree_resolve(tree, "/sys/class/block/sda"), "/sys/devices/pci0/block/sda");
	assert_int_equal(tree_read(tree, "/sys/devices/pci0/block/sda/queue/depth", &text), 0);
	assert_int_equal(tree_read(tree, "/sys/class/block/sda/none", &text), -ENOENT);
	assert_int_equal(tree_read(tree, "/sys/class/nothing/at/all", &text), -ENOENT);
	assert_int_equal(tree_read(tree, "/pipe", &text), -EINVAL);
	assert_true(tree_exists(tree, "/pipe"));
	assert_int_equal(tree_read(tree, "/etc/binary", &text), 3);
	assert_memory_equal(text, "a\0b", 4);
	assert_int_equal(tree_number(tree, -1, "/sys/class/net/\xc3\xa4thernet/mtu"), 1500);
	assert_int_equal(tree_ask(tree, &text, never, NULL, "qmp/7/query-block.json"), 2);
	assert_int_equal(tree_ask(tree, &text, never, NULL, "qmp/8/query-block.json"), -ENOENT);
}

static void a_capture_gives_the_same_answers(void **state)
{
	struct capture capture, second;
	struct tree *tree, *other;
	struct made made;

	(void)state;
	make(&made);
	ask(made.tree);
	tree = again(made.tree, &capture);
	ask(tree);
	/* And one of that does, too. */
	other = again(tree, &second);
	ask(other);
	tree_close(other);
	tree_close(tree);
	capture_free(&second);
	capture_free(&capture);
	made_close(&made);
}

static void what_nobody_asked_for_is_unknown(void **state)
{
	const char *const *names;
	struct capture capture;
	struct tree *tree;
	struct made made;
	const char *text;

	(void)state;
	make(&made);
	ask(made.tree);
	tree = again(made.tree, &capture);
	/* In a directory of which all names are known. */
	assert_int_equal(tree_read(tree, "/sys/class/block/loop0/size", &text), -ENODATA);
	assert_int_equal(tree_read(tree, "/sys/class/block/sdb", &text), -ENOENT);
	/* In others. */
	assert_int_equal(tree_read(tree, "/sys/devices/pci0/block/sda/never", &text), -ENODATA);
	assert_int_equal(tree_list(tree, "/sys/class/net", &names), -ENODATA);
	assert_int_equal(tree_list(tree, "/proc", &names), -ENODATA);
	assert_int_equal(tree_ask(tree, &text, never, NULL, "qmp/9/query-block.json"), -ENODATA);
	tree_close(tree);
	capture_free(&capture);
	made_close(&made);
}

static ssize_t count_up(void *context, char **text)
{
	return asprintf(text, "%d", ++*(int *)context);
}

static ssize_t refuse(void *context, char **text)
{
	(void)context;
	(void)text;
	return -EACCES;
}

static void samples_come_out_as_they_went_in(void **state)
{
	struct capture capture;
	struct tree *live, *tree;
	struct error err;
	uint64_t began[3];
	const char *text;
	int count = 0;

	(void)state;
	live = tree_open_live(&err);
	assert_non_null(live);
	for (int i = 0; i < 3; i++) {
		assert_true(i == 0 || tree_advance(live, 1000) == 0);
		began[i] = tree_sample_ns(live);
		assert_true(tree_ask_again(live, &text, count_up, &count, "counter") > 0);
		assert_int_equal(tree_ask_again(live, &text, refuse, NULL, "closed"), -EACCES);
		assert_true(tree_reread(live, &text, "/proc/uptime") > 0);
		assert_int_equal(tree_reread(live, &text, "/proc/no-such-file"), -ENOENT);
	}
	tree = again(live, &capture);
	for (int i = 0; i < 3; i++) {
		const char *old, expected[] = {(char)('1' + i), '\0'};

		assert_true(i == 0 || tree_advance(tree, 1000) == 0);
		assert_int_equal(tree_sample_ns(tree), began[i]);
		assert_int_equal(tree_ask_again(tree, &text, never, NULL, "counter"), 1);
		assert_string_equal(text, expected);
		assert_int_equal(tree_ask_again(tree, &text, never, NULL, "closed"), -EACCES);
		assert_true(tree_reread(tree, &text, "/proc/uptime") > 0);
		assert_int_equal(tree_reread(tree, &text, "/proc/no-such-file"), -ENOENT);
		assert_int_equal(tree_reread(tree, &text, "/proc/loadavg"), -ENODATA);
		assert_true(tree_read(tree, "/proc/uptime", &old) > 0);
	}
	assert_int_equal(tree_advance(tree, 1000), -ENOENT);
	assert_int_equal(tree_sample(tree), 2);
	tree_close(tree);
	tree_close(live);
	capture_free(&capture);
}

/* Whoever starts a process that is called like QEMU chooses names of documents. */
static void names_that_are_no_text(void **state)
{
	struct capture capture;
	struct tree *live, *tree;
	struct error err;
	const char *text;
	int count = 0;

	(void)state;
	live = tree_open_live(&err);
	assert_int_equal(tree_ask(live, &text, refuse, NULL, "image/a\xff"), -EACCES);
	assert_true(tree_ask(live, &text, count_up, &count, "image/b\xff") > 0);
	assert_false(tree_exists(live, "/nobody/has/\xff"));
	assert_false(tree_exists(live, "/proc/\xff"));
	tree = again(live, &capture);
	assert_int_equal(tree_ask(tree, &text, never, NULL, "image/a\xff"), -ENODATA);
	assert_int_equal(tree_ask(tree, &text, never, NULL, "image/b\xff"), 1);
	tree_close(tree);
	tree_close(live);
	capture_free(&capture);
}

static void secrets_are_left_out(void **state)
{
#define ARGUMENTS(text) text, sizeof(text) - 1
	static const char qemu[] =
		"qemu-system-x86_64\0-object\0secret,id=s0,data=Zm9v,,bar,format=base64\0-vnc\0"
		":0,password=on\0-spice\0port=1,password=horse\"x\0-append\0root=/dev/vda key=1\0"
		"-drive\0file=https://me:pass@host/x,if=none\0-drive\0file=rbd:pool/image:key=AQA==\0"
		"-fw_cfg\0name=opt/x,string=hush\0-device\0virtio-blk-pci,serial=data\0";
	static const char qemu_clean[] =
		"qemu-system-x86_64\0-object\0secret,id=s0,data=***,format=base64\0-vnc\0"
		":0,password=on\0-spice\0port=1,password=***\0-append\0***\0"
		"-drive\0file=https://me:***@host/x,if=none\0-drive\0file=rbd:pool/image:key=***\0"
		"-fw_cfg\0name=opt/x,string=***\0-device\0virtio-blk-pci,serial=data\0";
	static const char json[] =
		"/usr/bin/qemu-kvm\0-object\0{\"qom-type\":\"secret\",\"id\":\"a\",\"data\":\"x\\\"y,z\","
		"\"loaded\":true}\0";
	static const char json_clean[] =
		"/usr/bin/qemu-kvm\0-object\0{\"qom-type\":\"secret\",\"id\":\"a\",\"data\":\"***\","
		"\"loaded\":true}\0";
	static const char iscsi[] =
		"qemu-system-x86_64\0--append\0hush\0-drive\0"
		"file=iscsi://me%pass@10.0.0.1/iqn.a/0,if=none\0-drive\0file=iscsi://10.0.0.1/iqn.a/0\0"
		"-machine\0q35,kernel=/k,append=a=hush\0";
	static const char iscsi_clean[] =
		"qemu-system-x86_64\0--append\0***\0-drive\0"
		"file=iscsi://me%***@10.0.0.1/iqn.a/0,if=none\0-drive\0file=iscsi://10.0.0.1/iqn.a/0\0"
		"-machine\0q35,kernel=/k,append=***\0";
	static const char cloud[] = "cloud-hypervisor\0--cmdline\0hush\0--cmdline=hush a\0--platform\0"
				    "oem_strings=[io.x=hush,b],uuid=1\0";
	static const char cloud_clean[] = "cloud-hypervisor\0--cmdline\0***\0--cmdline=***\0--platform\0"
					  "oem_strings=***,uuid=1\0";
	static const char kernel[] =
		"quiet systemd.set_credential=a.b:hush,er netroot=iscsi:me:hush@10.0.0.1::3260 "
		"inst.vncpassword=\"hu sh\" isolcpus=2-5,7 systemd.set_credential_binary=a:aHVzaA==\n";
	static const char kernel_clean[] =
		"quiet systemd.set_credential=*** netroot=iscsi:me:***@10.0.0.1::3260 "
		"inst.vncpassword=\"***\" isolcpus=2-5,7 systemd.set_credential_binary=***\n";
	static const char other[] = "/usr/bin/psql\0--password\0hunter2\0";
	static const struct {
		const char *path, *text;
		size_t length;
		const char *clean;
		size_t clean_length;
		const char *what;
	} cases[] = {
		{"/proc/7/cmdline", ARGUMENTS(qemu), ARGUMENTS(qemu_clean), "6 secrets"},
		{"/.strait/samples/2/proc/7/cmdline", ARGUMENTS(qemu), ARGUMENTS(qemu_clean), "6 secrets"},
		{"/proc/8/cmdline", ARGUMENTS(json), ARGUMENTS(json_clean), "1 secret"},
		{"/proc/8/cmdline", ARGUMENTS(iscsi), ARGUMENTS(iscsi_clean), "3 secrets"},
		{"/proc/8/cmdline", ARGUMENTS(cloud), ARGUMENTS(cloud_clean), "3 secrets"},
		{"/proc/cmdline", ARGUMENTS(kernel), ARGUMENTS(kernel_clean), "4 secrets"},
		{"/.strait/qmp/7/query-block.json", ARGUMENTS("\"file\": \"iscsi://me%pass@10.0.0.1/iqn.a/0\""),
		 ARGUMENTS("\"file\": \"iscsi://me%***@10.0.0.1/iqn.a/0\""), "1 secret"},
		{"/proc/9/cmdline", ARGUMENTS(other), ARGUMENTS("/usr/bin/psql\0"), "its arguments"},
		{"/proc/cmdline", ARGUMENTS("quiet rd.iscsi.password=hunter2 root=/dev/sda1 isolcpus=2-5\n"),
		 ARGUMENTS("quiet rd.iscsi.password=*** root=/dev/sda1 isolcpus=2-5\n"), "1 secret"},
		{"/.strait/libvirt/a.xml", ARGUMENTS("<graphics type='vnc' passwd='hunter2'/>\n<disk/>"),
		 ARGUMENTS("<graphics type='vnc' passwd='***'/>\n<disk/>"), "1 secret"},
		{"/.strait/libvirt/b.xml", ARGUMENTS("<arg value='secret,id=s,data=a&amp;b'/>"),
		 ARGUMENTS("<arg value='secret,id=s,data=***'/>"), "1 secret"},
		{"/.strait/qmp/7/query-block.json",
		 ARGUMENTS("{\"file\":\"json:{\\\"driver\\\":\\\"https\\\",\\\"password\\\":\\\"a "
			   "b\\\"}\",\"data\":{\"a\":1},"
			   "\"token\":17,\"password-secret\":\"s0\"}"),
		 ARGUMENTS("{\"file\":\"json:{\\\"driver\\\":\\\"https\\\",\\\"password\\\":\\\"***\\\"}\",\"data\":{"
			   "\"a\":1},"
			   "\"token\":17,\"password-secret\":\"s0\"}"),
		 "1 secret"},
		{"/sys/kernel/x", ARGUMENTS("password=word\n"), ARGUMENTS("password=word\n"), NULL},
		{"/proc/1/status", ARGUMENTS("Name: token: x\n"), ARGUMENTS("Name: token: x\n"), NULL},
		{"/.strait/a", ARGUMENTS("password="), ARGUMENTS("password="), NULL},
		{"/.strait/a", ARGUMENTS("{\"password\":\""), ARGUMENTS("{\"password\":\""), NULL},
		{"/.strait/a", ARGUMENTS("{\"password\":\"x\\"), ARGUMENTS("{\"password\":\"***"), "1 secret"},
		{"/.strait/a", ARGUMENTS("://"), ARGUMENTS("://"), NULL},
		{"/.strait/a", ARGUMENTS(""), ARGUMENTS(""), NULL},
	};
	struct error err;
	struct tree *tree = tree_open_live(&err);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = cases[i].length;
		const char *what, *clean = capture_clean(tree, cases[i].path, cases[i].text, &length, &what);

		print_message("%s: %.*s\n", cases[i].path, (int)length, clean);
		assert_int_equal(length, cases[i].clean_length);
		assert_memory_equal(clean, cases[i].clean, length);
		if (cases[i].what)
			assert_string_equal(what, cases[i].what);
		else
			assert_null(what);
	}
	tree_close(tree);
}

/* An archive that is not written by us, of the size of a megabyte. */
static void truncated_captures_are_refused(void **state)
{
	static char big[300000];
	struct capture capture;
	struct made made;
	struct error err;
	const char *text;
	char name[64];

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(rand() % 256);
	made_begin(&made);
	made_bytes(&made, "/etc/big", big, sizeof(big));
	made_open(&made);
	assert_int_equal(tree_read(made.tree, "/etc/big", &text), sizeof(big));
	assert_int_equal(capture_pack(made.tree, &capture, &err), 0);
	snprintf(name, sizeof(name), "%s/cut", made.path);
	for (size_t length = 0; length < capture.length; length += 1 + length / 3) {
		struct tree *tree;
		FILE *file = fopen(name, "w");

		assert_int_equal(fwrite(capture.bytes, 1, length, file), length);
		assert_int_equal(fclose(file), 0);
		err = (struct error){0};
		tree = tree_open_capture(name, &err);
		assert_null(tree);
		assert_true(err.code < 0);
		assert_non_null(strstr(err.text, name));
	}
	capture_free(&capture);
	made_close(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_capture_gives_the_same_answers), cmocka_unit_test(what_nobody_asked_for_is_unknown),
		cmocka_unit_test(samples_come_out_as_they_went_in), cmocka_unit_test(secrets_are_left_out),
		cmocka_unit_test(truncated_captures_are_refused),   cmocka_unit_test(names_that_are_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
