/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "control/daemon_parts.h"
#include "control/methods.h"
#include "control/profile_classify.h"
#include "control/stats_json.h"

#define WINDOW_NS 60000000000ull /* where none is asked for */

static json_t *describe_mix(const struct profile *profile)
{
	json_t *mix = json_object();

	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++) {
		const double share = profile->all_requests > 0 ? profile->requests[op] / profile->all_requests : 0;

		json_object_set_new(mix, storage_op_names[op], json_real(share));
	}
	return mix;
}

/* Of each operation type that has a size [[largest bytes, requests], ...]. */
static json_t *describe_sizes(const uint64_t word[BLK_PROFILE_WORDS])
{
	json_t *sizes = json_object();

	for (unsigned op = 0; op < STORAGE_OP_COUNT; op++) {
		const uint64_t *count = &word[BLK_PROFILE_SIZE + op * BLK_PROFILE_SIZES];
		json_t *list;

		if (op == STORAGE_FLUSH)
			continue;
		list = json_array();
		for (unsigned place = 0; place < BLK_PROFILE_SIZES; place++) {
			if (count[place])
				json_array_append_new(list, json_pack("[I,I]", (json_int_t)(512ull << place),
								      (json_int_t)count[place]));
		}
		json_object_set_new(sizes, storage_op_names[op], list);
	}
	return sizes;
}

static json_t *describe_evidence(const struct profile_verdict *verdict)
{
	json_t *evidence = json_array();

	for (unsigned i = 0; i < verdict->sentence_count; i++)
		json_array_append_new(evidence, json_string(verdict->sentence[i]));
	return evidence;
}

static json_t *describe_working_set(const struct blk *blk)
{
	const double bytes = blk_working_set(blk);

	return json_pack("{s:I,s:s}", "bytes", (json_int_t)bytes, "method",
			 "HyperLogLog of the regions of 64 KiB that the last one to two minutes of requests touched");
}

static int answer(struct rpc_call *call, const struct fleet_disk *member, struct stats_covered covered,
		  const struct stats_sum *sum, struct error *err)
{
	const uint64_t *word = sum->word, window_ns = covered.to_ns - covered.from_ns;
	const struct blk *blk = &member->disk.blk;
	struct profile_verdict verdict;
	struct profile profile;
	double under_way;

	profile_make(&profile, (double)window_ns / 1e9, &word[STATS_OPS],
		     word[STATS_BYTES_READ] + word[STATS_BYTES_WRITTEN], &word[STATS_DEVICE]);
	profile_classify(&profile, &verdict);
	under_way = window_ns ? (double)sum->reading.total.sum / (double)window_ns : 0;
	call->result =
		json_pack("{s:s,s:I,s:I,s:s,s:o,s:I,s:o,s:o,s:{s:f,s:f},s:{s:f,s:f,s:f},s:f,s:f,s:o}", "disk",
			  member->config->name, "from-ns", (json_int_t)covered.from_ns, "to-ns",
			  (json_int_t)covered.to_ns, "class", profile_class_names[verdict.class], "evidence",
			  describe_evidence(&verdict), "requests", (json_int_t)profile.all_requests, "mix",
			  describe_mix(&profile), "sizes", describe_sizes(&word[STATS_DEVICE]), "sequential", "read",
			  profile.sequential[STORAGE_READ], "write", profile.sequential[STORAGE_WRITE], "depth", "mean",
			  profile.depth_mean, "p99", profile.depth_p99, "under-way", under_way, "burstiness",
			  profile.burstiness, "sync-share", profile.sync, "working-set", describe_working_set(blk));
	return call->result ? 0 : error_set(err, -ENOMEM, "no memory for an answer");
}

int method_profile_get(struct rpc_call *call, struct error *err)
{
	const struct fleet_disk *member = stats_json_disk(call, err);
	const struct stats_span span = stats_json_span(call->params, WINDOW_NS);
	struct stats_covered covered;
	struct stats_sum *sum;
	int ret;

	if (!member)
		return err->code;
	sum = malloc(sizeof(*sum));
	if (!sum)
		return error_set(err, -ENOMEM, "no memory for statistics");
	covered = stats_disk_read(member->disk.stats, span, STATS_ALL_OPS, false, sum);
	ret = answer(call, member, covered, sum, err);
	free(sum);
	return ret;
}
