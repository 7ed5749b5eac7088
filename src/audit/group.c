/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "audit/report.h"

/* Machines with more of a kind exist only in captures that somebody made up. */
#define ALIKE_MAX 4096
#define NAMED_MAX 40

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Whether two findings say the same of two objects. */
static bool is_alike(const struct finding *a, const struct finding *b)
{
	return a->status == b->status && a->object && b->object && is_same_text(a->value, b->value) &&
	       is_same_text(a->expected, b->expected) && is_same_text(a->why, b->why) &&
	       is_same_text(a->suppressed, b->suppressed);
}

/* "cpu3" as "cpu" and 3; false where no number ends it, or one that is not written as a number is. */
static bool split(const char *object, size_t *prefix, unsigned long *number)
{
	size_t end = strlen(object);

	*prefix = end;
	while (*prefix && isdigit((unsigned char)object[*prefix - 1]))
		--*prefix;
	if (*prefix == end || end - *prefix > 9 || (object[*prefix] == '0' && end - *prefix > 1))
		return false;
	*number = strtoul(object + *prefix, NULL, 10);
	return true;
}

static bool follows(const char *before, const char *object)
{
	unsigned long left, right;
	size_t left_prefix, right_prefix;

	return split(before, &left_prefix, &left) && split(object, &right_prefix, &right) &&
	       left_prefix == right_prefix && strncmp(before, object, left_prefix) == 0 && right == left + 1;
}

/* "cpu0-7, cpu12": the objects of findings that are alike, the first of them. */
static const char *join_objects(struct tree *tree, const struct finding *const *finding, size_t count)
{
	const char *text = "";
	unsigned named = 0;

	for (size_t i = 0, end; i < count; i = end) {
		const char *comma = i ? ", " : "", *first = finding[i]->object, *last;
		unsigned long number = 0;
		size_t prefix;

		if (named++ == NAMED_MAX)
			return tree_format(tree, "%s and %zu more", text, count - i);
		for (end = i + 1; end < count && follows(finding[end - 1]->object, finding[end]->object);)
			end++;
		last = finding[end - 1]->object;
		if (end - i > 1 && split(last, &prefix, &number))
			text = tree_format(tree, "%s%s%s-%lu", text, comma, first, number);
		else
			text = tree_format(tree, "%s%s%s", text, comma, first);
	}
	return text;
}

/* The first, and all behind it that say the same: of a rule and a guest they are next to each other. */
static struct audit_group gather(const struct audit *audit, size_t first, bool *is_taken)
{
	struct audit_group group = {.finding = audit->finding[first], .count = 1};
	const struct finding *alike[ALIKE_MAX] = {&audit->finding[first]};

	for (size_t i = first + 1; i < audit->count && i < first + ALIKE_MAX; i++) {
		const struct finding *other = &audit->finding[i];

		if (other->rule != group.finding.rule || other->guest != group.finding.guest)
			break;
		if (is_taken[i] || !is_alike(&group.finding, other))
			continue;
		alike[group.count++] = other;
		is_taken[i] = true;
	}
	if (group.count > 1)
		group.finding.object = join_objects(audit->host->tree, alike, group.count);
	return group;
}

size_t audit_groups(const struct audit *audit, const struct audit_group **groups)
{
	struct audit_group *group = tree_alloc(audit->host->tree, (audit->count + 1) * sizeof(*group));
	bool *is_taken = tree_alloc(audit->host->tree, (audit->count + 1) * sizeof(*is_taken));
	size_t count = 0;

	for (size_t i = 0; i < audit->count; i++) {
		if (!is_taken[i])
			group[count++] = gather(audit, i, is_taken);
	}
	*groups = group;
	return count;
}

const char *audit_group_cure(const struct audit *audit, const struct audit_group *group, const char *cure)
{
	const struct finding any = {.rule = group->finding.rule, .object = "NAME"};

	if (group->count == 1 || !cure || !strstr(cure, "%s"))
		return audit_cure(audit, &group->finding, cure);
	return tree_format(audit->host->tree, "%s (NAME: each of them)", audit_cure(audit, &any, cure));
}
