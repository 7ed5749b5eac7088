/* SPDX-License-Identifier: Apache-2.0 */
#include "control/daemon_parts.h"

#include "base/log.h"
#include "control/daemon_change.h"
#include "control/notify.h"

void daemon_report_status(const struct daemon *daemon, const char *prefix)
{
	const struct fleet_tally tally = fleet_count(&daemon->fleet);

	/* What we say is not of the service any more, or not yet. */
	if (daemon->handed_over || daemon->taking)
		return;
	notify_send("%sSTATUS=%s %u of %u disks, %u connected, %u failed", prefix,
		    daemon->stopping ? "Draining" : "Serving", tally.open, daemon->fleet.count, tally.connected,
		    tally.failed);
}

static void forget_removed(struct mailbox_message *message)
{
	struct daemon *daemon = (struct daemon *)((char *)message - offsetof(struct daemon, forget));
	struct fleet_disk *next;

	daemon->forgetting = false;
	for (struct fleet_disk *member = daemon->fleet.first; member; member = next) {
		next = member->next;
		if (!member->removed || !member->disk.closed)
			continue;
		log_info("disk %s: removed", member->config->name);
		daemon_change_gone(daemon, member);
		fleet_forget(&daemon->fleet, member);
	}
	daemon_report_status(daemon, "");
}

/* Whoever closes a disk still has it in hand when it is closed: so it is forgotten later. */
static void forget_later(struct daemon *daemon)
{
	if (daemon->forgetting)
		return;
	daemon->forgetting = true;
	daemon->forget.run = forget_removed;
	mailbox_post(&daemon->mailbox, &daemon->forget);
}

void daemon_disks_changed(struct disk_host *host)
{
	struct daemon *daemon = (struct daemon *)((char *)host - offsetof(struct daemon, host));
	bool all_closed = true;

	if (!daemon->ready)
		return;
	daemon_report_status(daemon, "");
	for (const struct fleet_disk *member = daemon->fleet.first; member; member = member->next) {
		all_closed = all_closed && member->disk.closed;
		if (member->removed && member->disk.closed && !daemon->stopping)
			forget_later(daemon);
	}
	/* One that can be given disks waits for them. */
	if (all_closed && (daemon->stopping || !daemon->config->rpc_socket))
		loop_quit(&daemon->loop);
}

void daemon_disk_settled(struct disk_host *host, struct disk *disk)
{
	struct daemon *daemon = (struct daemon *)((char *)host - offsetof(struct daemon, host));

	daemon_change_settled(daemon, fleet_member(disk));
}

void daemon_close_disks(struct daemon *daemon)
{
	for (struct fleet_disk *member = daemon->fleet.first; member; member = member->next) {
		if (!member->disk.closed)
			disk_close(&member->disk);
	}
}

int daemon_open_disk(struct daemon *daemon, struct fleet_disk *member, struct error *err)
{
	const struct config_disk *config = member->config;
	const struct storage_info *info;
	int ret;

	fleet_identify(member);
	ret = disk_open(&member->disk, &daemon->host, config, err);

	member->failed = ret < 0;
	if (ret < 0) {
		member->disk.closed = true;
		return ret;
	}
	info = &member->disk.storage->info;
	log_info("disk %s: %s, %llu bytes in blocks of %u%s, %u queues%s%s", config->name,
		 config->file ? config->file : "null", (unsigned long long)info->size, info->block_size,
		 info->read_only ? ", read-only" : "", config->queues, config->socket ? ", on " : "",
		 config->socket ? config->socket : "");
	return 0;
}

int daemon_open_disks(struct daemon *daemon, struct error *err)
{
	for (struct fleet_disk *member = daemon->fleet.first; member; member = member->next) {
		if (daemon_open_disk(daemon, member, err) == 0)
			continue;
		if (daemon->taking)
			return err->code;
		log_error("%s; the disk is not served", err->text);
	}
	if (fleet_count(&daemon->fleet).open || !daemon->fleet.count)
		return 0;
	return error_set(err, err->code, "nothing to serve: %s failed",
			 daemon->fleet.count == 1 ? "the only disk" : "all disks");
}

/*
 * A disk takes a handful of descriptors, a front end those of its memory, and
 * each queue its own three twice. Where all front ends together can have more
 * than there are, one that asks for all of its own keeps others away.
 */
uint64_t daemon_descriptors(const struct daemon *daemon)
{
	uint64_t most = 64;

	for (const struct fleet_disk *member = daemon->fleet.first; member; member = member->next)
		most += 16 + member->config->limits.regions + 6ull * member->config->queues;
	return most;
}
