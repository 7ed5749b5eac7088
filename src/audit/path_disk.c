/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/path_build.h"

static bool is(const char *text, const char *word)
{
	return text && strcmp(text, word) == 0;
}

static void add_queues(struct path_build *build, struct path_layer *layer, const struct guest_disk *disk)
{
	const unsigned vcpus = build->guest->vcpu_count;

	path_number(build, layer, "queues", disk->queues);
	path_number(build, layer, "queue-size", disk->queue_size);
	if (disk->queues == 1 && vcpus > 1)
		path_note(build, layer, PATH_COST, "one queue for %u vCPUs: they wait for each other", vcpus);
}

static struct path_layer *add_device(struct path_build *build, const struct guest_disk *disk)
{
	struct path_layer *layer = path_own(build, NULL, "device", disk->id ? disk->id : disk->target);

	path_word(build, layer, "model", disk->model);
	path_fact(build, layer, "bus", disk->bus);
	path_fact(build, layer, "controller", disk->controller);
	if (disk->read_only == 1)
		path_word(build, layer, "access", "read-only");
	add_queues(build, layer, disk);
	if (is(disk->bus, "ide") || is(disk->bus, "sata"))
		path_note(build, layer, PATH_COST,
			  "emulated controller: several exits a request, one request at a time");
	else if (is(disk->bus, "scsi-other") || is(disk->bus, "usb") || is(disk->model, "floppy"))
		path_note(build, layer, PATH_COST, "emulated controller: several exits a request");
	return layer;
}

static const struct guest_thread *iothread_of(const struct guest *guest, const char *name)
{
	for (unsigned i = 0; i < guest->iothread_count; i++) {
		if (is(guest->iothread[i].name, name))
			return &guest->iothread[i];
	}
	return NULL;
}

/* What else the guest runs on the CPUs of a thread. */
static void note_cpus(struct path_build *build, struct path_layer *layer, const struct guest_thread *thread)
{
	if (!guest_thread_is_pinned(thread, &build->host->cpus)) {
		if (thread->allowed.count > 1)
			path_note(build, layer, PATH_COST, "not pinned: may run on a busy CPU");
		return;
	}
	for (unsigned i = 0; i < build->guest->vcpu_count; i++) {
		const struct guest_thread *vcpu = &build->guest->vcpu[i];

		if (guest_thread_is_pinned(vcpu, &build->host->cpus) &&
		    cpu_list_overlap(&vcpu->allowed, &thread->allowed)) {
			path_note(build, layer, PATH_RISK, "shares a CPU with vCPU %u: one waits for the other", i);
			return;
		}
	}
}

static struct path_layer *add_iothread(struct path_build *build, struct path_layer *above, const char *name)
{
	const struct guest_thread *thread = iothread_of(build->guest, name);
	struct path_layer *layer = path_own(build, above, "thread", name);

	if (!thread)
		return layer;
	path_cpus(build, layer, "cpus", &thread->allowed);
	path_number(build, layer, "poll-max-ns", thread->poll_max_ns);
	note_cpus(build, layer, thread);
	return layer;
}

static struct path_layer *add_thread(struct path_build *build, struct path_layer *above, const struct guest_disk *disk)
{
	struct path_layer *layer;

	if (disk->iothread)
		return add_iothread(build, above, disk->iothread);
	if (disk->iothread_count) {
		layer = path_own(build, above, "threads", NULL);
		for (unsigned i = 0; i < disk->iothread_count; i++)
			path_word(build, layer, "iothread", disk->iothreads[i]);
		return layer;
	}
	layer = path_own(build, above, "thread", "main loop");
	path_note(build, layer, PATH_COST, "no iothread: shares QEMU's main loop with all else");
	return layer;
}

static struct path_layer *add_cache(struct path_build *build, struct path_layer *above, const struct guest_disk *disk)
{
	struct path_layer *layer;

	if (!disk->cache && !disk->aio)
		return above;
	layer = path_own(build, above, "cache", disk->cache ? disk->cache : "unknown");
	path_fact(build, layer, "aio", disk->aio);
	path_fact(build, layer, "discard", disk->discard);
	path_fact(build, layer, "detect-zeroes", disk->detect_zeroes);
	if (is(disk->cache, "unsafe"))
		path_note(build, layer, PATH_RISK, "ignores flushes: data is lost when the host fails");
	else if (is(disk->cache, "writeback") || is(disk->cache, "writethrough"))
		path_note(build, layer, PATH_COST, "host page cache: cached twice, and written back in storms");
	if (is(disk->cache, "writethrough") || is(disk->cache, "directsync"))
		path_note(build, layer, PATH_COST, "each write is flushed");
	if (is(disk->aio, "threads") && disk->image_count)
		path_note(build, layer, PATH_COST, "a pool of threads: two context switches a request");
	return layer;
}

static struct path_layer *add_limits(struct path_build *build, struct path_layer *above, const struct guest_disk *disk)
{
	const struct guest_throttle *throttle = &disk->throttle;
	const char *io_max = build->guest->io_max;
	struct path_layer *layer;

	if (throttle->iops > 0 || throttle->bps > 0) {
		above = layer = path_own(build, above, "limit", "QEMU");
		if (throttle->iops > 0)
			path_number(build, layer, "iops", throttle->iops);
		if (throttle->bps > 0)
			path_number(build, layer, "bytes-per-second", throttle->bps);
		path_note(build, layer, PATH_COST, "what exceeds it waits here");
	}
	if (io_max && *io_max) {
		above = layer = path_own(build, above, "limit", "cgroup");
		path_fact(build, layer, "io.max", io_max);
		path_note(build, layer, PATH_COST, "what exceeds it waits here");
	}
	return above;
}

static bool is_direct(const struct guest_disk *disk)
{
	return is(disk->cache, "none") || is(disk->cache, "directsync");
}

static void note_image(struct path_build *build, struct path_layer *layer, const struct guest_disk *disk,
		       const struct guest_image *image, const struct path_layer *file_system)
{
	const char *cache = is_direct(disk) ? "" : ", host page cache";

	if (image->format && strcmp(image->format, "raw") != 0 && file_system)
		path_note(build, layer, PATH_COST, "%s on %s: metadata writes%s", image->format,
			  file_system->fact_count ? file_system->fact[0].value : "a file system", cache);
	else if (image->format && strcmp(image->format, "raw") != 0)
		path_note(build, layer, PATH_COST, "%s: metadata writes%s", image->format, cache);
	else if (file_system && image->preallocated == 0)
		path_note(build, layer, PATH_COST, "not preallocated: blocks are found while it is written");
}

/* Of the chain, image by image: each on its own file, and on the next one. */
static void add_images(struct path_build *build, struct path_layer *above, const struct guest_disk *disk)
{
	for (unsigned i = 0; i < disk->image_count && i < PATH_DEPTH; i++) {
		const struct guest_image *image = &disk->image[i];
		struct path_layer *layer = path_own(build, above, i ? "backing image" : "image", image->file);
		struct path_layer *file_system = NULL;

		path_word(build, layer, "format", image->format);
		path_fact(build, layer, "protocol", image->protocol);
		path_bytes(build, layer, "cluster", image->cluster);
		if (is(image->protocol, "file") || is(image->protocol, "host_device"))
			file_system = path_file(build, layer, image->file);
		else if (image->protocol)
			path_note(build, layer, PATH_COST, "by network or a server: its latency is not seen here");
		note_image(build, layer, disk, image, file_system);
		if (i == 0 && disk->image_count > 2)
			path_note(build, layer, PATH_COST, "chain of %u: what is missing is looked for in each",
				  disk->image_count);
		above = layer;
	}
}

struct path_layer *path_disk(struct path_build *build, const struct guest_disk *disk)
{
	struct path_layer *top = add_device(build, disk), *layer = top;

	if (disk->vhost_socket) {
		layer = path_own(build, layer, "vhost-user", disk->vhost_socket);
		path_straitd(build, layer, disk->vhost_socket);
		return top;
	}
	if (!disk->image_count) {
		path_word(build, top, "medium", "no medium");
		return top;
	}
	layer = add_thread(build, layer, disk);
	layer = add_limits(build, layer, disk);
	layer = add_cache(build, layer, disk);
	add_images(build, layer, disk);
	return top;
}
