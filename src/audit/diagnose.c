/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/diagnose.h"

#include <errno.h>
#include <string.h>

#include "audit/suspect.h"
#include "host/model_json.h"

/* Playbook's order: saturation or jitter, health, then the layers. */
static const struct suspect *const playbook[] = {
	suspects_threads, suspects_storage, suspects_memory, suspects_device, suspects_layers,
};

#define INTERVAL_NS   1000000000ull
#define SAMPLES_LEAST 3
#define SETTINGS_END  40 /* weights below it are of what was not measured */

/* Short measurements have intervals of their own, so that there is a worst one to speak of. */
static uint64_t interval_of(double seconds)
{
	const double most = seconds / SAMPLES_LEAST * 1e9;

	return most < (double)INTERVAL_NS ? (uint64_t)most : INTERVAL_NS;
}

static int measure(struct host *host, struct observation *seen, double seconds, bool (*interrupted)(void),
		   struct error *err)
{
	const uint64_t interval = interval_of(seconds);

	while (seen->seconds + (double)interval / 2e9 < seconds && !(interrupted && interrupted())) {
		const int ret = host_measure(host, interval, err);

		/* A capture has ended. */
		if (ret == -ENOENT)
			break;
		if (ret == -EINTR)
			continue;
		if (ret < 0)
			return ret;
		/* Samples of a capture that claim to have taken no time say nothing. */
		if (host->rates.seconds > 0)
			observe_rates(seen);
		else if (!tree_is_live(host->tree))
			break;
	}
	return 0;
}

static void look(struct suspicion *suspicion, const struct suspect *suspects)
{
	for (; suspects->id; suspects++) {
		suspicion->suspect = suspects;
		suspect_another(suspicion, suspects->id, suspects->title, suspects->cure);
		suspects->look(suspicion);
	}
}

static bool is_before(const struct cause *a, const struct cause *b)
{
	return a->state != b->state ? a->state < b->state : a->weight > b->weight;
}

/* Equal ones stay in the playbook's order, which qsort() does not promise. There are some dozens. */
static void rank(struct cause *cause, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		const struct cause moved = cause[i];
		unsigned k = i;

		for (; k && is_before(&moved, &cause[k - 1]); k--)
			cause[k] = cause[k - 1];
		cause[k] = moved;
	}
}

static bool begins(const char *id, const char *word)
{
	return !strncmp(id, word, strlen(word));
}

/* Saturation or jitter: the first question, and what all else hangs on. */
static const char *judge(const struct diagnosis *diagnosis)
{
	const struct cause *first = diagnosis->cause;

	if (!diagnosis_found(diagnosis))
		return diagnosis->samples ? "nothing suspicious was seen: look inside the guest"
					  : "nothing suspicious is set, and nothing was measured";
	if (first->weight < SETTINGS_END)
		return diagnosis->samples
			       ? "nothing measured explains it now: remove the most suspicious layer and compare"
			       : "nothing was measured: remove the most suspicious layer and compare";
	if (!strcmp(first->id, "threads.pegged") || !strcmp(first->id, "storage.saturated"))
		return "saturation: something does all it can";
	if (begins(first->id, "threads."))
		return "jitter: threads that want to run do not";
	if (begins(first->id, "storage."))
		return "the back end: requests take their time below the guest";
	if (begins(first->id, "memory."))
		return "memory: the host takes it away or writes it back";
	if (begins(first->id, "guest.") || begins(first->id, "host."))
		return "a setting that is wrong in any case";
	return "a device, or the way to it";
}

struct diagnosis *diagnose(struct host *host, const struct guest *guest, double seconds, bool (*interrupted)(void),
			   struct error *err)
{
	struct diagnosis *diagnosis = tree_alloc(host->tree, sizeof(*diagnosis));
	struct observation *seen = observe_begin(host, guest);
	struct suspicion suspicion = {.diagnosis = diagnosis, .seen = seen};

	diagnosis->host = host;
	diagnosis->guest = guest;
	diagnosis->seen = seen;
	if (measure(host, seen, seconds, interrupted, err) < 0)
		return NULL;
	diagnosis->seconds = seen->seconds;
	diagnosis->samples = seen->samples;
	for (size_t i = 0; i < sizeof(playbook) / sizeof(*playbook); i++)
		look(&suspicion, playbook[i]);
	rank(diagnosis->cause, diagnosis->count);
	diagnosis->verdict = judge(diagnosis);
	return diagnosis;
}

unsigned diagnosis_found(const struct diagnosis *diagnosis)
{
	unsigned found = 0;

	while (found < diagnosis->count && diagnosis->cause[found].state == CAUSE_FOUND)
		found++;
	return found;
}

static json_t *cause_to_json(const struct cause *cause)
{
	json_t *json = json_pack("{s:s,s:s}", "id", cause->id, "title", cause->title), *lines = json_array();

	for (unsigned i = 0; i < cause->evidence_count; i++)
		json_array_append_new(lines, json_string(cause->evidence[i]));
	json_object_set_new(json, "evidence", lines);
	if (cause->state != CAUSE_FOUND)
		return json;
	json_object_set_new(json, "weight", json_real(cause->weight));
	json_object_set_new(json, "next", cause->next ? json_string(cause->next) : json_null());
	json_object_set_new(json, "cure", cause->cure ? json_string(cause->cure) : json_null());
	return json;
}

json_t *diagnosis_to_json(const struct diagnosis *diagnosis)
{
	static const char *const names[] = {"causes", "ruled-out", "unknown"};
	const struct guest *guest = diagnosis->guest;
	json_t *json = json_pack("{s:o,s:o,s:f,s:i,s:s}", "guest", host_text_json(guest->name), "uuid",
				 host_text_json(guest->uuid), "seconds", diagnosis->seconds, "samples",
				 (int)diagnosis->samples, "verdict", diagnosis->verdict);

	for (unsigned state = 0; json && state < 3; state++) {
		json_t *list = json_array();

		for (unsigned i = 0; i < diagnosis->count; i++) {
			if (diagnosis->cause[i].state == (enum cause_state)state)
				json_array_append_new(list, cause_to_json(&diagnosis->cause[i]));
		}
		json_object_set_new(json, names[state], list);
	}
	return json;
}
