/* SPDX-License-Identifier: Apache-2.0 */
/* Guests by their processes: who they are, which threads they have, where their memory lies, and what QMP has said. */
#include "host/guest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/cpu.h"
#include "host/model_json.h"
#include "host/process.h"
#include "host/qemu.h"
#include "made.h"

#define QEMU                                                                                                           \
	"qemu-system-x86_64\0-name\0db\0-smp\0002\0-object\0iothread,id=a-very-long-name\0-object\0iothread,id=io2\0"  \
	"-qmp\0unix:/q,server=on\0-drive\0file=/a.qcow2,if=none,id=d0\0-device\0virtio-blk-pci,drive=d0,id=vda\0"      \
	"-drive\0file=/b,if=none,id=d1\0-device\0scsi-hd,drive=d1,id=gone\0-device\0virtio-scsi-pci,id=scsi0\0"        \
	"-m\0001G\0-object\0memory-backend-file,id=m,size=1G,mem-path=/dev/hugepages"

static void add_task(const struct made *made, int pid, int tid, const char *comm, const char *cpus)
{
	char path[128], text[128];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, tid);
	snprintf(text, sizeof(text), "%s\n", comm);
	made_file(made, path, text);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	snprintf(text, sizeof(text), "Name:\t%s\nCpus_allowed:\tff\nCpus_allowed_list:\t%s\nMems:\t1\n", comm, cpus);
	made_file(made, path, text);
}

static const struct guest *read_one(struct made *made, const char *command, size_t length)
{
	struct host_guests *guests;

	made_bytes(made, "/proc/7/cmdline", command, length);
	made_open(made);
	guests = tree_alloc(made->tree, sizeof(*guests));
	host_guests_read(made->tree, guests);
	assert_int_equal(guests->count, 1);
	assert_int_equal(guests->guest[0].pid, 7);
	return &guests->guest[0];
}

static void assert_thread(struct tree *tree, const struct guest_thread *thread, int tid, const char *cpus)
{
	assert_int_equal(thread->tid, tid);
	assert_string_equal(cpu_list_format(tree, &thread->allowed), cpus);
}

/* Names of threads are cut off at 15 characters. */
static void threads_by_name(void **state)
{
	const struct guest *guest;
	struct made made;

	(void)state;
	made_begin(&made);
	add_task(&made, 7, 7, "qemu-system-x86", "0-7");
	add_task(&made, 7, 8, "CPU 1/KVM", "3");
	add_task(&made, 7, 9, "CPU 0/KVM", "2");
	add_task(&made, 7, 10, "IO a-very-long-", "0-1");
	add_task(&made, 7, 11, "IO io2", "1");
	add_task(&made, 7, 12, "CPU 99/KVM", "1");
	made_file(&made, "/proc/8/cmdline", "bash");
	guest = read_one(&made, QEMU, sizeof(QEMU));
	assert_string_equal(guest->name, "db");
	assert_thread(made.tree, &guest->vcpu[0], 9, "2");
	assert_thread(made.tree, &guest->vcpu[1], 8, "3");
	assert_thread(made.tree, &guest->iothread[0], 10, "0-1");
	assert_thread(made.tree, &guest->iothread[1], 11, "1");
	assert_int_equal(guest->other_count, 2);
	assert_int_equal(guest->other[1].tid, 12);
	made_close(&made);
}

static void take_error(void *context, const char *path, int error)
{
	if (strcmp(path, "/proc/7/task") == 0)
		*(int *)context = error;
}

/* What is left out is said. */
static void more_threads_than_are_read(void **state)
{
	const struct guest *guest;
	struct made made;
	int error = 0;

	(void)state;
	made_begin(&made);
	for (int tid = 1; tid <= 16385; tid++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/7/task/%d", tid);
		made_file(&made, path, "");
	}
	guest = read_one(&made, QEMU, sizeof(QEMU));
	assert_int_equal(guest->other_count, 16384);
	tree_unreadable(made.tree, take_error, &error);
	assert_int_equal(error, -E2BIG);
	made_close(&made);
}

/* Without names KVM's statistics say which thread is which vCPU. */
static void threads_by_kvm(void **state)
{
	const struct guest *guest;
	struct made made;

	(void)state;
	made_begin(&made);
	add_task(&made, 7, 7, "qemu-system-x86", "0-7");
	add_task(&made, 7, 8, "qemu-system-x86", "3");
	add_task(&made, 7, 9, "qemu-system-x86", "2");
	made_file(&made, "/sys/kernel/debug/kvm/7-12/vcpu0/pid", "9\n");
	made_file(&made, "/sys/kernel/debug/kvm/7-12/vcpu1/pid", "8\n");
	made_file(&made, "/sys/kernel/debug/kvm/6-12/vcpu1/pid", "7\n");
	/* before Linux 6.4 vhost's threads are the kernel's */
	add_task(&made, 99, 99, "vhost-7", "4");
	made_file(&made, "/proc/99/comm", "vhost-7\n");
	made_file(&made, "/.strait/processes.json",
		  "{\"processes\":[{\"pid\":7,\"hypervisor\":\"qemu\"}],\"vhost\":[{\"pid\":99,\"of\":7},{\"pid\":98,"
		  "\"of\":6}]}");
	guest = read_one(&made, QEMU, sizeof(QEMU));
	assert_thread(made.tree, &guest->vcpu[0], 9, "2");
	assert_thread(made.tree, &guest->vcpu[1], 8, "3");
	assert_int_equal(guest->other_count, 2);
	assert_thread(made.tree, &guest->other[1], 99, "4");
	assert_string_equal(guest->other[1].name, "vhost-7");
	assert_int_equal(guest->iothread[0].tid, HOST_UNKNOWN);
	made_close(&made);
}

static void places_of_memory(void **state)
{
	const struct guest *guest;
	struct made made;

	(void)state;
	made_begin(&made);
	made_file(&made, "/proc/7/numa_maps",
		  "55d0 default file=/usr/bin/qemu mapped=100 N0=100 kernelpagesize_kB=4\n"
		  "7f00 bind:1 file=/dev/hugepages/qemu_back_mem.m.x\\040(deleted) huge dirty=3 N0=1 N1=2 "
		  "kernelpagesize_kB=2048\n"
		  "7f10 default anon=10 dirty=10 N1=10 kernelpagesize_kB=4\n"
		  "7f20 default file=/memfd:m\\040(deleted) dirty=5 N0=5 kernelpagesize_kB=4\n"
		  "7f30 default N99=5 anon=5 kernelpagesize_kB=4\n");
	made_file(&made, "/proc/7/smaps_rollup",
		  "55d0-7fff ---p [rollup]\nRss: 9 kB\nAnonHugePages:      2048 kB\nShmemPmdMapped:     4096 kB\n");
	guest = read_one(&made, QEMU, sizeof(QEMU));
	assert_int_equal(guest->memory.place_count, 2);
	assert_int_equal(guest->memory.place[0].bytes, (2 << 20) + 5 * 4096);
	assert_int_equal(guest->memory.place[1].bytes, (4 << 20) + 10 * 4096);
	assert_int_equal(guest->memory.huge_bytes, 12 << 20);
	made_close(&made);
	made_begin(&made);
	guest = read_one(&made, QEMU, sizeof(QEMU));
	assert_int_equal(guest->memory.place_count, 0);
	assert_true(guest->memory.huge_bytes == (uint64_t)HOST_UNKNOWN);
	made_close(&made);
	/* Transparent huge pages are told of in another file. */
	made_begin(&made);
	made_file(&made, "/proc/7/numa_maps", "7f00 default anon=10 dirty=10 N1=10 kernelpagesize_kB=4\n");
	guest = read_one(&made, QEMU, sizeof(QEMU));
	assert_int_equal(guest->memory.place_count, 1);
	assert_true(guest->memory.huge_bytes == (uint64_t)HOST_UNKNOWN);
	made_close(&made);
	/* More than there is. */
	made_begin(&made);
	made_file(&made, "/proc/7/numa_maps", "7f00 default anon=10 dirty=10 N1=10 kernelpagesize_kB=4\n");
	made_file(&made, "/proc/7/smaps_rollup", "Rss: 9 kB\nAnonHugePages: 18014398509481985 kB\n");
	guest = read_one(&made, QEMU, sizeof(QEMU));
	assert_true(guest->memory.huge_bytes == (uint64_t)HOST_UNKNOWN);
	made_close(&made);
}

static void add_answers(const struct made *made)
{
	made_file(made, "/.strait/qmp/7/query-version.json", "{\"qemu\":{\"major\":8,\"minor\":1,\"micro\":2}}");
	made_file(made, "/.strait/qmp/7/query-status.json", "{\"status\":\"paused\",\"running\":false}");
	made_file(made, "/.strait/qmp/7/query-kvm.json", "{\"enabled\":true,\"present\":true}");
	made_file(made, "/.strait/qmp/7/query-cpus-fast.json",
		  "[{\"cpu-index\":0,\"thread-id\":21},{\"cpu-index\":1,\"thread-id\":22},{\"cpu-index\":2,\"thread-"
		  "id\":23}]");
	made_file(made, "/.strait/qmp/7/query-iothreads.json",
		  "[{\"id\":\"io2\",\"thread-id\":31,\"poll-max-ns\":0},{\"id\":\"io3\",\"thread-id\":32}]");
	made_file(made, "/.strait/qmp/7/query-memory-size-summary.json",
		  "{\"base-memory\":1073741824,\"plugged-memory\":536870912}");
	made_file(made, "/.strait/qmp/7/peripheral.json",
		  "[{\"name\":\"vda\",\"type\":\"child<virtio-blk-pci>\"},{\"name\":\"scsi0\",\"type\":\"child<virtio-"
		  "scsi-pci>\"},"
		  "{\"name\":\"new\",\"type\":\"child<virtio-blk-pci>\"},{\"name\":\"nic9\",\"type\":\"child<virtio-"
		  "net-pci>\"},"
		  "{\"name\":\"vf\",\"type\":\"child<vfio-pci>\"},{\"name\":\"type\",\"type\":\"string\"}]");
	made_file(made, "/.strait/qmp/7/query-block.json",
		  "[{\"device\":\"d0\",\"qdev\":\"/machine/peripheral/vda/virtio-backend\",\"inserted\":{\"iops\":0,"
		  "\"iops_rd\":7,\"iops_wr\":8,\"bps\":0,\"bps_rd\":0,\"bps_wr\":0,\"detect_zeroes\":\"unmap\","
		  "\"image\":{"
		  "\"filename\":\"/"
		  "snapshot\",\"format\":\"qcow2\",\"virtual-size\":100,\"actual-size\":10,\"cluster-size\":4096,"
		  "\"backing-image\":{\"filename\":\"/"
		  "a.qcow2\",\"format\":\"qcow2\",\"virtual-size\":9,\"actual-size\":9}}}},"
		  "{\"device\":\"\",\"qdev\":\"new\",\"inserted\":{\"ro\":true,\"cache\":{\"direct\":true,\"no-flush\":"
		  "false,"
		  "\"writeback\":true},\"image\":{\"filename\":\"/n\",\"format\":\"raw\"}}},7,null]");
	made_file(made, "/.strait/qmp/7/qom/machine/peripheral/vda/num-queues.json", "2");
	made_file(made, "/.strait/qmp/7/qom/machine/peripheral/new/iothread.json", "\"/objects/io3\"");
	made_file(made, "/.strait/qmp/7/qom/machine/peripheral/vf/host.json", "\"0000:02:00.1\"");
}

/* What was plugged in is there, what was pulled out is not. */
static void answers_of_qmp(void **state)
{
	const struct guest *guest;
	struct made made;

	(void)state;
	made_begin(&made);
	add_answers(&made);
	guest = read_one(&made, QEMU, sizeof(QEMU));
	assert_string_equal(guest->version, "8.1.2");
	assert_string_equal(guest->state, "paused");
	assert_string_equal(guest->accelerator, "kvm");
	assert_int_equal(guest->vcpu_count, 3);
	assert_int_equal(guest->vcpu[2].tid, 23);
	assert_int_equal(guest->iothread_count, 3);
	assert_int_equal(guest->iothread[1].poll_max_ns, 0);
	assert_string_equal(guest->iothread[2].name, "io3");
	assert_int_equal(guest->memory.size, 3ull << 29);
	assert_int_equal(guest->disk_count, 2);
	assert_int_equal(guest->disk[0].queues, 2);
	assert_int_equal(guest->disk[0].throttle.iops, 15);
	assert_string_equal(guest->disk[0].detect_zeroes, "unmap");
	assert_int_equal(guest->disk[0].image_count, 2);
	assert_string_equal(guest->disk[0].image[0].file, "/snapshot");
	assert_int_equal(guest->disk[0].image[0].preallocated, 0);
	assert_int_equal(guest->disk[0].image[1].preallocated, 1);
	assert_string_equal(guest->disk[1].id, "new");
	assert_string_equal(guest->disk[1].iothread, "io3");
	assert_string_equal(guest->disk[1].cache, "none");
	assert_int_equal(guest->disk[1].read_only, 1);
	assert_int_equal(guest->nic_count, 1);
	assert_string_equal(guest->nic[0].id, "nic9");
	assert_int_equal(guest->hostdev_count, 1);
	assert_string_equal(guest->hostdev[0].address, "0000:02:00.1");
	made_close(&made);
}

/* Of the wrong types: as if they were not there. */
static void nonsense_of_qmp(void **state)
{
	static const char *const names[] = {"query-version",   "query-status",    "query-kvm",
					    "query-cpus-fast", "query-iothreads", "query-memory-size-summary",
					    "peripheral",      "query-block"};
	static const char *const texts[] = {"{}",
					    "[]",
					    "7",
					    "\"x\"",
					    "[[[]]]",
					    "[{}]",
					    "{\"qemu\":[]}",
					    "[{\"id\":7}]",
					    "",
					    "[{\"cpu-index\":-1},{\"cpu-index\":1e99},{\"cpu-index\":9999999}]"};
	const struct guest *guest;

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct made made;
		json_t *json;

		made_begin(&made);
		for (unsigned k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
			char path[128];

			snprintf(path, sizeof(path), "/.strait/qmp/7/%s.json", names[k]);
			made_file(&made, path, texts[i]);
		}
		guest = read_one(&made, QEMU, sizeof(QEMU));
		assert_int_equal(guest->vcpu_count, 2);
		assert_null(guest->version);
		json = host_guest_json(guest);
		assert_non_null(json);
		json_decref(json);
		made_close(&made);
	}
}

static void small_hypervisors(void **state)
{
	static const char cloud[] =
		"/usr/bin/cloud-hypervisor\0--cpus\0boot=2,max=4\0--memory\0size=1G,hugepages=on,shared=on\0"
		"--disk\0path=/a.img,direct=on,num_queues=2\0vhost_user=on,socket=/run/v.sock\0"
		"--net=tap=tap0,num_queues=4\0--device\0path=/sys/bus/pci/devices/0000:01:00.1/";
	static const char fire[] = "firecracker\0--no-api\0--config-file\0/vm.json\0--id=fc1";
	const struct guest *guest;
	struct made made;

	(void)state;
	made_begin(&made);
	add_task(&made, 7, 8, "vcpu1", "5");
	guest = read_one(&made, cloud, sizeof(cloud));
	assert_string_equal(guest->name, "pid-7");
	assert_int_equal(guest->vcpu_count, 2);
	assert_thread(made.tree, &guest->vcpu[1], 8, "5");
	assert_int_equal(guest->memory.size, 1 << 30);
	assert_int_equal(guest->memory.backend[0].page, 2 << 20);
	assert_int_equal(guest->disk_count, 2);
	assert_string_equal(guest->disk[0].cache, "none");
	assert_string_equal(guest->disk[0].image[0].file, "/a.img");
	assert_string_equal(guest->disk[1].vhost_socket, "/run/v.sock");
	assert_string_equal(guest->nic[0].interface, "tap0");
	assert_int_equal(guest->nic[0].queues, 2);
	assert_string_equal(guest->hostdev[0].address, "0000:01:00.1");
	made_close(&made);
	made_begin(&made);
	made_file(&made, "/.strait/firecracker/7.json",
		  "{\"drives\":[{\"drive_id\":\"r\",\"path_on_host\":\"/"
		  "r\",\"io_engine\":\"Async\"},{\"path_on_host\":\"/"
		  "w\",\"cache_type\":\"Writeback\"},7],\"machine-config\":"
		  "{\"vcpu_count\":2,\"mem_size_mib\":64},\"network-interfaces\":[{\"host_dev_name\":\"tap3\"}]}");
	add_task(&made, 7, 9, "fc_vcpu 0", "1");
	guest = read_one(&made, fire, sizeof(fire));
	assert_string_equal(guest->name, "fc1");
	assert_int_equal(guest->memory.size, 64 << 20);
	assert_thread(made.tree, &guest->vcpu[0], 9, "1");
	assert_string_equal(guest->disk[0].aio, "io_uring");
	assert_string_equal(guest->disk[0].cache, "unsafe");
	assert_string_equal(guest->disk[1].cache, "writeback");
	assert_string_equal(guest->nic[0].interface, "tap3");
	made_close(&made);
}

/* A header as qemu-img writes it: version 3, 64 KiB clusters, a backing file with its format. */
static void headers_of_images(void **state)
{
	unsigned char bytes[1024] = "QFI\xfb";
	json_t *json;

	(void)state;
	bytes[7] = 3;
	bytes[14] = 0x02; /* backing file at 512, 6 bytes */
	bytes[19] = 6;
	bytes[23] = 16;
	bytes[29] = 0x10; /* 1 MiB */
	bytes[103] = 104;
	memcpy(bytes + 104, "\xe2\x79\x2a\xca\0\0\0\5qcow2\0\0\0", 16);
	memcpy(bytes + 512, "b.img!", 6);
	json = qemu_image_describe(bytes, sizeof(bytes));
	assert_string_equal(json_string_value(json_object_get(json, "format")), "qcow2");
	assert_string_equal(json_string_value(json_object_get(json, "backing")), "b.img!");
	assert_string_equal(json_string_value(json_object_get(json, "backing-format")), "qcow2");
	assert_int_equal(json_integer_value(json_object_get(json, "cluster-size")), 65536);
	assert_int_equal(json_integer_value(json_object_get(json, "virtual-size")), 1 << 20);
	json_decref(json);
	/* names that are not in what was read */
	memset(bytes + 8, 0xff, 12);
	memset(bytes + 100, 0xff, 4);
	json = qemu_image_describe(bytes, sizeof(bytes));
	assert_true(json_is_null(json_object_get(json, "backing")));
	json_decref(json);
	for (size_t length = 0; length < 120; length++)
		json_decref(qemu_image_describe(bytes, length));
	json = qemu_image_describe("KDMV", 4);
	assert_string_equal(json_string_value(json_object_get(json, "format")), "vmdk");
	json_decref(json);
	json = qemu_image_describe("", 0);
	assert_string_equal(json_string_value(json_object_get(json, "format")), "raw");
	json_decref(json);
}

/* Whose path anybody may choose: not one whose reading others would notice. */
static void files_of_the_kernel_are_no_images(void **state)
{
	static const char *const paths[] = {"/proc/self/status", "/sys/kernel/mm/transparent_hugepage/enabled",
					    "/dev/null", "/proc"};
	struct stat st;
	int fd;

	(void)state;
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		fd = process_open(getpid(), paths[i], &st);
		assert_true(fd == -EINVAL || fd == -ENOENT);
	}
	fd = process_open(getpid(), FIXTURES "/../unit/host/guests_test.c", &st);
	assert_true(fd >= 0);
	assert_true(S_ISREG(st.st_mode));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_by_name),
		cmocka_unit_test(threads_by_kvm),
		cmocka_unit_test(more_threads_than_are_read),
		cmocka_unit_test(places_of_memory),
		cmocka_unit_test(answers_of_qmp),
		cmocka_unit_test(nonsense_of_qmp),
		cmocka_unit_test(files_of_the_kernel_are_no_images),
		cmocka_unit_test(small_hypervisors),
		cmocka_unit_test(headers_of_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
