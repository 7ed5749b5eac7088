/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's command line in all its forms: the same guest is the same model. */
#include "host/qemu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/model_json.h"
#include "made.h"

static struct made made;

static int set_up(void **state)
{
	(void)state;
	made_begin(&made);
	made_file(&made, "/proc/7/mounts",
		  "tmpfs /dev/shm tmpfs rw 0 0\n"
		  "hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n"
		  "hugetlbfs /dev/hugepages1G hugetlbfs rw,relatime,pagesize=1024M 0 0\n");
	made_file(&made, "/proc/7/fdinfo/33", "pos:\t138\nflags:\t02\niff:\tvnet4\n");
	made_file(&made, "/proc/meminfo", "MemTotal: 1 kB\nHugepagesize:       2048 kB\n");
	made_file(&made, "/.strait/image/7/top.qcow2.json",
		  "{\"format\":\"qcow2\",\"cluster-size\":65536,\"virtual-size\":100,\"size\":9,\"allocated\":9,"
		  "\"backing\":\"middle.qcow2\",\"backing-format\":\"qcow2\"}");
	made_file(&made, "/.strait/image/7/middle.qcow2.json",
		  "{\"format\":\"qcow2\",\"cluster-size\":4096,\"virtual-size\":100,\"backing\":\"nbd://h/base\"}");
	made_file(&made, "/.strait/image/7/loop.qcow2.json", "{\"format\":\"qcow2\",\"backing\":\"loop.qcow2\"}");
	made_file(&made, "/.strait/image/7/dev/lun.json", "{\"format\":\"raw\",\"size\":1,\"allocated\":1}");
	made_file(
		&made, "/.strait/readconfig/7/0.json",
		"{\"groups\":[{\"group\":\"smp-opts\",\"keys\":{\"cpus\":\"3\"}},"
		"{\"group\":\"memory\",\"keys\":{\"size\":\"2G\"}},{\"group\":\"accel\",\"keys\":{\"accel\":\"kvm\"}},"
		"{\"group\":\"drive\",\"keys\":{\"id\":\"d0\",\"file\":\"/a,b\",\"format\":\"raw\",\"if\":\"none\"}},"
		"{\"group\":\"device\",\"keys\":{\"driver\":\"virtio-blk-pci\",\"drive\":\"d0\",\"id\":\"vda\"}},"
		"{\"group\":\"device\",\"keys\":{\"driver\":7,\"drive\":[],\"id\":null}},{\"group\":\"device\"},"
		"{\"group\":\"spice\",\"keys\":{\"id\":\"x\"}},{\"group\":{}},7,null,[]]}");
	made_link(&made, "/proc/7/fd/9", "/a");
	made_open(&made);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	made_close(&made);
	return 0;
}

static struct guest read_guest(const char *line)
{
	struct guest guest = {.pid = 7};

	qemu_guest_read(made.tree, made_command(&made, line), &guest);
	return guest;
}

static void assert_same(const char *line, const char *other)
{
	const struct guest one = read_guest(line), two = read_guest(other);
	json_t *left = host_guest_json(&one), *right = host_guest_json(&two);
	char *left_text = json_dumps(left, JSON_INDENT(1)), *right_text = json_dumps(right, JSON_INDENT(1));

	assert_string_equal(left_text, right_text);
	free(left_text);
	free(right_text);
	json_decref(left);
	json_decref(right);
}

#define RAW_DEVICE "-device virtio-blk-pci,drive=d0,id=vda,num-queues=4,iothread=io1"

/* Each line and the one below say the same. */
static const char *const pairs[] = {
	"-drive file=/dev/vg/a,format=raw,if=none,id=d0,cache=none,aio=native " RAW_DEVICE,
	"-blockdev driver=host_device,filename=/dev/vg/a,node-name=s0,cache.direct=on,aio=native "
	"-blockdev driver=raw,file=s0,node-name=d0 " RAW_DEVICE,

	"-blockdev "
	"driver=raw,node-name=d0,file.driver=host_device,file.filename=/dev/vg/"
	"a,cache.direct=on,file.aio=native " RAW_DEVICE,
	"-blockdev {\"driver\":\"raw\",\"node-name\":\"d0\",\"cache\":{\"direct\":true},"
	"\"file\":{\"driver\":\"host_device\",\"filename\":\"/dev/vg/a\",\"aio\":\"native\"}} "
	"-device {\"driver\":\"virtio-blk-pci\",\"drive\":\"d0\",\"id\":\"vda\",\"num-queues\":4,\"iothread\":\"io1\"}",

	"-drive file=/dev/vg/a,format=raw,if=none,id=d0,cache=none,aio=native " RAW_DEVICE,
	"-drive "
	"driver=raw,file.driver=host_device,file.filename=/dev/vg/"
	"a,if=none,id=d0,cache.direct=on,aio=native " RAW_DEVICE,

	"-drive file=/a,,b.img,format=raw,if=none,id=d0 " RAW_DEVICE,
	"-drive "
	"file=json:{\"driver\":\"raw\",,\"file\":{\"driver\":\"file\",,\"filename\":\"/"
	"a,,b.img\"}},if=none,id=d0 " RAW_DEVICE,

	"-readconfig /q.cfg -set device.vda.num-queues=2",
	"-smp 3 -m 2G -accel kvm -drive file=/a,,b,format=raw,if=none,id=d0 "
	"-device virtio-blk-pci,drive=d0,id=vda,num-queues=2",

	"-hda /a.img",
	"-drive file=/a.img,index=0",

	"/a.img",
	"-hda /a.img",

	"-cdrom /a.iso",
	"-drive file=/a.iso,media=cdrom,if=ide,index=2",

	"-enable-kvm -smp 4 -m 1024",
	"-accel kvm -smp sockets=2,cores=2 -m size=1G",

	"-machine q35,accel=kvm:tcg -name vm",
	"-M q35 -accel kvm -accel tcg -name guest=vm,debug-threads=on",

	"-netdev tap,id=n0,ifname=tap0,script=no,vhost=on,queues=2 -device "
	"virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01",
	"-netdev {\"type\":\"tap\",\"id\":\"n0\",\"ifname\":\"tap0\",\"vhost\":true,\"queues\":2} "
	"-device {\"driver\":\"virtio-net-pci\",\"netdev\":\"n0\",\"mac\":\"52:54:00:00:00:01\"}",

	"-nic tap,id=n0,ifname=tap0,model=virtio-net-pci,mac=52:54:00:00:00:01",
	"-netdev tap,id=n0,ifname=tap0 -device virtio-net,netdev=n0,mac=52:54:00:00:00:01",

	"-net nic,model=e1000 -net user",
	"-net user -net nic,model=e1000",

	"-object memory-backend-file,id=m0,size=1G,mem-path=/dev/hugepages1G/x,share=on,prealloc=yes,host-nodes=0-1,"
	"policy=bind -numa node,memdev=m0,cpus=0 -m 1G",
	"-object {\"qom-type\":\"memory-backend-file\",\"id\":\"m0\",\"size\":1073741824,"
	"\"mem-path\":\"/dev/hugepages1G/"
	"x\",\"share\":true,\"prealloc\":true,\"host-nodes\":[0,1],\"policy\":\"bind\"} "
	"-numa node,nodeid=0,cpus=0,memdev=m0 -m 1024M",

	"-drive file=/a,if=none,id=d0 -set drive.d0.cache=none " RAW_DEVICE,
	"-drive file=/dev/fdset/2,if=none,id=d0,cache=none,discard=off -add-fd fd=9,set=2 " RAW_DEVICE,

	"-drive file=/a,if=none,id=d -device virtio-blk-pci,drive=d -global virtio-blk-pci.num-queues=3",
	"-drive file=/a,if=none,id=d -device virtio-blk-pci,drive=d,num-queues=3 -global "
	"driver=virtio-blk-pci,property=num-queues,value=5",

	"-uuid 1-2",
	"-smbios type=1,uuid=1-2",

	"-realtime mlock=on -no-hpet",
	"-overcommit mem-lock=on -machine hpet=off -machine pc",

	"-device vfio-pci,host=01:00.1",
	"-device {\"driver\":\"vfio-pci\",\"host\":\"0000:01:00.1\"}",
};

static void forms_are_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i += 2)
		assert_same(pairs[i], pairs[i + 1]);
}

static void a_disk(void **state)
{
	const struct guest guest =
		read_guest("-object iothread,id=io1 -drive file=/dev/vg/a,format=raw,if=none,id=d0,"
			   "cache=none,aio=native,discard=unmap,iops=500 " RAW_DEVICE ",queue-size=512");
	const struct guest_disk *disk = &guest.disk[0];

	(void)state;
	assert_int_equal(guest.disk_count, 1);
	assert_string_equal(disk->id, "vda");
	assert_string_equal(disk->model, "virtio-blk");
	assert_string_equal(disk->bus, "virtio");
	assert_int_equal(disk->queues, 4);
	assert_int_equal(disk->queue_size, 512);
	assert_string_equal(disk->iothread, "io1");
	assert_string_equal(disk->cache, "none");
	assert_string_equal(disk->aio, "native");
	assert_string_equal(disk->discard, "unmap");
	assert_int_equal(disk->throttle.iops, 500);
	assert_int_equal(disk->throttle.bps, 0);
	assert_int_equal(disk->image_count, 1);
	assert_string_equal(disk->image[0].protocol, "host_device");
	assert_string_equal(disk->image[0].format, "raw");
	assert_string_equal(disk->image[0].file, "/dev/vg/a");
	assert_int_equal(guest.iothread_count, 1);
	assert_int_equal(guest.iothread[0].poll_max_ns, 32768);
}

static const struct {
	const char *line, *cache;
} caches[] = {
	{"-drive file=/a,if=virtio", "writeback"},
	{"-drive file=/a,if=virtio,cache=off", "none"},
	{"-drive file=/a,if=virtio,cache=directsync", "directsync"},
	{"-drive file=/a,if=virtio,cache.direct=on", "none"},
	{"-drive file=/a,if=virtio,cache.no-flush=on", "unsafe"},
	{"-drive file=/a,if=virtio,cache.writeback=off", "writethrough"},
	/* a node of its own inherits nothing: the one that opens the file decides */
	{"-blockdev driver=file,filename=/a,node-name=s -blockdev driver=raw,file=s,node-name=f,cache.direct=on "
	 "-device virtio-blk-pci,drive=f",
	 "writeback"},
	{"-blockdev driver=file,filename=/a,node-name=s,cache.direct=on -blockdev driver=raw,file=s,node-name=f "
	 "-device virtio-blk-pci,drive=f,write-cache=off",
	 "directsync"},
	{"-blockdev driver=raw,node-name=f,cache.direct=on,file.driver=file,file.filename=/a -device "
	 "virtio-blk-pci,drive=f",
	 "none"},
};

static void cache_modes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(caches) / sizeof(caches[0]); i++) {
		const struct guest guest = read_guest(caches[i].line);

		assert_int_equal(guest.disk_count, 1);
		assert_string_equal(guest.disk[0].cache, caches[i].cache);
	}
}

static const struct {
	const char *line, *model, *bus, *id;
} buses[] = {
	{"-hda /a", "ide-hd", "ide", "ide0-hd0"},
	{"-M q35 -hda /a", "ide-hd", "sata", "ide0-hd0"},
	{"-M q35 -cdrom /a", "ide-cd", "sata", "ide2-cd0"},
	{"-hdb /a", "ide-hd", "ide", "ide0-hd1"},
	{"-fda /a", "floppy", "floppy", "floppy0"},
	{"-drive file=/a,if=virtio", "virtio-blk", "virtio", "virtio0"},
	{"-drive file=/a,if=none,id=d -device virtio-scsi-pci,id=s -device scsi-hd,drive=d,bus=s.0", "scsi-hd", "scsi",
	 "d"},
	{"-drive file=/a,if=none,id=d -device lsi -device scsi-hd,drive=d", "scsi-hd", "scsi-other", "d"},
	{"-drive file=/a,if=none,id=d -device ich9-ahci,id=ahci0 -device ide-hd,drive=d,bus=ahci0.0,id=x", "ide-hd",
	 "sata", "x"},
	{"-drive file=/a,if=none,id=d -device nvme,drive=d,serial=1", "nvme", "nvme", "d"},
	{"-device nvme,id=n,serial=1 -drive file=/a,if=none,id=d -device nvme-ns,drive=d,bus=n", "nvme", "nvme", "d"},
	{"-drive file=/a,if=none,id=d -device usb-storage,drive=d", "usb-storage", "usb", "d"},
	{"-drive file=/a,if=none,id=d -device virtio-blk-pci-non-transitional,drive=d", "virtio-blk", "virtio", "d"},
	{"-M virt -drive file=/a", "virtio-blk", "virtio", "virtio0"},
	{"-chardev socket,id=c,path=/run/x.sock -device vhost-user-blk-pci,chardev=c,id=v", "vhost-user-blk", "virtio",
	 "v"},
};

static void buses_and_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(buses) / sizeof(buses[0]); i++) {
		const struct guest guest = read_guest(buses[i].line);

		assert_int_equal(guest.disk_count, 1);
		assert_string_equal(guest.disk[0].model, buses[i].model);
		assert_string_equal(guest.disk[0].bus, buses[i].bus);
		assert_string_equal(guest.disk[0].id, buses[i].id);
	}
	assert_string_equal(read_guest(buses[14].line).disk[0].vhost_socket, "/run/x.sock");
	/* firmware is no disk, a drive without a device neither */
	assert_int_equal(read_guest("-drive if=pflash,file=/f.fd -drive file=/a,if=none,id=d").disk_count, 0);
}

/* As Proxmox starts it, but for what is none of ours. */
static void of_a_manager(void **state)
{
	static const char line[] =
		"-id 100 -name vm100,debug-threads=on -no-shutdown -chardev "
		"socket,id=qmp,path=/run/100.qmp,server=on,wait=off "
		"-mon chardev=qmp,mode=control -chardev socket,id=qmp-event,path=/run/qmeventd.sock,reconnect=5 "
		"-mon chardev=qmp-event,mode=control -daemonize -smbios type=1,uuid=aaaa-bbbb "
		"-smp 4,sockets=1,cores=4,maxcpus=4 -nodefaults -cpu host,+kvm_pv_eoi -m 4096 "
		"-object iothread,id=iothread-virtioscsi0 -device virtio-balloon-pci,id=balloon0 "
		"-drive if=none,id=drive-ide2,media=cdrom,aio=io_uring "
		"-device ide-cd,bus=ide.1,unit=0,drive=drive-ide2,id=ide2,bootindex=101 "
		"-device virtio-scsi-pci,id=virtioscsi0,bus=pci.3,addr=0x1,iothread=iothread-virtioscsi0 "
		"-drive file=/dev/pve/vm-100-disk-0,if=none,id=drive-scsi0,cache=writeback,discard=on,format=raw,"
		"aio=io_uring,detect-zeroes=unmap "
		"-device "
		"scsi-hd,bus=virtioscsi0.0,channel=0,scsi-id=0,lun=0,drive=drive-scsi0,id=scsi0,rotation_rate=1 "
		"-netdev type=tap,id=net0,ifname=tap100i0,script=/x,downscript=/y,vhost=on "
		"-device virtio-net-pci,mac=AA:BB:CC:DD:EE:FF,netdev=net0,bus=pci.0,id=net0 -machine type=pc+pve0";
	const struct guest guest = read_guest(line);

	(void)state;
	assert_string_equal(guest.name, "vm100");
	assert_string_equal(guest.uuid, "aaaa-bbbb");
	assert_string_equal(guest.qmp, "/run/100.qmp");
	assert_string_equal(guest.machine, "pc+pve0");
	assert_int_equal(guest.vcpu_count, 4);
	assert_int_equal(guest.memory.size, 4ull << 30);
	assert_int_equal(guest.memory.balloon, 1);
	assert_int_equal(guest.disk_count, 2);
	assert_int_equal(guest.disk[0].image_count, 0);
	assert_string_equal(guest.disk[0].aio, "io_uring");
	assert_string_equal(guest.disk[0].bus, "ide");
	assert_string_equal(guest.disk[1].bus, "scsi");
	assert_string_equal(guest.disk[1].iothread, "iothread-virtioscsi0");
	assert_string_equal(guest.disk[1].discard, "unmap");
	assert_string_equal(guest.disk[1].detect_zeroes, "unmap");
	assert_string_equal(guest.nic[0].interface, "tap100i0");
	assert_int_equal(guest.nic[0].vhost, 1);
}

/* Backing files: named on the command line, by the images, or not at all. */
static void chains(void **state)
{
	struct guest guest = read_guest("-drive file=/top.qcow2,if=virtio");
	const struct guest_image *image = guest.disk[0].image;

	(void)state;
	assert_int_equal(guest.disk[0].image_count, 3);
	assert_string_equal(image[0].format, "qcow2");
	assert_int_equal(image[0].cluster, 65536);
	assert_int_equal(image[0].preallocated, 0);
	assert_string_equal(image[1].file, "/middle.qcow2");
	assert_int_equal(image[1].cluster, 4096);
	assert_int_equal(image[1].size, 100);
	assert_string_equal(image[2].protocol, "nbd");
	assert_string_equal(image[2].file, "nbd://h/base");
	assert_int_equal(guest.disk[0].whole, 0); /* of unknown format, at another machine */
	guest = read_guest("-blockdev driver=qcow2,node-name=n,file.driver=file,file.filename=/top.qcow2,backing= "
			   "-device virtio-blk-pci,drive=n");
	assert_int_equal(guest.disk[0].image_count, 1);
	assert_int_equal(guest.disk[0].whole, 1);
	guest = read_guest(
		"-blockdev driver=raw,node-name=b,file.driver=file,file.filename=/b "
		"-blockdev driver=qcow2,node-name=n,file.driver=file,file.filename=/x,backing=b,l2-cache-size=4M "
		"-device virtio-blk-pci,drive=n");
	assert_int_equal(guest.disk[0].image_count, 2);
	assert_int_equal(guest.disk[0].image[0].cache_bytes, 4 << 20);
	assert_string_equal(guest.disk[0].image[1].file, "/b");
	/* an image says nothing of a raw disk's contents, which are the guest's */
	guest = read_guest("-drive file=/top.qcow2,format=raw,if=virtio");
	assert_int_equal(guest.disk[0].image_count, 1);
	assert_int_equal(guest.disk[0].whole, 1);
	guest = read_guest("-drive file=/nowhere.qcow2,format=qcow2,if=virtio");
	assert_int_equal(guest.disk[0].whole, 0);
}

static void rings_end(void **state)
{
	struct guest guest = read_guest("-drive file=/loop.qcow2,if=virtio");

	(void)state;
	assert_in_range(guest.disk[0].image_count, 2, 100);
	guest = read_guest("-blockdev driver=raw,node-name=a,file=b -blockdev driver=raw,node-name=b,file=a "
			   "-device virtio-blk-pci,drive=a");
	assert_int_equal(guest.disk[0].image_count, 1);
	guest = read_guest("-blockdev driver=throttle,node-name=a,file=a -device virtio-blk-pci,drive=a");
	assert_int_equal(guest.disk[0].image_count, 0);
	guest = read_guest(
		"-blockdev driver=qcow2,node-name=a,backing=a,file.driver=null-co -device virtio-blk-pci,drive=a");
	assert_in_range(guest.disk[0].image_count, 2, 300);
}

static void throttles_and_mappings(void **state)
{
	struct guest guest = read_guest(
		"-object throttle-group,id=g,x-iops-total=100 "
		"-blockdev driver=throttle,throttle-group=g,node-name=t,file.driver=raw,file.file.driver=file,"
		"file.file.filename=/a "
		"-device {\"driver\":\"virtio-blk-pci\",\"drive\":\"t\",\"iothread-vq-mapping\":[{\"iothread\":\"a\"},"
		"{\"iothread\":\"b\"}]}");
	const struct guest_disk *disk = &guest.disk[0];

	(void)state;
	assert_int_equal(disk->throttle.iops, 100);
	assert_string_equal(disk->image[0].file, "/a");
	assert_null(disk->iothread);
	assert_int_equal(disk->iothread_count, 2);
	assert_string_equal(disk->iothreads[1], "b");
	guest = read_guest("-drive file=/a,if=virtio,bps_rd=10,bps_wr=20");
	assert_int_equal(guest.disk[0].throttle.bps, 30);
}

static void cards(void **state)
{
	struct guest guest = read_guest(
		"-netdev {\"type\":\"tap\",\"fds\":\"33:34\",\"vhost\":true,\"id\":\"h\"} "
		"-device virtio-net-pci,netdev=h,id=net0 -nic user -nic none "
		"-chardev socket,id=c,path=/run/vu.sock,server=on -netdev vhost-user,chardev=c,id=u,queues=4 "
		"-device virtio-net-pci,netdev=u -M q35");

	(void)state;
	assert_int_equal(guest.nic_count, 3);
	assert_string_equal(guest.nic[0].interface, "vnet4");
	assert_int_equal(guest.nic[0].queues, 2);
	assert_int_equal(guest.nic[0].vhost, 1);
	assert_string_equal(guest.nic[1].model, "e1000e");
	assert_int_equal(guest.nic[1].vhost, 0);
	assert_string_equal(guest.nic[2].vhost_socket, "/run/vu.sock");
	assert_int_equal(guest.nic[2].vhost_server, 1);
	assert_int_equal(guest.nic[2].queues, 4);
	assert_ptr_equal(guest_nic_find(&guest, "vnet4"), &guest.nic[0]);
	assert_ptr_equal(guest_nic_find(&guest, "1"), &guest.nic[1]);
	assert_null(guest_nic_find(&guest, "3"));
}

static void machine(void **state)
{
	struct guest guest = read_guest("-name guest=web,debug-threads=on -uuid 1-2 -cpu host,+invtsc,hv_relaxed=on "
					"-smp cores=2,threads=2 -qmp unix:/run/q,,1.sock,server,nowait");

	(void)state;
	assert_string_equal(guest.name, "web");
	assert_string_equal(guest.uuid, "1-2");
	assert_string_equal(guest.machine, "pc");
	assert_string_equal(guest.cpu_model, "host");
	assert_int_equal(guest.cpu_feature_count, 2);
	assert_string_equal(guest.cpu_features[0], "+invtsc");
	assert_int_equal(guest.windows, 1);
	assert_int_equal(guest.hpet, 1);
	assert_int_equal(guest.vcpu_count, 4);
	assert_string_equal(guest.qmp, "/run/q,1.sock");
	assert_int_equal(read_guest("-smp 4294967295").vcpu_count, CPU_LIST_END - 1);
	assert_int_equal(read_guest("-smp cores=99999999,sockets=99999999").vcpu_count, 1);
	assert_string_equal(read_guest("-chardev socket,id=m,path=/m,server=on -mon chardev=m,mode=control").qmp, "/m");
	assert_string_equal(read_guest("-qmp tcp:localhost:4444,server=on").qmp, "localhost:4444");
	/* a monitor for people, and one that QEMU connects itself */
	assert_null(read_guest("-monitor unix:/m,server=on").qmp);
	assert_null(read_guest("-chardev socket,id=m,path=/m -mon chardev=m,mode=control").qmp);
}

/* Nothing can be learnt from it, and a read of storage that hangs does not come back. */
static void raw_devices_are_not_read(void **state)
{
	const struct guest raw = read_guest("-drive file=/dev/lun,format=raw");
	const struct guest probed = read_guest("-drive file=/dev/lun");

	(void)state;
	assert_int_equal(raw.disk[0].image[0].preallocated, HOST_UNKNOWN);
	assert_int_equal(probed.disk[0].image[0].preallocated, 1);
}

/* As Proxmox starts a guest whose CPUs can be plugged. */
static void vcpus_that_were_plugged_in(void **state)
{
	const struct guest guest =
		read_guest("-smp 1,sockets=1,cores=4,maxcpus=4 -device kvm64-x86_64-cpu,id=cpu2,socket-id=0,core-id=1,"
			   "thread-id=0 -device kvm64-x86_64-cpu,id=cpu3,socket-id=0,core-id=2,thread-id=0 "
			   "-device virtio-rng-pci");

	(void)state;
	assert_int_equal(guest.vcpu_count, 3);
	assert_int_equal(guest.vcpu[2].index, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_are_one),
		cmocka_unit_test(a_disk),
		cmocka_unit_test(cache_modes),
		cmocka_unit_test(buses_and_names),
		cmocka_unit_test(chains),
		cmocka_unit_test(rings_end),
		cmocka_unit_test(throttles_and_mappings),
		cmocka_unit_test(cards),
		cmocka_unit_test(machine),
		cmocka_unit_test(raw_devices_are_not_read),
		cmocka_unit_test(vcpus_that_were_plugged_in),
		cmocka_unit_test(of_a_manager),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
