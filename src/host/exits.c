/* SPDX-License-Identifier: Apache-2.0 */
#include "host/exits.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/document.h"
#include "host/exit_trace.h"

#define DOCUMENT "kvm-exits.json"

/* As many as are written; each has a histogram of 18 KiB, which a line of a hostile capture is a thousand times less
 * than.
 */
#define EXITS_MAX 8192u

/* Steps of a histogram as they were written: [smallest value, how many]. */
static const struct hist *parse_histogram(struct tree *tree, const json_t *entry)
{
	struct hist *hist = tree_alloc(tree, sizeof(*hist));
	const int64_t sum = document_number(entry, "ns"), min = document_number(entry, "min-ns");
	const int64_t max = document_number(entry, "max-ns");
	const json_t *step;
	size_t i;

	hist_reset(hist);
	json_array_foreach(document_member(entry, "histogram"), i, step)
	{
		const json_int_t lower = json_integer_value(json_array_get(step, 0));
		const json_int_t count = json_integer_value(json_array_get(step, 1));

		if (lower < 0 || count <= 0 || count > INT64_MAX / 2 - (json_int_t)hist->count)
			continue;
		hist->bucket[hist_index((uint64_t)lower)] += (uint64_t)count;
		hist->count += (uint64_t)count;
	}
	if (hist->count && sum >= 0 && min >= 0 && max >= min) {
		hist->sum = (uint64_t)sum;
		hist->min = (uint64_t)min;
		hist->max = (uint64_t)max;
	} else {
		hist_reset(hist);
	}
	return hist;
}

static int small(int64_t number)
{
	return number > 0 && number <= INT32_MAX ? (int)number : HOST_UNKNOWN;
}

int host_exits_parse(struct tree *tree, const char *text, size_t length, struct host_exits *exits)
{
	json_t *root = document_object(text, (ssize_t)length);
	const json_t *list = document_member(root, "exits"), *entry;
	const double seconds = json_number_value(document_member(root, "seconds"));
	const int64_t lost = document_number(root, "lost");
	size_t i;

	memset(exits, 0, sizeof(*exits));
	if (!json_is_array(list) || !(seconds > 0) || !isfinite(seconds)) {
		json_decref(root);
		return -EINVAL;
	}
	exits->seconds = seconds;
	exits->source = document_string(tree, root, "source");
	exits->lost = lost > 0 ? (uint64_t)lost : 0;
	exits->exit = tree_alloc(tree, EXITS_MAX * sizeof(*exits->exit));
	json_array_foreach(list, i, entry)
	{
		struct host_exit *exit;
		const int64_t count = document_number(entry, "count");

		if (exits->count == EXITS_MAX)
			break;
		exit = &exits->exit[exits->count];
		exit->reason = document_string(tree, entry, "reason");
		exit->tid = small(document_number(entry, "tid"));
		exit->pid = small(document_number(entry, "pid"));
		if (!exit->reason || count <= 0)
			continue;
		exit->count = (uint64_t)count;
		exit->time = parse_histogram(tree, entry);
		exits->count++;
	}
	json_decref(root);
	return 0;
}

struct handing {
	char *text;
	ssize_t length;
};

static ssize_t hand_over(void *context, char **text)
{
	const struct handing *handing = context;

	*text = handing->text;
	return handing->length;
}

static unsigned threads_of(const struct guest *guest, int **tids)
{
	unsigned count = 0;

	*tids = guest ? calloc(guest->vcpu_count + 1, sizeof(**tids)) : NULL;
	for (unsigned i = 0; *tids && i < guest->vcpu_count; i++) {
		if (guest->vcpu[i].tid > 0)
			(*tids)[count++] = guest->vcpu[i].tid;
	}
	return count;
}

int host_measure_exits(struct host *host, const struct guest *guest, uint64_t interval_ns, struct host_exits *exits,
		       struct error *why, struct error *err)
{
	struct handing handing = {.length = -ENOENT};
	const bool live = tree_is_live(host->tree);
	const char *text;
	int *tids, ret;
	unsigned count;

	memset(exits, 0, sizeof(*exits));
	memset(why, 0, sizeof(*why));
	host_measure_begin(host);
	if (live) {
		count = threads_of(guest, &tids);
		handing.length = exit_trace_run(interval_ns, tids, count, &handing.text, why);
		free(tids);
	}
	/* Tracing took the time that there is. */
	ret = host_measure(host, handing.length < 0 ? interval_ns : 0, err);
	if (ret < 0) {
		free(handing.text);
		return ret;
	}
	handing.length = tree_ask_again(host->tree, &text, hand_over, &handing, DOCUMENT);
	if (handing.length >= 0 && host_exits_parse(host->tree, text, (size_t)handing.length, exits) < 0)
		error_set(why, -EINVAL, "exits in the capture: not what strait writes");
	else if (handing.length < 0 && !why->code)
		error_set(why, (int)handing.length, "exits: nobody traced them when the capture was taken%s",
			  handing.length == -ENOENT ? "" : ", or they could not be read");
	return 0;
}
