/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/suppress.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/clean.h"

struct suppression {
	char *id, *guest, *object, *reason, *expires;
};

struct suppressions {
	struct suppression *suppression;
	unsigned count;
};

#define TEXT(key, flags, member)                                                                                       \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), struct suppression, member, 1, AUDIT_CLEAN_MAX)

static const cyaml_schema_field_t fields[] = {
	TEXT("id", 0, id),
	TEXT("guest", CYAML_FLAG_OPTIONAL, guest),
	TEXT("object", CYAML_FLAG_OPTIONAL, object),
	TEXT("reason", 0, reason),
	TEXT("expires", 0, expires),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct suppression, fields),
};

static const cyaml_schema_field_t file_fields[] = {
	CYAML_FIELD_SEQUENCE_COUNT("suppressions", CYAML_FLAG_POINTER, struct suppressions, suppression, count, &entry,
				   0, SUPPRESSIONS_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t file_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct suppressions, file_fields),
};

/* libcyaml tells what is wrong in its log alone: the first line of an error counts. */
static void keep_error(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
	char *text = context;

	if (level < CYAML_LOG_ERROR || *text)
		return;
	vsnprintf(text, sizeof(((struct error *)0)->text), format, arguments);
	text[strcspn(text, "\n")] = '\0';
}

static int read_file(const char *path, char **text, size_t *length, struct error *err)
{
	FILE *file = fopen(path, "re");

	*text = file ? malloc(SUPPRESSIONS_FILE_MAX + 1) : NULL;
	*length = *text ? fread(*text, 1, SUPPRESSIONS_FILE_MAX + 1, file) : 0;
	if (!*text || ferror(file)) {
		const int error = errno ? errno : EIO;

		if (file)
			fclose(file);
		free(*text);
		return error_set(err, -error, "%s cannot be read (%s): expected a file of suppressions in YAML", path,
				 strerror(error));
	}
	fclose(file);
	if (*length <= SUPPRESSIONS_FILE_MAX)
		return 0;
	free(*text);
	return error_set(err, -EFBIG, "%s is too large: suppressions have at most %u bytes", path,
			 SUPPRESSIONS_FILE_MAX);
}

/* "2027-03-31" is a day that there is. */
static bool is_day(const char *text)
{
	struct tm day = {.tm_isdst = -1}, same;
	const char *end = strptime(text, "%Y-%m-%d", &day);

	if (!end || *end || strlen(text) != 10)
		return false;
	same = day;
	return mktime(&same) != -1 && same.tm_mday == day.tm_mday;
}

static int check(const struct suppression *suppression, const char *path, struct error *err)
{
	if (!rule_is_known(suppression->id))
		return error_set(err, -EINVAL,
				 "%s: no rule has the id \"%.100s\": \"strait audit --list\" names all of them", path,
				 suppression->id);
	if (!is_day(suppression->expires))
		return error_set(err, -EINVAL, "%s: %.100s: expires: \"%.40s\": expected a day, such as 2027-03-31",
				 path, suppression->id, suppression->expires);
	if (!suppression->reason[strspn(suppression->reason, " \t\n")])
		return error_set(err, -EINVAL, "%s: %.100s: reason is empty: expected why this can be lived with", path,
				 suppression->id);
	return 0;
}

static bool fits(const struct suppression *suppression, const struct finding *finding)
{
	const char *guest = finding->guest ? finding->guest->name : NULL;

	return finding->status >= FINDING_WARN && rule_matches(finding->rule, suppression->id) &&
	       (!suppression->guest || (guest && fnmatch(suppression->guest, guest, 0) == 0)) &&
	       (!suppression->object || (finding->object && fnmatch(suppression->object, finding->object, 0) == 0));
}

static void remark(struct audit *audit, const struct suppression *suppression, const char *what)
{
	struct tree *tree = audit->host->tree;

	audit->remark[audit->remark_count++] =
		tree_format(tree, "suppression of %s (%s) %s", audit_clean(tree, suppression->id),
			    audit_clean(tree, suppression->reason), what);
}

static void apply(struct audit *audit, const struct suppression *suppression, const char *today)
{
	/* Days written like this sort as text. */
	const bool is_over = strcmp(suppression->expires, today) < 0;
	unsigned found = 0;

	for (size_t i = 0; i < audit->count; i++) {
		if (!fits(suppression, &audit->finding[i]))
			continue;
		found++;
		if (!is_over)
			audit->finding[i].suppressed = audit_clean(audit->host->tree, suppression->reason);
	}
	if (is_over)
		remark(audit, suppression,
		       tree_format(audit->host->tree, "has expired on %s",
				   audit_clean(audit->host->tree, suppression->expires)));
	else if (!found)
		remark(audit, suppression, "fits no finding: remove it, or ask the rule it is for");
}

int audit_suppress(struct audit *audit, const char *path, long long now, struct error *err)
{
	char problem[sizeof(err->text)] = "", *text, today[16];
	const cyaml_config_t config = {
		.log_fn = keep_error, .log_ctx = problem, .log_level = CYAML_LOG_ERROR, .mem_fn = cyaml_mem};
	const time_t seconds = (time_t)now;
	struct suppressions *suppressions = NULL;
	struct tm local;
	size_t length;
	int ret = read_file(path, &text, &length, err);

	if (ret < 0)
		return ret;
	/* Of an empty document it makes nothing, and calls that a success. */
	if (cyaml_load_data((const uint8_t *)text, length, &config, &file_schema, (cyaml_data_t **)&suppressions,
			    NULL) != CYAML_OK ||
	    !suppressions)
		ret = error_set(err, -EINVAL, "%s: %s: expected a list \"suppressions\" of id, reason and expires",
				path, *problem ? problem : "is not what was expected");
	free(text);
	for (unsigned i = 0; ret == 0 && i < suppressions->count; i++)
		ret = check(&suppressions->suppression[i], path, err);
	if (ret == 0) {
		strftime(today, sizeof(today), "%Y-%m-%d", localtime_r(&seconds, &local));
		audit->remark = tree_alloc(audit->host->tree, (suppressions->count + 1) * sizeof(*audit->remark));
		for (unsigned i = 0; i < suppressions->count; i++)
			apply(audit, &suppressions->suppression[i], today);
	}
	cyaml_free(&config, &file_schema, suppressions, 0);
	return ret;
}
