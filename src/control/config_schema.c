/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config_schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "control/config.h"
#include "control/qos_settings.h"
#include "storage/storage.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const cyaml_strval_t switch_words[] = {
	{"true", CONFIG_SWITCH_ON},
	{"false", CONFIG_SWITCH_OFF},
};

static const cyaml_strval_t cache_words[] = {
	{"none", STORAGE_CACHE_NONE},
	{"writeback", STORAGE_CACHE_WRITEBACK},
	{"writethrough", STORAGE_CACHE_WRITETHROUGH},
	{"directsync", STORAGE_CACHE_DIRECTSYNC},
	{"unsafe", STORAGE_CACHE_UNSAFE},
};

static const cyaml_strval_t polling_words[] = {
	{"adaptive", POLL_ADAPTIVE},
	{"poll", POLL_ALWAYS},
	{"event", POLL_NEVER},
};

static const cyaml_strval_t placement_words[] = {
	{"adaptive", PLACEMENT_ADAPTIVE},
	{"together", PLACEMENT_TOGETHER},
	{"spread", PLACEMENT_SPREAD},
};

static const cyaml_strval_t lock_words[] = {
	{"always", CONFIG_LOCK_ALWAYS},
	{"running", CONFIG_LOCK_RUNNING},
};

static const cyaml_strval_t sandbox_words[] = {
	{"on", SANDBOX_ON},
	{"required", SANDBOX_REQUIRED},
	{"off", SANDBOX_OFF},
};

static const cyaml_strval_t sandbox_part_words[] = {
	{"user", SANDBOX_USER},
	{"landlock", SANDBOX_LANDLOCK},
	{"seccomp", SANDBOX_SECCOMP},
	{"io-uring", SANDBOX_IO_URING},
};

static const cyaml_strval_t log_words[] = {
	{"error", LOG_LEVEL_ERROR},
	{"warning", LOG_LEVEL_WARNING},
	{"info", LOG_LEVEL_INFO},
	{"debug", LOG_LEVEL_DEBUG},
};

static const cyaml_strval_t op_words[] = {
	{"read", 1 << STORAGE_READ},
	{"write", 1 << STORAGE_WRITE},
	{"flush", 1 << STORAGE_FLUSH},
	{"discard", 1 << STORAGE_DISCARD},
	{"write-zeroes", 1 << STORAGE_WRITE_ZEROES},
};

/* What a disk can be expected to say; the guest sees IOERR for all of them. */
static const cyaml_strval_t error_words[] = {
	{"EIO", EIO},         {"ENOSPC", ENOSPC},         {"EDQUOT", EDQUOT},       {"ETIMEDOUT", ETIMEDOUT},
	{"ENODATA", ENODATA}, {"EILSEQ", EILSEQ},         {"EREMOTEIO", EREMOTEIO}, {"ENXIO", ENXIO},
	{"EROFS", EROFS},     {"EOPNOTSUPP", EOPNOTSUPP},
};

static const cyaml_strval_t distribution_words[] = {
	{"fixed", STORAGE_DELAY_FIXED},   {"uniform", STORAGE_DELAY_UNIFORM},
	{"normal", STORAGE_DELAY_NORMAL}, {"exponential", STORAGE_DELAY_EXPONENTIAL},
	{"pareto", STORAGE_DELAY_PARETO},
};

#define OPTIONAL_TEXT(key, structure, member)                                                                          \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, structure, member, 0, CYAML_UNLIMITED)
#define REQUIRED_TEXT(key, structure, member)                                                                          \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, structure, member, 0, CYAML_UNLIMITED)
#define OPTIONAL_WORD(key, structure, member, words)                                                                   \
	CYAML_FIELD_ENUM(key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, structure, member, words, COUNT(words))
#define OPTIONAL_WORDS(key, structure, member, words)                                                                  \
	CYAML_FIELD_FLAGS(key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, structure, member, words, COUNT(words))

static const cyaml_schema_field_t fault_fields[] = {
	OPTIONAL_WORDS("on", struct config_raw_fault, on, op_words),
	OPTIONAL_TEXT("rate", struct config_raw_fault, rate),
	OPTIONAL_TEXT("offset", struct config_raw_fault, offset),
	OPTIONAL_TEXT("length", struct config_raw_fault, length),
	OPTIONAL_TEXT("count", struct config_raw_fault, count),
	OPTIONAL_WORD("error", struct config_raw_fault, error, error_words),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t fault_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_raw_fault, fault_fields),
};

static const cyaml_schema_field_t delay_fields[] = {
	OPTIONAL_WORDS("on", struct config_raw_delay, on, op_words),
	OPTIONAL_WORD("distribution", struct config_raw_delay, distribution, distribution_words),
	REQUIRED_TEXT("mean-us", struct config_raw_delay, mean_us),
	OPTIONAL_TEXT("spread-us", struct config_raw_delay, spread_us),
	CYAML_FIELD_END,
};

/* Of each kind of limit the rate, the peak rate and how long that lasts. */
#define LIMIT_TEXTS(key, kind, structure, member)                                                                      \
	OPTIONAL_TEXT(key, structure, member rate[kind]), OPTIONAL_TEXT(key "-burst", structure, member burst[kind]),  \
		OPTIONAL_TEXT(key "-burst-seconds", structure, member burst_seconds[kind])
#define LIMITS_TEXTS(structure, member)                                                                                \
	LIMIT_TEXTS("iops", QOS_IOPS, structure, member), LIMIT_TEXTS("read-iops", QOS_READ_IOPS, structure, member),  \
		LIMIT_TEXTS("write-iops", QOS_WRITE_IOPS, structure, member),                                          \
		LIMIT_TEXTS("bps", QOS_BPS, structure, member),                                                        \
		LIMIT_TEXTS("read-bps", QOS_READ_BPS, structure, member),                                              \
		LIMIT_TEXTS("write-bps", QOS_WRITE_BPS, structure, member)

static const cyaml_schema_field_t qos_fields[] = {
	OPTIONAL_TEXT("group", struct config_raw_qos, group),
	OPTIONAL_TEXT("weight", struct config_raw_qos, weight),
	OPTIONAL_TEXT("latency-target-us", struct config_raw_qos, latency_target_us),
	LIMITS_TEXTS(struct config_raw_qos, ),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t group_fields[] = {
	REQUIRED_TEXT("name", struct config_raw_group, name),
	OPTIONAL_TEXT("parent", struct config_raw_group, parent),
	OPTIONAL_TEXT("weight", struct config_raw_group, qos.weight),
	LIMITS_TEXTS(struct config_raw_group, qos.),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t group_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_raw_group, group_fields),
};

static const cyaml_schema_field_t disk_fields[] = {
	REQUIRED_TEXT("name", struct config_raw_disk, name),
	REQUIRED_TEXT("socket", struct config_raw_disk, socket),
	OPTIONAL_TEXT("file", struct config_raw_disk, file),
	OPTIONAL_TEXT("null", struct config_raw_disk, null_size),
	OPTIONAL_TEXT("serial", struct config_raw_disk, serial),
	OPTIONAL_WORD("cache", struct config_raw_disk, cache, cache_words),
	OPTIONAL_WORD("lock", struct config_raw_disk, lock, lock_words),
	OPTIONAL_WORD("read-only", struct config_raw_disk, read_only, switch_words),
	OPTIONAL_WORD("discard", struct config_raw_disk, discard, switch_words),
	OPTIONAL_TEXT("queues", struct config_raw_disk, queues),
	OPTIONAL_TEXT("queue-size-max", struct config_raw_disk, queue_size_max),
	OPTIONAL_TEXT("in-flight-max", struct config_raw_disk, in_flight_max),
	OPTIONAL_TEXT("memory-max", struct config_raw_disk, memory_max),
	OPTIONAL_TEXT("memory-regions-max", struct config_raw_disk, memory_regions_max),
	OPTIONAL_TEXT("connection-rate", struct config_raw_disk, connection_rate),
	OPTIONAL_TEXT("socket-owner", struct config_raw_disk, access.owner),
	OPTIONAL_TEXT("socket-group", struct config_raw_disk, access.group),
	OPTIONAL_TEXT("socket-mode", struct config_raw_disk, access.mode),
	OPTIONAL_WORD("polling", struct config_raw_disk, polling, polling_words),
	OPTIONAL_TEXT("coalesce-us", struct config_raw_disk, coalesce_us),
	OPTIONAL_TEXT("coalesce-count", struct config_raw_disk, coalesce_count),
	OPTIONAL_TEXT("slow-threshold-us", struct config_raw_disk, slow_threshold_us),
	OPTIONAL_TEXT("slow-percentile", struct config_raw_disk, slow_percentile),
	CYAML_FIELD_SEQUENCE("fault", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config_raw_disk, fault,
			     &fault_schema, 1, CONFIG_MAX_FAULT_RULES),
	CYAML_FIELD_MAPPING_PTR("delay", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config_raw_disk, delay,
				delay_fields),
	CYAML_FIELD_MAPPING_PTR("qos", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config_raw_disk, qos,
				qos_fields),
	OPTIONAL_TEXT("record", struct config_raw_disk, record),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t disk_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_raw_disk, disk_fields),
};

static const cyaml_schema_field_t root_fields[] = {
	OPTIONAL_TEXT("workers", struct config_raw, workers),
	OPTIONAL_TEXT("workers-max", struct config_raw, workers_max),
	CYAML_FIELD_IGNORE("worker-cpus", CYAML_FLAG_OPTIONAL),
	OPTIONAL_TEXT("poll-max-us", struct config_raw, poll_max_us),
	OPTIONAL_WORD("placement", struct config_raw, placement, placement_words),
	OPTIONAL_TEXT("socket-owner", struct config_raw, access.owner),
	OPTIONAL_TEXT("socket-group", struct config_raw, access.group),
	OPTIONAL_TEXT("socket-mode", struct config_raw, access.mode),
	OPTIONAL_TEXT("user", struct config_raw, user),
	OPTIONAL_WORD("sandbox", struct config_raw, sandbox, sandbox_words),
	OPTIONAL_WORDS("sandbox-without", struct config_raw, sandbox_without, sandbox_part_words),
	OPTIONAL_WORD("log-level", struct config_raw, log_level, log_words),
	OPTIONAL_TEXT("upgrade-socket", struct config_raw, upgrade_socket),
	OPTIONAL_TEXT("rpc-socket", struct config_raw, rpc_socket),
	OPTIONAL_TEXT("rpc-socket-owner", struct config_raw, rpc_access.owner),
	OPTIONAL_TEXT("rpc-socket-group", struct config_raw, rpc_access.group),
	OPTIONAL_TEXT("rpc-socket-mode", struct config_raw, rpc_access.mode),
	OPTIONAL_TEXT("rpc-admin-group", struct config_raw, rpc_admin_group),
	OPTIONAL_TEXT("http-listen", struct config_raw, http_listen),
	CYAML_FIELD_SEQUENCE("groups", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config_raw, groups,
			     &group_schema, 1, QOS_MAX_GROUPS),
	CYAML_FIELD_SEQUENCE("disks", CYAML_FLAG_POINTER, struct config_raw, disks, &disk_schema, 0, CONFIG_MAX_DISKS),
	CYAML_FIELD_END,
};

const cyaml_schema_value_t config_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config_raw, root_fields),
};

const char *config_disk_word(const char *key, int64_t value)
{
	const cyaml_schema_field_t *field = disk_fields;

	while (field->key && strcmp(field->key, key) != 0)
		field++;
	if (!field->key || field->value.type != CYAML_ENUM)
		return NULL;
	for (uint32_t i = 0; i < field->value.enumeration.count; i++) {
		if (field->value.enumeration.strings[i].val == value)
			return field->value.enumeration.strings[i].str;
	}
	return NULL;
}

struct complaint {
	char text[256];
};

/* Keep the first line libcyaml logs: it is the cause, what follows is where it came from. */
static void keep_complaint(cyaml_log_t level, void *context, const char *format, va_list args)
{
	struct complaint *complaint = context;

	if (level < CYAML_LOG_ERROR || complaint->text[0])
		return;
	vsnprintf(complaint->text, sizeof(complaint->text), format, args);
	complaint->text[strcspn(complaint->text, "\n")] = '\0';
}

static cyaml_config_t loader_config(struct complaint *complaint)
{
	cyaml_config_t config = {
		.log_fn = keep_complaint,
		.log_ctx = complaint,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
		.flags = CYAML_CFG_NO_ALIAS,
	};

	return config;
}

int config_raw_load(const char *text, size_t length, struct config_raw **raw, struct error *err)
{
	struct complaint complaint = {""};
	const cyaml_config_t config = loader_config(&complaint);
	cyaml_err_t ret;

	ret = cyaml_load_data((const uint8_t *)text, length, &config, &config_schema, (cyaml_data_t **)raw, NULL);
	if (ret == CYAML_OK)
		return 0;
	return error_set(err, ret == CYAML_ERR_OOM ? -ENOMEM : -EINVAL, "%s (%s)", cyaml_strerror(ret), complaint.text);
}

void config_raw_free(struct config_raw *raw)
{
	struct complaint complaint = {""};
	const cyaml_config_t config = loader_config(&complaint);

	if (raw)
		cyaml_free(&config, &config_schema, raw, 0);
}
