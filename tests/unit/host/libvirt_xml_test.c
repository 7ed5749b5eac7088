/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "host/libvirt.h"
#include "host/libvirt_strip.h"
#include "host/tree.h"
#include "made.h"

static int open_tree(void **state)
{
	*state = tree_open_directory(FIXTURES "/libvirt-q35", NULL);
	return *state ? 0 : -1;
}

static int close_tree(void **state)
{
	tree_close(*state);
	return 0;
}

static const char *cpus(struct tree *tree, const struct cpu_list *list)
{
	return cpu_list_format(tree, list);
}

/* What libvirt 9.0 has said of a domain that ran. */
static void test_running(void **state)
{
	struct host_guests guests = {0};
	const struct guest *guest;
	const struct guest_disk *disk;

	host_libvirt_read(*state, &guests);
	assert_int_equal(guests.count, 1);
	assert_string_equal(guests.libvirt, "qemu:///system");
	assert_null(guests.libvirt_unreadable);
	guest = &guests.guest[0];
	assert_string_equal(guest->name, "db1");
	assert_string_equal(guest->uuid, "5a7d1c0e-1111-4222-8333-444455556666");
	assert_string_equal(guest->state, "running");
	assert_string_equal(guest->accelerator, "tcg");
	assert_string_equal(guest->machine, "pc-q35-7.2");
	assert_string_equal(guest->cpu_model, "qemu64");
	assert_int_equal(guest->hpet, 0);
	assert_int_equal(guest->windows, HOST_UNKNOWN);
	assert_int_equal(guest->vcpu_count, 2);
	assert_string_equal(cpus(*state, &guest->vcpu[1].allowed), "1");
	assert_int_equal(guest->iothread_count, 2);
	assert_string_equal(guest->iothread[1].name, "iothread2");
	assert_string_equal(cpus(*state, &guest->iothread[0].allowed), "1");
	assert_int_equal(guest->memory.size, 128 << 20);
	assert_string_equal(guest->memory.backend[0].id, "pc.ram");
	assert_int_equal(guest->memory.balloon, 1);
	assert_int_equal(guest->disk_count, 3);
	disk = &guest->disk[0];
	assert_string_equal(disk->id, "virtio-disk0");
	assert_string_equal(disk->target, "vda");
	assert_string_equal(disk->model, "virtio-blk");
	assert_string_equal(disk->iothread, "iothread1");
	assert_string_equal(disk->cache, "none");
	assert_string_equal(disk->aio, "native");
	assert_int_equal(disk->queues, 2);
	assert_int_equal(disk->image_count, 2);
	assert_string_equal(disk->image[0].format, "qcow2");
	assert_string_equal(disk->image[1].file, "/var/lib/libvirt/images/base.qcow2");
	assert_int_equal(disk->whole, 1);
	disk = &guest->disk[1];
	assert_string_equal(disk->model, "scsi-hd");
	assert_string_equal(disk->bus, "scsi");
	assert_string_equal(disk->controller, "scsi0");
	assert_string_equal(disk->iothread, "iothread2");
	assert_string_equal(disk->cache, "unsafe");
	assert_int_equal(disk->throttle.iops, 1000);
	disk = &guest->disk[2];
	assert_int_equal(disk->cdrom, 1);
	assert_int_equal(disk->image_count, 0);
	assert_string_equal(guest->nic[0].model, "e1000");
	assert_string_equal(guest->nic[0].backend, "user");
}

static struct guest parse(struct tree *tree, const char *inner)
{
	const char *xml = tree_format(tree, "<domain type='kvm'><name>x</name>%s</domain>", inner);
	struct guest guest;

	assert_true(guest_read_xml(tree, xml, strlen(xml), &guest));
	assert_string_equal(guest.accelerator, "kvm");
	return guest;
}

static void test_memory(void **state)
{
	struct guest guest = parse(*state, "<memory unit='GiB'>8</memory>"
					   "<memoryBacking><hugepages><page size='1' unit='GiB' nodeset='1'/>"
					   "<page size='2048' unit='KiB'/></hugepages><locked/><nosharepages/>"
					   "<access mode='shared'/></memoryBacking>"
					   "<numatune><memory mode='strict' nodeset='0-1'/>"
					   "<memnode cellid='1' mode='preferred' nodeset='1'/></numatune>"
					   "<cpu mode='host-passthrough'><numa>"
					   "<cell id='0' cpus='0-1' memory='4' unit='GiB' memAccess='private'/>"
					   "<cell id='1' cpus='2-3' memory='4194304'/></numa></cpu>"
					   "<devices><memballoon model='none'/></devices>");
	const struct guest_memory_backend *backend = guest.memory.backend;

	assert_string_equal(guest.cpu_model, "host");
	assert_int_equal(guest.memory.size, 8LL << 30);
	assert_int_equal(guest.memory.locked, 1);
	assert_int_equal(guest.memory.merge, 0);
	assert_int_equal(guest.memory.balloon, 0);
	assert_int_equal(guest.memory.backend_count, 2);
	assert_string_equal(backend[0].id, "ram-node0");
	assert_int_equal(backend[0].page, 2 << 20);
	assert_int_equal(backend[1].page, 1 << 30);
	assert_int_equal(backend[0].share, 0);
	assert_int_equal(backend[1].share, 1);
	assert_string_equal(backend[0].policy, "bind");
	assert_string_equal(backend[1].policy, "preferred");
	assert_string_equal(cpus(*state, &backend[0].host_nodes), "0-1");
	assert_string_equal(cpus(*state, &backend[1].guest_cpus), "2-3");
	assert_int_equal(backend[1].size, 4LL << 30);
	assert_int_equal(backend[0].prealloc, 1);
}

static void test_cpu_and_clock(void **state)
{
	struct guest guest = parse(*state, "<features><hyperv><relaxed state='on'/><vapic state='off'/>"
					   "<spinlocks state='on' retries='8191'/></hyperv>"
					   "<kvm><hidden state='on'/></kvm></features>"
					   "<cpu mode='custom'><model>EPYC</model><feature policy='require' "
					   "name='invtsc'/><feature policy='disable' name='svm'/></cpu>");
	static const char *const expected[] = {"invtsc=on", "svm=off", "hv-relaxed=on", "hv-spinlocks=8191", "kvm=off"};

	assert_string_equal(guest.cpu_model, "EPYC");
	assert_int_equal(guest.cpu_feature_count, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_string_equal(guest.cpu_features[i], expected[i]);
	assert_int_equal(guest.windows, 1);
	assert_int_equal(guest.hpet, HOST_UNKNOWN);
	guest = parse(*state,
		      "<cpu mode='host-model'/><metadata><libosinfo:libosinfo xmlns:libosinfo='x'><libosinfo:os "
		      "id='http://microsoft.com/win/2k19'/></libosinfo:libosinfo></metadata>");
	assert_string_equal(guest.cpu_model, "host-model");
	assert_int_equal(guest.windows, 1);
}

static void test_devices(void **state)
{
	struct guest guest = parse(
		*state,
		"<iothreads>2</iothreads><iothreadids><iothread id='7'><poll "
		"max='0'/></iothread></iothreadids><devices>"
		"<disk type='vhostuser' device='disk'><driver name='qemu' queues='4'/><source type='unix' "
		"path='/run/strait/vm.sock'/><target dev='vda' bus='virtio'/></disk>"
		"<disk type='block' device='lun'><source dev='/dev/mapper/lun'/><target dev='sda' bus='scsi'/></disk>"
		"<disk type='network' device='disk'><driver type='raw'><iothreads><iothread id='7'/><iothread id='8'/>"
		"</iothreads></driver><source protocol='rbd' name='pool/image'/><target dev='vdb' bus='virtio'/></disk>"
		"<interface type='vhostuser'><source type='unix' path='/run/ovs.sock' mode='server'/><model "
		"type='virtio'/><driver queues='4'/></interface>"
		"<interface type='bridge'><source bridge='br0'/><target dev='vnet3'/><model type='virtio'/></interface>"
		"<interface type='hostdev'><source><address type='pci' domain='0x0000' bus='0x01' slot='0x10' "
		"function='0x2'/></source></interface>"
		"<hostdev mode='subsystem' type='pci'><source><address domain='0x0001' bus='0xff' slot='0x1f' "
		"function='0x7'/></source><alias name='hostdev0'/></hostdev>"
		"<hostdev mode='subsystem' type='usb'><source/></hostdev></devices>");

	assert_int_equal(guest.iothread_count, 2);
	assert_string_equal(guest.iothread[0].name, "iothread7");
	assert_int_equal(guest.iothread[0].poll_max_ns, 0);
	assert_string_equal(guest.disk[0].model, "vhost-user-blk");
	assert_string_equal(guest.disk[0].vhost_socket, "/run/strait/vm.sock");
	assert_int_equal(guest.disk[0].image_count, 0);
	assert_int_equal(guest.disk[0].queues, 4);
	assert_string_equal(guest.disk[1].model, "scsi-block");
	assert_string_equal(guest.disk[1].bus, "scsi-other");
	assert_string_equal(guest.disk[1].image[0].protocol, "host_device");
	assert_string_equal(guest.disk[1].image[0].file, "/dev/mapper/lun");
	assert_string_equal(guest.disk[2].image[0].protocol, "rbd");
	assert_string_equal(guest.disk[2].image[0].file, "rbd:pool/image");
	assert_int_equal(guest.disk[2].iothread_count, 2);
	assert_string_equal(guest.disk[2].iothreads[1], "iothread8");
	assert_int_equal(guest.nic_count, 2);
	assert_string_equal(guest.nic[0].backend, "vhost-user");
	assert_string_equal(guest.nic[0].vhost_socket, "/run/ovs.sock");
	assert_int_equal(guest.nic[0].vhost_server, 1);
	assert_int_equal(guest.nic[0].queues, 4);
	assert_string_equal(guest.nic[1].interface, "vnet3");
	assert_int_equal(guest.nic[1].vhost, HOST_UNKNOWN);
	assert_int_equal(guest.hostdev_count, 2);
	assert_string_equal(guest.hostdev[0].address, "0001:ff:1f.7");
	assert_string_equal(guest.hostdev[1].address, "0000:01:10.2");
}

/* In the words that qemu_block.c has for the same on a command line. */
static void test_places(void **state)
{
	static const struct {
		const char *type, *source, *protocol, *file;
	} cases[] = {
		{"network", "protocol='nbd' name='vm'><host name='filer' port='10810'/>", "nbd", "nbd:filer:10810/vm"},
		{"network", "protocol='nbd'><host transport='unix' socket='/run/nbd'/>", "nbd", "nbd:/run/nbd"},
		{"network", "protocol='iscsi' name='iqn.x:y/2'><host name='filer'/>", "iscsi",
		 "iscsi://filer:3260/iqn.x:y/2"},
		{"network", "protocol='https' name='a/b.iso'><host name='www'/>", "https", "https://www:443/a/b.iso"},
		{"network", "protocol='gluster' name='v/b'>", "gluster", "v/b"},
		{"nvme", "type='pci' namespace='2'><address type='pci' domain='0' bus='1' slot='0' function='0'/>",
		 "nvme", "nvme://0000:01:00.0/2"},
		{"nvme", "type='pci'>", "nvme", NULL},
		{"volume", "pool='p' volume='v'>", NULL, NULL},
		{"dir", "dir='/srv/fat'>", "vvfat", "/srv/fat"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guest guest = parse(
			*state, tree_format(*state, "<devices><disk type='%s'><source %s</source></disk></devices>",
					    cases[i].type, cases[i].source));
		const struct guest_image *image = guest.disk[0].image;

		assert_int_equal(guest.disk[0].image_count, 1);
		if (cases[i].protocol)
			assert_string_equal(image->protocol, cases[i].protocol);
		else
			assert_null(image->protocol);
		if (cases[i].file)
			assert_string_equal(image->file, cases[i].file);
		else
			assert_null(image->file);
	}
}

/* None of these is a domain, or not one with such figures. */
static void test_hostile(void **state)
{
	static const char *const none[] = {
		"",
		"<domain",
		"<network><name>x</name></network>",
		"<domain><memory>1</memory></domain>",
		"<!DOCTYPE d [<!ENTITY a 'b'>]><domain><name>&a;</name></domain>",
		"<!DOCTYPE d SYSTEM 'file:///etc/passwd'><domain><name>x</name></domain>",
	};
	struct guest guest;

	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(guest_read_xml(*state, none[i], strlen(none[i]), &guest));
	guest = parse(*state,
		      "<memory unit='EiB'>99999999999</memory><vcpu>4000000000</vcpu><iothreads>-5</iothreads>"
		      "<cputune><vcpupin vcpu='9' cpuset='x'/></cputune><devices><disk><iotune><total_iops_sec>"
		      "99999999999999999999</total_iops_sec></iotune></disk><hostdev type='pci'><source><address "
		      "bus='0x100' slot='0'/></source></hostdev></devices>");
	assert_int_equal(guest.memory.size, 0);
	assert_int_equal(guest.vcpu_count, 0);
	assert_int_equal(guest.iothread_count, 0);
	assert_int_equal(guest.hostdev_count, 0);
	assert_int_equal(guest.disk[0].throttle.iops, 0);
	assert_null(guest.disk[0].model);
}

/* Nova's quotas are of reads and of writes: together they are a limit all the same. */
static void test_limits(void **state)
{
	const struct guest guest = parse(
		*state, "<devices><disk><iotune><read_iops_sec>300</read_iops_sec><write_iops_sec>200</write_iops_sec>"
			"<total_bytes_sec>7</total_bytes_sec></iotune><source file='/a'/></disk>"
			"<disk><iotune><write_bytes_sec>9</write_bytes_sec></iotune></disk></devices>");

	assert_int_equal(guest.disk[0].throttle.iops, 500);
	assert_int_equal(guest.disk[0].throttle.bps, 7);
	assert_int_equal(guest.disk[1].throttle.iops, 0);
	assert_int_equal(guest.disk[1].throttle.bps, 9);
}

/* What a daemon never says, but a forged capture may. */
static void test_hostile_lists(void **state)
{
	static const struct {
		const char *list, *xml;
		bool told; /* that something cannot be read */
	} cases[] = {
		{"[]", NULL, true},
		{"{\"domains\": {}}", NULL, false},
		{"{\"domains\": [4, {}, {\"name\": 1}, {\"name\": \"../../x\"}, {\"name\": \"\"}]}", NULL, false},
		{"{\"domains\": [{\"name\": \"x\"}]}", NULL, true},
		{"{\"domains\": [{\"name\": \"x\"}]}", "<domain><name>", true},
		{"{\"error\": \"refused\", \"domains\": []}", NULL, true},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct host_guests guests = {0};
		struct made made;

		made_begin(&made);
		made_file(&made, "/.strait/libvirt/domains.json", cases[i].list);
		if (cases[i].xml)
			made_file(&made, "/.strait/libvirt/x.xml", cases[i].xml);
		made_open(&made);
		host_libvirt_read(made.tree, &guests);
		assert_int_equal(guests.count, 0);
		assert_int_equal(guests.libvirt_unreadable != NULL, cases[i].told);
		made_close(&made);
	}
}

/* What is nobody's business is not kept; what the model needs is. */
static void test_strip(void **state)
{
	const char *xml = "<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><name>x</name><metadata>"
			  "<n:user xmlns:n='n'>secret1</n:user><libosinfo:libosinfo xmlns:libosinfo='l'>kept1"
			  "</libosinfo:libosinfo></metadata><os><type>hvm</type><cmdline>secret2</cmdline></os>"
			  "<sysinfo>secret3</sysinfo><q:commandline><q:env name='A' value='secret4'/></q:commandline>"
			  "<devices><emulator>kept2</emulator></devices></domain>";
	char *stripped = libvirt_strip(xml);

	(void)state;
	assert_non_null(stripped);
	assert_null(strstr(stripped, "secret"));
	assert_non_null(strstr(stripped, "kept1"));
	assert_non_null(strstr(stripped, "kept2"));
	free(stripped);
	assert_null(libvirt_strip("<domain>"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_running),       cmocka_unit_test(test_memory),
		cmocka_unit_test(test_cpu_and_clock), cmocka_unit_test(test_devices),
		cmocka_unit_test(test_places),        cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_hostile_lists), cmocka_unit_test(test_strip),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, open_tree, close_tree);
}
