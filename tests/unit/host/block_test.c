/* SPDX-License-Identifier: Apache-2.0 */
#include "host/block.h"
#include "made.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static struct tree *tree;
static struct host_blocks blocks;

static int set_up(void **state)
{
	(void)state;
	tree = fixture_open("devices");
	if (!tree)
		return -1;
	host_blocks_read(tree, &blocks);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tree_close(tree);
	return 0;
}

static const struct host_block *find(const char *name)
{
	const struct host_block *block = host_block_find(&blocks, name);

	assert_non_null(block);
	return block;
}

static const struct {
	const char *name;
	enum host_block_kind kind;
	const char *below[2], *dm, *transport, *content;
} stacks[] = {
	{"nvme0n1", HOST_BLOCK_DISK, {NULL}, NULL, "pcie", NULL},
	{"nvme0n1p1", HOST_BLOCK_PARTITION, {"nvme0n1"}, NULL, "pcie", "vfat"},
	{"nvme0n1p2", HOST_BLOCK_PARTITION, {"nvme0n1"}, NULL, "pcie", "crypto_LUKS"},
	{"dm-0", HOST_BLOCK_DM, {"nvme0n1p2"}, "CRYPT", NULL, "LVM2_member"},
	{"dm-1", HOST_BLOCK_DM, {"dm-0"}, "LVM", NULL, "ext4"},
	{"nvme1n1p1", HOST_BLOCK_PARTITION, {"nvme1n1"}, NULL, "pcie", NULL},
	{"sda1", HOST_BLOCK_PARTITION, {"sda"}, NULL, "sata", NULL},
	{"md0", HOST_BLOCK_MD, {"sda1", "sdb1"}, NULL, NULL, "xfs"},
	{"loop0", HOST_BLOCK_LOOP, {NULL}, NULL, NULL, NULL}, /* its document has a list for a word */
	{"zram0", HOST_BLOCK_OTHER, {NULL}, NULL, NULL, NULL},
};

static void stacks_are_followed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
		const struct host_block *block = find(stacks[i].name);
		unsigned below = 0;

		assert_int_equal(block->kind, stacks[i].kind);
		while (below < 2 && stacks[i].below[below])
			below++;
		assert_int_equal(block->below_count, below);
		while (below--)
			assert_string_equal(block->below[below], stacks[i].below[below]);
		same(block->dm_kind, stacks[i].dm);
		same(block->transport, stacks[i].transport);
		same(block->content, stacks[i].content);
	}
	same(find("dm-1")->dm_name, "vg-vm1");
	same(find("md0")->md_level, "raid1");
	assert_int_equal(find("md0")->md_degraded, 1);
	same(find("loop0")->loop_file, "/var/lib/images/vm2.raw");
	assert_int_equal(find("loop0")->loop_direct, 0);
	assert_null(find("loop1")->loop_file);
	assert_int_equal(find("loop1")->loop_direct, HOST_UNKNOWN);
}

/* Without its file nobody knows whether a loop device is read past the page cache. */
static void loop_that_is_not_told_of(void **state)
{
	struct host_blocks all;
	struct made made;

	(void)state;
	made_begin(&made);
	made_file(&made, "/sys/class/block/loop0/loop/backing_file", "/a\n");
	made_file(&made, "/sys/class/block/loop1/loop/backing_file", "/b\n");
	made_file(&made, "/sys/class/block/loop1/loop/dio", "1\n");
	made_open(&made);
	host_blocks_read(made.tree, &all);
	assert_int_equal(all.count, 2);
	assert_int_equal(all.block[0].loop_direct, HOST_UNKNOWN);
	assert_int_equal(all.block[1].loop_direct, 1);
	made_close(&made);
}

static void places_are_known(void **state)
{
	(void)state;
	same(find("nvme0n1p2")->controller, "nvme0");
	same(find("nvme0n1p2")->pci, "0000:01:00.0");
	assert_int_equal(find("nvme0n1p2")->node, 0);
	/* Several paths lead to it: that of its first controller. */
	same(find("nvme1n1")->controller, "nvme1");
	same(find("nvme1n1")->pci, "0000:81:00.0");
	assert_int_equal(find("nvme1n1")->node, 1);
	same(find("sdb1")->pci, "0000:00:1f.2");
	assert_int_equal(find("sdb1")->node, HOST_UNKNOWN);
	same(find("sdb1")->model, "ST4000NM");
	assert_null(find("dm-0")->pci);
	assert_ptr_equal(host_block_by_number(&blocks, 252, 1), find("dm-1"));
	assert_null(host_block_by_number(&blocks, 0, 0));
	assert_null(host_block_find(&blocks, "sdz"));
}

static void queues_of_partitions_are_their_disks(void **state)
{
	const struct host_block *disk = find("sda"), *part = find("sda1"), *fast = find("nvme0n1");

	(void)state;
	same(disk->scheduler, "mq-deadline");
	same(part->scheduler, "mq-deadline");
	assert_int_equal(part->rotational, 1);
	assert_int_equal(part->nr_requests, 64);
	assert_int_equal(part->physical_block, 4096);
	same(fast->scheduler, "none");
	assert_int_equal(fast->rotational, 0);
	assert_int_equal(fast->hardware_queues, 4);
	assert_int_equal(fast->wbt_lat_us, HOST_UNKNOWN);
	same(fast->write_cache, "write back");
	assert_null(find("md0")->scheduler);
	assert_int_equal(find("md0")->hardware_queues, HOST_UNKNOWN);
	assert_true(disk->size == 4000ull << 30);
}

static void alignment_goes_through_the_stack(void **state)
{
	(void)state;
	assert_int_equal(find("sda1")->aligned, 1);
	assert_int_equal(find("sda1")->start, 1 << 20);
	assert_int_equal(find("sda")->start, HOST_UNKNOWN);
	/* The kernel says -1 of it. */
	assert_int_equal(find("md0")->aligned, 0);
	/* Nothing says what its disk writes at once. */
	assert_int_equal(find("nvme1n1p1")->aligned, 1);
}

static void health_is_read_or_said_to_be_unknown(void **state)
{
	const struct host_block *fast = find("nvme0n1"), *other = find("nvme1n1");

	(void)state;
	assert_non_null(fast->nvme);
	assert_null(fast->nvme_unreadable);
	assert_int_equal(fast->nvme->critical_warning, 0);
	assert_int_equal(fast->nvme->error_log_entries, 7);
	assert_int_equal(fast->nvme->percent_used, 3);
	assert_null(other->nvme);
	assert_non_null(other->nvme_unreadable);
	assert_null(find("sda")->nvme);
	assert_null(find("sda")->nvme_unreadable);
}

static void controller_that_did_not_answer(void **state)
{
	struct host_blocks all;
	struct made made;

	(void)state;
	made_begin(&made);
	made_file(&made, "/sys/devices/pci0000:00/0000:00:01.0/nvme/nvme0/nvme0n1/size", "8\n");
	made_link(&made, "/sys/class/block/nvme0n1", "../../devices/pci0000:00/0000:00:01.0/nvme/nvme0/nvme0n1");
	made_file(&made, "/.strait/manifest.json",
		  "{\"version\":1,\"errors\":{\"/.strait/nvme/nvme0.json\":\"ETIMEDOUT\"}}");
	made_open(&made);
	host_blocks_read(made.tree, &all);
	assert_int_equal(all.count, 1);
	assert_string_equal(all.block[0].nvme_unreadable, "/dev/nvme0 did not answer in time");
	made_close(&made);
}

static void mounts_are_of_that_machine(void **state)
{
	const struct host_mount *root = host_mount_of(&blocks, "/etc/passwd");

	(void)state;
	assert_int_equal(blocks.mount_count, 9);
	assert_non_null(root);
	assert_string_equal(root->target, "/");
	/* "/dev/root" would be of the machine that the test runs on. */
	assert_string_equal(root->source, "/dev/dm-2");
	assert_string_equal(root->type, "ext4");
	assert_string_equal(blocks.mount[6].target, "/mnt/with blank");
}

static const struct {
	const char *path, *target;
} places[] = {
	{"/", "/"},
	{"/var/lib", "/var/lib"},
	{"/var/lib2/x", "/"},
	{"/var/lib/images/vm2.raw", "/var/lib/images"},
	{"/var/lib/imagesX", "/var/lib"},
	{"/boot/vmlinuz", "/boot"},
	{"/mnt/with blank/x", "/mnt/with blank"},
	{"/proc/1/status", "/proc"},
	{"relative", NULL},
	{"", NULL},
	{NULL, NULL},
};

static void path_lies_on_the_mount_that_is_seen(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct host_mount *mount = host_mount_of(&blocks, places[i].path);

		same(mount ? mount->target : NULL, places[i].target);
	}
	/* Two in the same place: the later one hides the other. */
	assert_string_equal(host_mount_of(&blocks, "/srv/vm.raw")->type, "tmpfs");
}

/* Parents that form a ring, as only a hostile capture has them. */
static void ring_of_mounts_ends(void **state)
{
	struct host_mount ring[] = {
		{.source = "", .target = "/", .type = "", .options = "", .id = 1, .parent = 9},
		{.source = "", .target = "/", .type = "", .options = "", .id = 2, .parent = 1},
		{.source = "", .target = "/", .type = "", .options = "", .id = 1, .parent = 2},
	};
	const struct host_blocks hostile = {.mount = ring, .mount_count = 3, .root = &ring[0]};

	(void)state;
	assert_non_null(host_mount_of(&hostile, "/a/b"));
}

static const struct {
	const char *path, *block;
} images[] = {
	{"/dev/nvme0n1p2", "nvme0n1p2"},
	{"/dev/mapper/vg-vm1", "dm-1"},
	{"/dev/vg/vm1", "dm-1"},
	{"/dev/vg/vm", NULL},
	{"/dev/vg-vm1", NULL},
	{"/var/lib/images/vm2.raw", "md0"},
	{"/home/vm.raw", "dm-2"},
	{"/srv/vm.raw", NULL}, /* tmpfs */
	{"vm.raw", NULL},
	{NULL, NULL},
};

static void path_leads_to_its_block_device(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		const struct host_block *block = host_block_of_path(tree, &blocks, images[i].path);

		same(block ? block->name : NULL, images[i].block);
	}
}

static void disks_at_the_bottom(void **state)
{
	const struct host_block *disks[4];

	(void)state;
	assert_int_equal(host_block_disks(&blocks, find("dm-1"), disks, 4), 1);
	assert_ptr_equal(disks[0], find("nvme0n1"));
	assert_int_equal(host_block_disks(&blocks, find("md0"), disks, 4), 2);
	assert_ptr_equal(disks[1], find("sdb"));
	assert_int_equal(host_block_disks(&blocks, find("md0"), disks, 1), 1);
	assert_int_equal(host_block_disks(&blocks, find("sda"), disks, 4), 1);
	assert_ptr_equal(disks[0], find("sda"));
}

/* As only a hostile capture has it: each is made of both, twice. */
static void ring_of_blocks_ends(void **state)
{
	const char *const both[] = {"a", "b", "a", "b"};
	struct host_block ring[] = {{.name = "a", .below = both, .below_count = 4},
				    {.name = "b", .below = both, .below_count = 4}};
	const struct host_blocks hostile = {.block = ring, .count = 2};
	const struct host_block *disks[4];

	(void)state;
	assert_int_equal(host_block_disks(&hostile, &ring[0], disks, 4), 0);
}

static void count_unreadable(void *context, const char *path, int error)
{
	(void)path;
	(void)error;
	++*(unsigned *)context;
}

/* A disk that udev has looked at is not read, since that may take for ever; of others udev knows nothing. */
static void what_udev_has_seen_is_not_read(void **state)
{
	static const char *const names[] = {"sda", "rbd0"};
	struct host_blocks made_blocks;
	unsigned unreadable = 0;
	struct made made;

	(void)state;
	made_begin(&made);
	for (unsigned i = 0; i < 2; i++) {
		char path[128], text[16];

		snprintf(path, sizeof(path), "/sys/class/block/%s/size", names[i]);
		made_file(&made, path, "2048\n");
		snprintf(path, sizeof(path), "/sys/class/block/%s/dev", names[i]);
		snprintf(text, sizeof(text), "8:%u\n", i);
		made_file(&made, path, text);
		snprintf(path, sizeof(path), "/run/udev/data/b8:%u", i);
		made_file(&made, path, "S:disk/by-id/x\nI:17\n");
		snprintf(path, sizeof(path), "/.strait/blkid/%s.json", names[i]);
		made_file(&made, path, "{\"type\":\"xfs\"}");
	}
	/* Nor is what is mounted, whoever may not read it. */
	made_file(&made, "/sys/class/block/sdb/size", "2048\n");
	made_file(&made, "/sys/class/block/sdb/dev", "8:16\n");
	made_file(&made, "/.strait/manifest.json",
		  "{\"version\":1,\"errors\":{\"/.strait/blkid/sdb.json\":\"EPERM\"}}");
	made_file(&made, "/proc/self/mountinfo", "27 1 8:16 / / rw - ext4 /dev/sdb rw\n");
	made_open(&made);
	host_blocks_read(made.tree, &made_blocks);
	same(host_block_find(&made_blocks, "sdb")->content, "ext4");
	tree_unreadable(made.tree, count_unreadable, &unreadable);
	assert_int_equal(unreadable, 0);
	assert_null(host_block_find(&made_blocks, "sda")->content);
	same(host_block_find(&made_blocks, "rbd0")->content, "xfs");
	made_close(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_udev_has_seen_is_not_read),
		cmocka_unit_test(stacks_are_followed),
		cmocka_unit_test(loop_that_is_not_told_of),
		cmocka_unit_test(places_are_known),
		cmocka_unit_test(queues_of_partitions_are_their_disks),
		cmocka_unit_test(alignment_goes_through_the_stack),
		cmocka_unit_test(health_is_read_or_said_to_be_unknown),
		cmocka_unit_test(controller_that_did_not_answer),
		cmocka_unit_test(mounts_are_of_that_machine),
		cmocka_unit_test(path_lies_on_the_mount_that_is_seen),
		cmocka_unit_test(ring_of_mounts_ends),
		cmocka_unit_test(path_leads_to_its_block_device),
		cmocka_unit_test(disks_at_the_bottom),
		cmocka_unit_test(ring_of_blocks_ends),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
