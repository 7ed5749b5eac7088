/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "host/array.h"
#include "host/libvirt.h"
#include "host/model_fields.h"
#include "host/tree.h"

static bool same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* The process shows where a thread may run; of the definition what else it says stays. */
static void take_threads(struct guest *guest, const struct guest *process)
{
	const struct guest_thread *told = guest->iothread;
	const unsigned count = guest->iothread_count;

	if (process->vcpu_count) {
		guest->vcpu = process->vcpu;
		guest->vcpu_count = process->vcpu_count;
	}
	guest->other = process->other;
	guest->other_count = process->other_count;
	if (!process->iothread_count)
		return;
	guest->iothread = process->iothread;
	guest->iothread_count = process->iothread_count;
	for (unsigned i = 0; i < count; i++) {
		for (unsigned k = 0; k < guest->iothread_count; k++) {
			if (same(told[i].name, guest->iothread[k].name))
				model_fill(&guest->iothread[k], &told[i], model_guest_thread);
		}
	}
}

static void take_backends(struct guest_memory *memory, const struct guest_memory *process)
{
	for (unsigned i = 0; i < memory->backend_count; i++) {
		struct guest_memory_backend *backend = &memory->backend[i];

		for (unsigned k = 0; k < process->backend_count; k++) {
			if (same(backend->id, process->backend[k].id))
				model_fill(backend, &process->backend[k], model_guest_memory_backend);
		}
	}
}

static void take_image(struct guest_disk *disk, const struct guest_disk *process)
{
	for (unsigned i = 0; i < disk->image_count && i < process->image_count; i++) {
		struct guest_image *image = &disk->image[i];

		/* Of a volume in a pool libvirt does not say where it is. */
		if (!image->file) {
			image->file = process->image[i].file;
			image->protocol = process->image[i].protocol;
		}
		if (!same(image->file, process->image[i].file))
			return;
		if (image->preallocated == HOST_UNKNOWN)
			image->preallocated = process->image[i].preallocated;
		if (!image->size)
			image->size = process->image[i].size;
		if (!image->cluster)
			image->cluster = process->image[i].cluster;
		if (!image->cache_bytes)
			image->cache_bytes = process->image[i].cache_bytes;
		if (!image->format)
			image->format = process->image[i].format;
	}
}

/* Returns whether the definition has this one. */
static bool take_disk(struct guest *guest, const struct guest_disk *process)
{
	for (unsigned i = 0; i < guest->disk_count; i++) {
		if (!same(guest->disk[i].id, process->id))
			continue;
		model_fill(&guest->disk[i], process, model_guest_disk);
		take_image(&guest->disk[i], process);
		guest->disk[i].whole |= process->whole && process->image_count == guest->disk[i].image_count;
		return true;
	}
	return false;
}

static bool take_nic(struct guest *guest, const struct guest_nic *process)
{
	for (unsigned i = 0; i < guest->nic_count; i++) {
		if (!same(guest->nic[i].id, process->id))
			continue;
		/* The name of a tap that is handed over as a descriptor is libvirt's to tell, the rest QEMU's. */
		guest->nic[i].queues = process->queues > 0 ? process->queues : guest->nic[i].queues;
		model_fill(&guest->nic[i], process, model_guest_nic);
		return true;
	}
	return false;
}

void guest_take_process(struct tree *tree, struct guest *guest, const struct guest *process)
{
	/* libvirt shows features as QEMU has expanded them, which are far more than were asked for. */
	if (process->cpu_feature_count) {
		guest->cpu_features = process->cpu_features;
		guest->cpu_feature_count = process->cpu_feature_count;
	} else if (process->cpu_model) {
		guest->cpu_feature_count = 0;
	}
	take_threads(guest, process);
	take_backends(&guest->memory, &process->memory);
	for (unsigned i = 0; i < process->disk_count; i++) {
		if (take_disk(guest, &process->disk[i]))
			continue;
		/* What was given to QEMU behind libvirt's back (qemu:commandline) is there nevertheless. */
		guest->disk = array_grow(tree, guest->disk, guest->disk_count, sizeof(*guest->disk));
		guest->disk[guest->disk_count++] = process->disk[i];
	}
	for (unsigned i = 0; i < process->nic_count; i++) {
		if (take_nic(guest, &process->nic[i]))
			continue;
		guest->nic = array_grow(tree, guest->nic, guest->nic_count, sizeof(*guest->nic));
		guest->nic[guest->nic_count++] = process->nic[i];
	}
	model_fill(guest, process, model_guest);
}
