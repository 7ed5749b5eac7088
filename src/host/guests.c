/* SPDX-License-Identifier: Apache-2.0 */
#include "host/guest.h"

#include <string.h>

#include "host/array.h"
#include "host/libvirt.h"
#include "host/process.h"
#include "host/qemu.h"
#include "host/tree.h"

/* QEMU started by libvirt to ask it what it can do, or by people for a monitor alone. */
static bool is_no_machine(const struct guest *guest)
{
	return guest->machine && strcmp(guest->machine, "none") == 0;
}

/* libvirt gives each of its processes the UUID of its domain. */
static struct guest *told_by_libvirt(const struct host_guests *guests, const struct guest *process)
{
	for (unsigned i = 0; i < guests->count && process->uuid; i++) {
		struct guest *guest = &guests->guest[i];

		if (guest->source == GUEST_OF_LIBVIRT && guest->pid == HOST_UNKNOWN && guest->uuid &&
		    strcmp(guest->uuid, process->uuid) == 0)
			return guest;
	}
	return NULL;
}

static void add_process(struct tree *tree, struct host_guests *guests, const struct process *process)
{
	struct guest guest = {.pid = process->pid, .hypervisor = process->hypervisor};
	struct guest *told;
	const struct qemu_command *command = qemu_command_read(tree, process->command, process->length);

	guest.binary = command->binary;
	guest.windows = guest.hpet = guest.realtime_locked = HOST_UNKNOWN;
	if (process->hypervisor == GUEST_QEMU)
		qemu_guest_read(tree, command, &guest);
	if (is_no_machine(&guest))
		return;
	guest_process_read(tree, &guest);
	told = told_by_libvirt(guests, &guest);
	if (told) {
		guest_take_process(tree, told, &guest);
		return;
	}
	if (!guest.name)
		guest.name = tree_format(tree, "pid-%d", guest.pid);
	guests->guest = array_grow(tree, guests->guest, guests->count, sizeof(*guests->guest));
	guests->guest[guests->count++] = guest;
}

static bool is_known(const struct host_guests *guests, int pid)
{
	for (unsigned i = 0; i < guests->count; i++) {
		if (guests->guest[i].pid == pid)
			return true;
	}
	return false;
}

void host_guests_read(struct tree *tree, struct host_guests *guests)
{
	unsigned count;
	const struct process *process = processes_read(tree, &count);

	host_libvirt_read(tree, guests);
	for (unsigned i = 0; i < count; i++) {
		if (!is_known(guests, process[i].pid))
			add_process(tree, guests, &process[i]);
	}
}
