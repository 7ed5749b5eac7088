/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "audit/audit.h"
#include "audit/clean.h"

const struct rule_case *audit_case(const struct audit *audit, const struct rule *rule)
{
	for (unsigned i = 0; i < RULE_CASES && rule->cases[i].contexts; i++) {
		if (audit_is_for(audit, rule->cases[i].contexts))
			return &rule->cases[i];
	}
	return NULL;
}

/* "madvise" of "always [madvise] never". */
static const char *chosen(struct tree *tree, const char *value)
{
	const char *open = strchr(value, '['), *close = open ? strchr(open, ']') : NULL;

	return close ? tree_format(tree, "%.*s", (int)(close - open - 1), open + 1) : value;
}

void audit_judge(struct audit *audit, const struct rule *rule, const char *object, const char *read, const char *value)
{
	const struct rule_case *wanted = audit_case(audit, rule);
	const int fits = wanted ? rule_compare(wanted, value) : 1;
	const char *expected = wanted ? rule_expectation(audit->host->tree, wanted) : NULL;
	const size_t before = audit->count;

	if (wanted && wanted->comparison == COMPARE_CHOSEN)
		value = chosen(audit->host->tree, value);
	if (fits < 0)
		audit_unknown(audit, rule, object, 0, "\"%s\" is not a number", value);
	else if (!expected)
		audit_found(audit, rule, FINDING_NOTE, object, value, NULL, NULL);
	else if (fits)
		audit_pass(audit, rule, object, value);
	else
		audit_found(audit, rule, wanted->otherwise, object, value, expected, NULL);
	for (size_t i = before; i < audit->count; i++) {
		audit->finding[i].read = audit_clean(audit->host->tree, read);
		audit->finding[i].expected = expected;
	}
}

/* What a file says, without white space at its ends. Returns false after telling why not. */
static bool read_value(struct audit *audit, const struct rule *rule, const char *object, const char *path,
		       const char **value)
{
	const char *text;
	ssize_t length = tree_read(audit->host->tree, path, &text);

	if (length < 0) {
		audit_unknown(audit, rule, object, (int)length, "%s", path);
		return false;
	}
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	while (length && isspace((unsigned char)*text)) {
		text++;
		length--;
	}
	if (!length) {
		audit_unknown(audit, rule, object, 0, "%s is empty", path);
		return false;
	}
	*value = tree_format(audit->host->tree, "%.*s", (int)length, text);
	return true;
}

/* pattern with part in the place of "*". */
static const char *put_in(struct tree *tree, const char *pattern, const char *part)
{
	const size_t star = strcspn(pattern, "*");

	return pattern[star] ? tree_format(tree, "%.*s%s%s", (int)star, pattern, part, pattern + star + 1) : pattern;
}

/* A component of rule->path has a "*": ask each that it may stand for. How many there were. */
static unsigned compare_each(struct audit *audit, const struct rule *rule)
{
	struct tree *tree = audit->host->tree;
	const char *star = strchr(rule->path, '*'), *begin = star, *const * names;
	const size_t behind = strcspn(star + 1, "/");
	unsigned seen = 0;
	ssize_t count;

	while (begin[-1] != '/')
		begin--;
	count = tree_listf(tree, &names, "%.*s", (int)(begin - 1 - rule->path), rule->path);
	for (ssize_t i = 0; i < count; i++) {
		const size_t length = strlen(names[i]), before = (size_t)(star - begin);
		const char *path, *part, *value;

		if (length <= before + behind || strncmp(names[i], begin, before) != 0 ||
		    strncmp(names[i] + length - behind, star + 1, behind) != 0)
			continue;
		part = tree_format(tree, "%.*s", (int)(length - before - behind), names[i] + before);
		path = put_in(tree, rule->path, part);
		if (!tree_exists(tree, "%s", path))
			continue;
		seen++;
		if (rule->only_if && !tree_exists(tree, "%s", put_in(tree, rule->only_if, part)))
			continue;
		if (read_value(audit, rule, names[i], path, &value))
			audit_judge(audit, rule, names[i], path, value);
	}
	return seen;
}

void audit_compare(struct audit *audit, const struct rule *rule)
{
	const char *value;

	if (strchr(rule->path, '*')) {
		if (!compare_each(audit, rule))
			audit_unknown(audit, rule, NULL, 0, "there is no %s", rule->path);
		return;
	}
	if (rule->only_if && !tree_exists(audit->host->tree, "%s", rule->only_if))
		return;
	if (read_value(audit, rule, NULL, rule->path, &value))
		audit_judge(audit, rule, NULL, rule->path, value);
}
