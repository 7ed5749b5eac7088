/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "storage/storage.h"

/*
 * Makes requests fail by rule, and hands all others to the back end below as
 * they are. It keeps nothing about a request, so what passes costs a look at
 * the rules.
 */

#define MAX_ERRNO 4095

struct fault_rule {
	uint32_t ops;
	int result;
	uint64_t offset;
	uint64_t end;       /* first byte after the range, UINT64_MAX for all to come */
	uint64_t threshold; /* a random number below it fails */
	bool always;        /* the one rate that no threshold can say */
	bool counted;

	/* Written by all workers: away from what they only read. */
	uint64_t left __attribute__((aligned(64)));
};

struct fault_storage {
	struct storage storage; /* first */
	unsigned rule_count;
	struct fault_rule *rules;
};

static bool in_range(const struct fault_rule *rule, const struct storage *storage, const struct storage_io *io)
{
	if (io->op == STORAGE_FLUSH)
		return !rule->offset && rule->end >= storage_size(storage);
	return io->offset < rule->end && rule->offset < io->offset + io->length;
}

static bool is_spent(const struct fault_rule *rule)
{
	return rule->counted && !__atomic_load_n(&rule->left, __ATOMIC_RELAXED);
}

/* One of the errors that are left, if another worker does not get it first. */
static bool take_one(struct fault_rule *rule)
{
	uint64_t left = __atomic_load_n(&rule->left, __ATOMIC_RELAXED);

	while (left)
		if (__atomic_compare_exchange_n(&rule->left, &left, left - 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	return false;
}

/* The result that the rules give io: a negative errno, or 0 to let it pass. A spent rule is as good as not there. */
static int decide(struct fault_storage *fault, struct storage_thread *thread, const struct storage_io *io)
{
	for (unsigned i = 0; i < fault->rule_count; i++) {
		struct fault_rule *rule = &fault->rules[i];

		if (!(rule->ops & (1u << io->op)) || !in_range(rule, &fault->storage, io) || is_spent(rule))
			continue;
		if (!rule->always && storage_random(thread) >= rule->threshold)
			return 0;
		if (!rule->counted || take_one(rule))
			return rule->result;
	}
	return 0;
}

static void fault_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io)
{
	int result = decide((struct fault_storage *)storage, thread, io);

	if (result)
		io->done(io, result);
	else
		storage_submit(storage->lower, thread, io);
}

static void fault_close(struct storage *storage)
{
	struct fault_storage *fault = (struct fault_storage *)storage;

	storage_close(storage->lower);
	free(fault->rules);
	free(fault);
}

static const struct storage_ops fault_ops = {
	.name = "fault",
	.submit = fault_submit,
	.close = fault_close,
};

static int set_rule(struct fault_rule *rule, const struct storage_fault_rule *from, unsigned number, const char *name,
		    struct error *err)
{
	const uint32_t all = (1u << STORAGE_OP_COUNT) - 1;

	if (!(from->rate >= 0 && from->rate <= 1)) /* not a number neither */
		return error_set(err, -EINVAL, "disk %s: fault rule %u: rate %g: expected 0 to 1", name, number,
				 from->rate);
	if (from->error <= 0 || from->error > MAX_ERRNO)
		return error_set(err, -EINVAL, "disk %s: fault rule %u: error %d: expected an errno such as %d (EIO)",
				 name, number, from->error, EIO);
	if (from->ops & ~all)
		return error_set(err, -EINVAL, "disk %s: fault rule %u: operations 0x%x: expected bits within 0x%x",
				 name, number, from->ops, all);
	if (!range_within(from->offset, from->length, UINT64_MAX))
		return error_set(err, -EINVAL, "disk %s: fault rule %u: %llu bytes from %llu end beyond 2^64", name,
				 number, (unsigned long long)from->length, (unsigned long long)from->offset);
	*rule = (struct fault_rule){
		.ops = from->ops ? from->ops : all,
		.result = -from->error,
		.offset = from->offset,
		.end = from->length ? from->offset + from->length : UINT64_MAX,
		.always = from->rate >= 1,
		.threshold = from->rate < 1 ? (uint64_t)ldexp(from->rate, 64) : 0,
		.counted = from->count != 0,
		.left = from->count,
	};
	return 0;
}

int storage_fault_open(struct storage *lower, const struct storage_fault_rule *rules, unsigned rule_count,
		       struct storage **out, struct error *err)
{
	struct fault_storage *fault = calloc(1, sizeof(*fault));
	size_t size = (rule_count ? rule_count : 1) * sizeof(struct fault_rule);
	int ret = 0;

	if (!fault || posix_memalign((void **)&fault->rules, __alignof__(struct fault_rule), size)) {
		ret = error_set(err, -ENOMEM, "disk %s: out of memory", lower->name);
		free(fault);
		storage_close(lower);
		return ret;
	}
	fault->storage = (struct storage){.ops = &fault_ops, .info = lower->info, .lower = lower};
	memcpy(fault->storage.name, lower->name, sizeof(lower->name));
	fault->rule_count = rule_count;
	for (unsigned i = 0; i < rule_count && !ret; i++)
		ret = set_rule(&fault->rules[i], &rules[i], i + 1, lower->name, err);
	if (ret) {
		fault_close(&fault->storage);
		return ret;
	}
	*out = &fault->storage;
	return 0;
}
