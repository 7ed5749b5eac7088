/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "audit/advise.h"
#include "audit/clean.h"
#include "client/command.h"
#include "command.h"
#include "host_tool.h"

static const char *workload_text, *needs_text, *seconds_text;
static bool failover;

static const struct client_option options[] = {
	{.name = "workload",
	 .letter = 'w',
	 .argument = "KIND",
	 .help = "what it is for: general, latency, database, throughput or\ndensity; default: what was seen of it",
	 .value = &workload_text},
	{.name = "needs",
	 .letter = 'n',
	 .argument = "LIST",
	 .help = "what the guest or its owner cannot do without: migration,\nsharing, snapshots, limits; with commas",
	 .value = &needs_text},
	{.name = "failover", .help = "what happens when the device fails is designed and tested", .flag = &failover},
	HOST_TOOL_FOR(&seconds_text, "measure a NIC for so long; default: 2. A capture is measured to its end"),
	{.name = NULL},
};

static const struct client_command command = {
	.name = "strait advise",
	.usage = "[OPTION]... VM DISK|NIC",
	.about = "Say whether a disk or NIC of a guest should be virtio, a device passed through, or neither: then\n"
		 "something in its way is the trouble. With the conditions that decide, what would change the\n"
		 "answer, and the recommended shape for libvirt and QEMU.",
	.more = "Examples:\n"
		"  strait advise vm3 vda\n"
		"  strait advise --workload database --needs migration,snapshots vm3 virtio-disk0",
	.options = options,
	.operands_min = 2,
	.operands_max = 2,
	.of_host = true,
};

/* "migration,snapshots". */
static bool read_needs(const char *text, unsigned *needs)
{
	static const char *const names[] = {"migration", "sharing", "snapshots", "limits"};

	*needs = 0;
	while (text && *text) {
		const size_t length = strcspn(text, ",");
		unsigned i = 0;

		while (i < 4 && (strlen(names[i]) != length || memcmp(names[i], text, length) != 0))
			i++;
		if (i == 4)
			return false;
		*needs |= 1u << i;
		text += length + (text[length] == ',');
	}
	return true;
}

static const char *holds_text(host_answer holds)
{
	return holds == 1 ? "yes" : holds == 0 ? "no" : "unknown";
}

static void print_layers(struct tree *tree, const struct advice *advice)
{
	if (advice->layer_count)
		printf("\nIn its way:\n");
	for (unsigned i = 0; i < advice->layer_count; i++) {
		const struct finding *finding = advice->layer[i];

		printf("  %s: %s, expected %s\n", finding->rule->title,
		       finding->value ? audit_clean(tree, finding->value) : "?",
		       finding->expected ? finding->expected : "something else");
		if (finding->rule->lasting)
			printf("    %s\n", finding->rule->lasting);
	}
}

static void print_changes(const struct advice *advice)
{
	bool any = false;

	if (advice->answer == ADVICE_PASSTHROUGH) {
		printf("\nIt would be virtio if the guest had to migrate, if others needed the device or the host its\n"
		       "snapshots or limits, or if its loss were not provided for.\n");
		return;
	}
	for (unsigned i = 0; i < advice->condition_count; i++) {
		if (!advice->condition[i].change)
			continue;
		printf("%s  - %s\n", any ? "" : "\nIt would be passthrough if all of this were so, too:\n",
		       advice->condition[i].change);
		any = true;
	}
}

static void print_indented(const char *text)
{
	while (*text) {
		const size_t length = strcspn(text, "\n");

		printf("  %.*s\n", (int)length, text);
		text += length + (text[length] == '\n');
	}
}

static int print_text(struct tree *tree, const char *guest, const char *object, const struct advice *advice)
{
	printf("%s %s: %s\n  %s\n", guest, object, advice_answer_name(advice->answer), advice->sentence);
	if (advice->gives_up)
		printf("  costs: %s\n", advice->gives_up);
	printf("\nWorkload: %s (%s)\n", advice_workload_name(advice->workload), advice->workload_evidence);
	if (advice->measured)
		printf("Measured: %s\n", advice->measured);
	if (advice->capacity)
		printf("Capacity: %s\n", advice->capacity);
	printf("\nPassthrough only if all of these hold:\n");
	for (unsigned i = 0; i < advice->condition_count; i++)
		printf("  %-8s %s: %s\n", holds_text(advice->condition[i].holds), advice->condition[i].what,
		       audit_clean(tree, advice->condition[i].evidence));
	print_layers(tree, advice);
	print_changes(advice);
	printf("\nlibvirt:\n");
	print_indented(advice->libvirt);
	printf("\nQEMU:\n");
	print_indented(advice->qemu);
	if (advice->fill_in)
		printf("\nTo fill in: %s\n", advice->fill_in);
	return client_command_flush(&command);
}

static json_t *conditions_json(struct tree *tree, const struct advice *advice)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < advice->condition_count; i++) {
		const struct advice_condition *condition = &advice->condition[i];

		json_array_append_new(
			list,
			json_pack("{s:s,s:o,s:s,s:s*}", "condition", condition->what, "holds",
				  condition->holds == HOST_UNKNOWN ? json_null() : json_boolean(condition->holds),
				  "evidence", audit_clean(tree, condition->evidence), "change", condition->change));
	}
	return list;
}

static json_t *layers_json(struct tree *tree, const struct advice *advice)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < advice->layer_count; i++) {
		const struct finding *finding = advice->layer[i];

		json_array_append_new(list,
				      json_pack("{s:s,s:s,s:s*,s:s*,s:s*}", "rule", finding->rule->id, "status",
						finding_status_name(finding->status), "value",
						audit_clean(tree, finding->value), "expected",
						audit_clean(tree, finding->expected), "cure", finding->rule->lasting));
	}
	return list;
}

/* A second; null: not measured. */
static json_t *traffic_json(struct tree *tree, const struct advice_traffic *traffic)
{
	const double seconds = traffic ? traffic->seconds : 0;

	if (!traffic)
		return json_null();
	return json_pack("{s:s,s:f,s:f,s:f,s:f,s:f,s:f}", "interface", audit_clean(tree, traffic->interface), "seconds",
			 seconds, "to-packets", traffic->to_packets / seconds, "to-bytes", traffic->to_bytes / seconds,
			 "from-packets", traffic->from_packets / seconds, "from-bytes", traffic->from_bytes / seconds,
			 "dropped", traffic->dropped / seconds);
}

static int print_json(struct tree *tree, const char *guest, const char *object, const struct advice *advice)
{
	json_t *all = json_pack("{s:s,s:s,s:s,s:s,s:s*,s:s,s:s,s:o,s:o,s:s,s:s,s:s*}", "guest", guest, "object", object,
				"answer", advice_answer_name(advice->answer), "sentence", advice->sentence, "costs",
				advice->gives_up, "workload", advice_workload_name(advice->workload),
				"workload-evidence", advice->workload_evidence, "conditions",
				conditions_json(tree, advice), "in-its-way", layers_json(tree, advice), "libvirt",
				advice->libvirt, "qemu", advice->qemu, "fill-in", advice->fill_in);
	int code;

	if (advice->measured) {
		json_object_set_new(all, "traffic", traffic_json(tree, advice->traffic));
		json_object_set_new(all, "measured", json_string(advice->measured));
	}
	if (advice->capacity)
		json_object_set_new(all, "capacity", json_string(advice->capacity));
	code = client_command_print(&command, all);
	json_decref(all);
	return code;
}

/* What a word may mean, for whoever wrote another. */
static int not_found(const struct guest *guest, const char *word)
{
	const char *before = "";

	fprintf(stderr, "%s: %s: the guest has no such disk or NIC: expected", command.name, word);
	for (unsigned i = 0; i < guest->disk_count; i++, before = ",")
		fprintf(stderr, "%s %s", before,
			guest->disk[i].target ? guest->disk[i].target
			: guest->disk[i].id   ? guest->disk[i].id
					      : "?");
	for (unsigned i = 0; i < guest->nic_count; i++, before = ",")
		fprintf(stderr, "%s %s", before, guest->nic[i].id ? guest->nic[i].id : "?");
	for (unsigned i = 0; i < guest->hostdev_count; i++, before = ",")
		fprintf(stderr, "%s %s", before, guest->hostdev[i].address ? guest->hostdev[i].address : "?");
	fprintf(stderr, "%s\n", *before ? "" : " nothing, it has none that can be seen");
	return CLIENT_EXIT_FAILED;
}

/* By the id of the device or the address that it has on the host. */
static const struct guest_hostdev *find_hostdev(const struct guest *guest, const char *word)
{
	for (unsigned i = 0; i < guest->hostdev_count; i++) {
		const struct guest_hostdev *hostdev = &guest->hostdev[i];

		if ((hostdev->id && strcmp(hostdev->id, word) == 0) ||
		    (hostdev->address && strcmp(hostdev->address, word) == 0))
			return hostdev;
	}
	return NULL;
}

/* NULL: there is no such thing, or none that advice is given on. */
static const struct advice *advise_on(struct host *host, const struct guest *guest, const char *word,
				      const struct advice_options *how)
{
	const struct guest_hostdev *hostdev = find_hostdev(guest, word);
	const struct guest_disk *disk = guest_disk_find(guest, word);
	const struct guest_nic *nic = guest_nic_find(guest, word);

	return hostdev ? advise_hostdev(host, guest, hostdev, how)
	       : disk  ? advise_disk(host, guest, disk, how)
	       : nic   ? advise_nic(host, guest, nic, how)
		       : NULL;
}

static int advise(const struct client_arguments *arguments, struct host *host, const struct advice_options *how)
{
	const struct guest *guest = host_tool_guest(&command, host, arguments->operands[0]);
	const char *name, *word = arguments->operands[1];
	const struct advice *advice;

	if (!guest)
		return CLIENT_EXIT_FAILED;
	advice = advise_on(host, guest, word, how);
	if (!advice)
		return not_found(guest, word);
	name = audit_clean(host->tree, guest->name ? guest->name : arguments->operands[0]);
	word = audit_clean(host->tree, word);
	return arguments->json ? print_json(host->tree, name, word, advice)
			       : print_text(host->tree, name, word, advice);
}

int command_advise(int argc, char **argv)
{
	struct advice_options how = {.workload = WORKLOAD_MEASURED, .seconds = 2};
	struct client_arguments arguments;
	struct tree *tree;
	int code = client_command_parse(&command, argc, argv, &arguments);

	if (code != CLIENT_GO_ON)
		return code;
	code = host_tool_seconds(&command, seconds_text, &how.seconds);
	if (code != CLIENT_GO_ON)
		return code;
	how.failover = failover;
	if (workload_text && !advice_workload_find(workload_text, &how.workload))
		return client_command_misused(
			&command, "--workload=%s: expected general, latency, database, throughput or density",
			workload_text);
	if (!read_needs(needs_text, &how.needs))
		return client_command_misused(&command,
					      "--needs=%s: expected some of migration, sharing, snapshots and limits, "
					      "with commas between them",
					      needs_text);
	tree = host_tool_open(&command, &arguments);
	if (!tree)
		return CLIENT_EXIT_FAILED;
	code = advise(&arguments, host_read(tree), &how);
	host_tool_tell_unreadable(&command, tree);
	tree_close(tree);
	return code;
}
