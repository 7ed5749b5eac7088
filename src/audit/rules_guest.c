/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/rules_guest.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/table.h"

void rule_verdict(struct audit *audit, const struct rule *rule, bool good, const char *object, const char *value,
		  const char *format, ...)
{
	const struct rule_case *fits = audit_case(audit, rule);
	char why[512] = "";
	va_list arguments;

	if (good) {
		audit_pass(audit, rule, object, value);
		return;
	}
	va_start(arguments, format);
	if (format)
		vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	audit_found(audit, rule, fits ? fits->otherwise : FINDING_NOTE, object, value,
		    fits ? rule_expectation(audit->host->tree, fits) : NULL, *why ? "%s" : NULL, why);
}

const char *rule_size(struct audit *audit, uint64_t bytes)
{
	char text[CLIENT_TEXT];

	return tree_format(audit->host->tree, "%s", client_format_size(bytes, text));
}

const char *rule_vcpu(struct audit *audit, const struct guest_thread *vcpu)
{
	return tree_format(audit->host->tree, "vCPU %u", vcpu->index);
}

static bool is_held(const struct guest_thread *thread, const struct guest_quota *quota, unsigned count)
{
	for (unsigned i = 0; thread->cpu_cgroup && i < count; i++) {
		const size_t length = strlen(quota[i].cgroup);
		const char *below = thread->cpu_cgroup + length;

		if (!strncmp(thread->cpu_cgroup, quota[i].cgroup, length) && (!*below || *below == '/') &&
		    !strcmp(quota[i].max, quota->max))
			return true;
	}
	return false;
}

/* At most so many threads are told by name. */
#define NAMED 4

const char *rule_quota_threads(struct tree *tree, const struct guest *guest, const struct guest_quota *quota,
			       unsigned count)
{
	unsigned *number = tree_alloc(tree, (guest->vcpu_count + 1) * sizeof(*number)), iothreads = 0, others = 0;
	struct cpu_list vcpus = {.cpu = number};
	const char *text = "", *names = "";

	for (unsigned i = 0; i < guest->vcpu_count; i++) {
		if (is_held(&guest->vcpu[i], quota, count))
			number[vcpus.count++] = guest->vcpu[i].index;
	}
	for (unsigned i = 0; i < guest->iothread_count; i++) {
		if (is_held(&guest->iothread[i], quota, count) && iothreads++ < NAMED)
			names = tree_format(tree, "%s%s%s", names, *names ? ", " : "",
					    guest->iothread[i].name ?: "unnamed");
	}
	for (unsigned i = 0; i < guest->other_count; i++)
		others += is_held(&guest->other[i], quota, count);
	if (vcpus.count)
		text = tree_format(tree, "vCPU%s %s", vcpus.count > 1 ? "s" : "", cpu_list_format(tree, &vcpus));
	if (iothreads)
		text = tree_format(tree, "%s%sI/O thread%s %s%s", text, *text ? ", " : "", iothreads > 1 ? "s" : "",
				   names, iothreads > NAMED ? ", ..." : "");
	if (others)
		text = tree_format(tree, "%s%s%u other thread%s", text, *text ? ", " : "", others,
				   others > 1 ? "s" : "");
	return *text ? text : "its process";
}

bool rule_word_is(const char *word, const char *list)
{
	const size_t length = word ? strlen(word) : 0;

	while (length && *list) {
		const size_t end = strcspn(list, "|");

		if (end == length && !memcmp(word, list, length))
			return true;
		list += end + (list[end] == '|');
	}
	return false;
}

bool rule_knows_vcpus(struct audit *audit, const struct rule *rule)
{
	const struct guest *guest = audit->guest;

	if (guest->pid == HOST_UNKNOWN)
		return false;
	for (unsigned i = 0; i < guest->vcpu_count; i++) {
		if (!guest->vcpu[i].allowed.count) {
			audit_unknown(audit, rule, NULL, 0, "where vCPU %u may run cannot be read%s%s",
				      guest->vcpu[i].index, guest->unreadable ? ": " : "",
				      guest->unreadable ? guest->unreadable : "");
			return false;
		}
	}
	if (!guest->vcpu_count)
		audit_unknown(audit, rule, NULL, 0, "its vCPU threads are not known%s%s", guest->unreadable ? ": " : "",
			      guest->unreadable ? guest->unreadable : "");
	else if (!audit->host->cpus.count)
		audit_unknown(audit, rule, NULL, 0, "the host's CPUs are not known");
	return guest->vcpu_count && audit->host->cpus.count;
}

bool rule_vcpus_are_pinned(const struct audit *audit)
{
	const struct guest *guest = audit->guest;

	for (unsigned i = 0; i < guest->vcpu_count; i++) {
		if (!guest_thread_is_pinned(&guest->vcpu[i], &audit->host->cpus))
			return false;
	}
	return guest->vcpu_count > 0;
}

struct cpu_list rule_vcpu_cpus(const struct audit *audit)
{
	const struct guest *guest = audit->guest;
	struct tree *tree = audit->host->tree;
	const char *text = "";

	for (unsigned i = 0; i < guest->vcpu_count; i++) {
		if (guest->vcpu[i].allowed.count)
			text = tree_format(tree, "%s%s%s", text, *text ? "," : "",
					   cpu_list_format(tree, &guest->vcpu[i].allowed));
	}
	return cpu_list_parse(tree, text);
}

int rule_vcpu_node(const struct audit *audit, const struct cpu_list *vcpus)
{
	const struct guest *guest = audit->guest;
	int node = HOST_UNKNOWN;

	for (unsigned i = 0; i < guest->vcpu_count; i++) {
		const struct guest_thread *vcpu = &guest->vcpu[i];
		int own;

		if (vcpus->count && !cpu_list_has(vcpus, vcpu->index))
			continue;
		own = host_node_of(&audit->host->cpus, &vcpu->allowed);
		if (own == HOST_UNKNOWN || (node != HOST_UNKNOWN && own != node))
			return HOST_UNKNOWN;
		node = own;
	}
	return node;
}

bool rule_is_disk(const struct guest_disk *disk)
{
	return disk->cdrom != 1 && !rule_word_is(disk->model, "floppy|ide-cd|scsi-cd|sd-card|isa-fdc") &&
	       (disk->image_count || disk->vhost_socket);
}

const char *rule_disk_name(const struct guest_disk *disk)
{
	return disk->id ? disk->id : disk->target ? disk->target : "disk";
}

bool rule_is_vhost_user(const struct guest_disk *disk)
{
	return disk->vhost_socket != NULL;
}

/* Of images with backing files the first one's, which is written to. */
const struct host_mount *rule_mount_of(const struct host *host, const struct guest_disk *disk)
{
	const char *file = disk->image_count ? disk->image[0].file : NULL;

	if (!file || *file != '/' || !strncmp(file, "/dev/", 5))
		return NULL;
	file = tree_resolve(host->tree, "%s", file) ?: file;
	return host_mount_of(&host->blocks, file);
}

const struct host_block *rule_block_of(const struct host *host, const struct guest_disk *disk)
{
	const char *file = disk->image_count ? disk->image[0].file : NULL;
	const struct host_straitd_disk *served = NULL;

	if (disk->vhost_socket)
		served = host_straitd_by_socket(&host->straitd, disk->vhost_socket);
	if (served)
		file = served->file;
	return file && *file == '/' ? host_block_of_path(host->tree, &host->blocks, file) : NULL;
}
