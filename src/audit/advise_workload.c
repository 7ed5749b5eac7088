/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <jansson.h>

#include "audit/advise_parts.h"
#include "audit/clean.h"
#include "client/table.h"
#include "host/qmp.h"

static void is(struct advising *advising, enum advice_workload workload, const char *evidence)
{
	advising->advice->workload = workload;
	advising->advice->workload_evidence = evidence;
}

/* What straitd has found out of one of its own. */
static bool by_straitd(struct advising *advising)
{
	static const struct {
		const char *class;
		enum advice_workload workload;
	} classes[] = {
		{"idle", WORKLOAD_UNKNOWN},
		{"latency-sensitive", WORKLOAD_LATENCY},
		{"throughput", WORKLOAD_THROUGHPUT},
		{"mixed", WORKLOAD_GENERAL},
	};
	const struct host_straitd *straitd = &advising->host->straitd;
	const char *socket = advising->disk ? advising->disk->vhost_socket : NULL, *class, *first;

	for (unsigned i = 0; socket && i < straitd->count; i++) {
		const struct host_straitd_disk *disk = &straitd->disk[i];

		if (!disk->socket || strcmp(disk->socket, socket) != 0)
			continue;
		class = json_string_value(json_object_get(disk->profile, "class"));
		first = json_string_value(json_array_get(json_object_get(disk->profile, "evidence"), 0));
		for (unsigned j = 0; class && j < sizeof(classes) / sizeof(classes[0]); j++) {
			if (strcmp(class, classes[j].class) != 0)
				continue;
			is(advising, classes[j].workload,
			   tree_format(advising->tree, "straitd's profile: %s%s%s", class, first ? ": " : "",
				       first ? audit_clean(advising->tree, first) : ""));
			return true;
		}
	}
	return false;
}

/* What QEMU has counted for a disk since the guest started. */
struct counted {
	double reads, writes, flushes, read_bytes, write_bytes;
};

#define STATISTICS "query-blockstats"
/* Fewer requests tell nothing. */
#define REQUESTS_MIN 1000
/* Writes are made stable one by one where there is a flush for so few of them, and are small where they have so much.
 */
#define WRITES_A_FLUSH 4
#define SMALL_BYTES    (32 << 10)
#define LARGE_BYTES    (128 << 10)

static double number(const json_t *object, const char *key)
{
	const double value = json_number_value(json_object_get(object, key));

	return value > 0 ? value : 0;
}

/* Whether a path or name is of the device: "/machine/peripheral/ID/virtio-backend", "ID". */
static bool is_of(const char *text, const char *id)
{
	const char *at = text && *id ? strstr(text, id) : NULL;

	return at && (at == text || at[-1] == '/') && (!at[strlen(id)] || at[strlen(id)] == '/');
}

static bool find_counted(const json_t *answer, const char *id, struct counted *counted)
{
	const json_t *entry, *stats;
	size_t i;

	json_array_foreach(answer, i, entry)
	{
		if (!is_of(json_string_value(json_object_get(entry, "qdev")), id) &&
		    !is_of(json_string_value(json_object_get(entry, "device")), id))
			continue;
		stats = json_object_get(entry, "stats");
		*counted = (struct counted){
			.reads = number(stats, "rd_operations"),
			.writes = number(stats, "wr_operations"),
			.flushes = number(stats, "flush_operations"),
			.read_bytes = number(stats, "rd_bytes"),
			.write_bytes = number(stats, "wr_bytes"),
		};
		return true;
	}
	return false;
}

/* The answer of a guest's QEMU; NULL: none. For json_decref(). */
static json_t *ask(struct tree *tree, const struct guest *guest)
{
	struct qmp *qmp;
	json_t *answer;

	if (guest->hypervisor != GUEST_QEMU || guest->pid == HOST_UNKNOWN || !guest->qmp)
		return NULL;
	qmp = qmp_new(tree, guest);
	answer = qmp_ask(qmp, STATISTICS, NULL, STATISTICS);
	qmp_hang_up(qmp);
	return answer;
}

void advise_read(struct host *host)
{
	for (unsigned i = 0; i < host->guests.count; i++) {
		json_decref(ask(host->tree, &host->guests.guest[i]));
		advise_read_traffic(host, &host->guests.guest[i]);
	}
}

static void judge(struct advising *advising, const struct counted *counted)
{
	const double requests = counted->reads + counted->writes;
	const double size = requests > 0 ? (counted->read_bytes + counted->write_bytes) / requests : 0;
	const double write_size = counted->writes > 0 ? counted->write_bytes / counted->writes : 0;
	const bool stable = counted->flushes > 0 && counted->writes <= WRITES_A_FLUSH * counted->flushes;
	char mean[CLIENT_TEXT];
	const char *text = tree_format(advising->tree,
				       "QEMU counted %.0f reads, %.0f writes of %s on average and %.0f "
				       "flushes since it started",
				       counted->reads, counted->writes, client_format_size((uint64_t)write_size, mean),
				       counted->flushes);

	if (requests < REQUESTS_MIN)
		is(advising, WORKLOAD_UNKNOWN, tree_format(advising->tree, "%s: too few to tell", text));
	else if (stable && counted->writes * 10 >= requests && write_size <= SMALL_BYTES)
		is(advising, WORKLOAD_LATENCY,
		   tree_format(advising->tree,
			       "%s: small writes are made stable one by one, and somebody waits for each", text));
	else if (size >= LARGE_BYTES)
		is(advising, WORKLOAD_THROUGHPUT, tree_format(advising->tree, "%s: large requests", text));
	else
		is(advising, WORKLOAD_GENERAL, text);
}

/* What QEMU has counted: of the device by its id, of which all that libvirt starts have one. */
static bool by_qemu(struct advising *advising)
{
	struct counted counted;
	json_t *answer;
	bool found;

	if (!advising->disk || !advising->disk->id)
		return false;
	answer = ask(advising->tree, advising->guest);
	found = find_counted(answer, advising->disk->id, &counted);
	json_decref(answer);
	if (found)
		judge(advising, &counted);
	return found;
}

/* Fewer packets tell nothing. Small ones are calls and answers, large ones are streams: an Ethernet frame has 1514. */
#define PACKETS_MIN  1000
#define SMALL_PACKET 512
#define LARGE_PACKET 1000
/* And there are as many answers as calls, or nearly so. */
#define PACKETS_A_PACKET 4

/* What went through a NIC. */
static bool by_traffic(struct advising *advising)
{
	const struct advice_traffic *traffic = advising->advice->traffic;
	double to, from, more;

	if (!traffic)
		return false;
	to = traffic->to_packets > 0 ? traffic->to_bytes / traffic->to_packets : 0;
	from = traffic->from_packets > 0 ? traffic->from_bytes / traffic->from_packets : 0;
	more = traffic->to_bytes > traffic->from_bytes ? to : from;
	if (traffic->to_packets + traffic->from_packets < PACKETS_MIN)
		is(advising, WORKLOAD_UNKNOWN,
		   "it carried too few packets to tell: measure while it works, or say --workload");
	else if (more >= LARGE_PACKET)
		is(advising, WORKLOAD_THROUGHPUT, "measured: large packets, at least one way");
	else if (to <= SMALL_PACKET && from <= SMALL_PACKET &&
		 traffic->to_packets <= PACKETS_A_PACKET * traffic->from_packets &&
		 traffic->from_packets <= PACKETS_A_PACKET * traffic->to_packets)
		is(advising, WORKLOAD_LATENCY,
		   "measured: small packets go to and fro, and somebody waits for each answer");
	else
		is(advising, WORKLOAD_GENERAL, "measured: neither small packets to and fro nor large ones");
	return true;
}

void advise_workload(struct advising *advising)
{
	const enum advice_workload asked = advising->options->workload;

	if (asked != WORKLOAD_MEASURED)
		is(advising, asked, tree_format(advising->tree, "--workload says %s", advice_workload_name(asked)));
	else if (!by_straitd(advising) && !by_qemu(advising) && !by_traffic(advising))
		is(advising, WORKLOAD_UNKNOWN, "what it is used for is not known: say --workload");
}
