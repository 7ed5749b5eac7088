/* SPDX-License-Identifier: Apache-2.0 */
#include "host/guest.h"

#include <string.h>

#include "host/array.h"
#include "host/libvirt.h"
#include "host/process.h"
#include "host/qemu.h"
#include "host/qmp.h"
#include "host/small_hypervisors.h"
#include "host/tree.h"

/* QEMU started by libvirt to ask it what it can do, or by people for a monitor alone. */
static bool is_no_machine(const struct guest *guest)
{
	return guest->machine && strcmp(guest->machine, "none") == 0;
}

static struct guest read_process(struct tree *tree, const struct process *process)
{
	struct guest guest = {.pid = process->pid, .hypervisor = process->hypervisor};

	guest.binary = tree_format(tree, "%s", process->command);
	guest.windows = guest.hpet = guest.realtime_locked = guest.quotas_known = HOST_UNKNOWN;
	if (process->hypervisor == GUEST_QEMU)
		qemu_guest_read(tree, qemu_command_read(tree, process->pid, process->command, process->length), &guest);
	else if (process->hypervisor == GUEST_CLOUD_HYPERVISOR)
		cloud_hypervisor_read(tree, process->command, process->length, &guest);
	else if (process->hypervisor == GUEST_FIRECRACKER)
		firecracker_read(tree, process->command, process->length, &guest);
	if (!is_no_machine(&guest)) {
		guest_qmp_read(tree, &guest);
		guest_process_read(tree, &guest);
	}
	if (!guest.name)
		guest.name = tree_format(tree, "pid-%d", guest.pid);
	return guest;
}

/* The one of libvirt's guests that a process is; NULL: none. */
static struct guest *find_domain(const struct host_guests *guests, unsigned domains, const struct guest *process)
{
	for (unsigned i = 0; process->uuid && i < domains; i++) {
		struct guest *guest = &guests->guest[i];

		if (guest->uuid && guest->pid == HOST_UNKNOWN && strcasecmp(guest->uuid, process->uuid) == 0)
			return guest;
	}
	return NULL;
}

static void add(struct tree *tree, struct host_guests *guests, const struct guest *guest)
{
	guests->guest = array_grow(tree, guests->guest, guests->count, sizeof(*guests->guest));
	guests->guest[guests->count++] = *guest;
}

/* A definition names the image that is written to; those behind it are found by libvirt when it starts. */
static void follow_images(struct tree *tree, struct guest *guest)
{
	for (unsigned i = 0; i < guest->disk_count; i++)
		qemu_images_complete(tree, HOST_UNKNOWN, &guest->disk[i]);
}

void host_guests_read(struct tree *tree, struct host_guests *guests)
{
	struct host_guests domains = {0};
	unsigned count;
	const struct process *process = processes_read(tree, &count);

	host_libvirt_read(tree, &domains);
	guests->libvirt = domains.libvirt;
	guests->libvirt_unreadable = domains.libvirt_unreadable;
	for (unsigned i = 0; i < domains.count; i++)
		add(tree, guests, &domains.guest[i]);
	for (unsigned i = 0; i < count; i++) {
		const struct guest guest = read_process(tree, &process[i]);
		struct guest *domain = find_domain(guests, domains.count, &guest);

		if (domain)
			guest_take_process(tree, domain, &guest);
		else if (!is_no_machine(&guest))
			add(tree, guests, &guest);
	}
	for (unsigned i = 0; i < domains.count; i++) {
		if (guests->guest[i].pid == HOST_UNKNOWN)
			follow_images(tree, &guests->guest[i]);
	}
}
