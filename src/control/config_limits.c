/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "control/config_check.h"
#include "control/config_take.h"
#include "engine/queue.h"
#include "virtio/memmap.h"

/* Who may connect, and how much of the daemon a disk's front end can take up. */

#define KIB               1024ull
#define DEFAULT_MEMORY    (1ull << 40)
#define LARGEST_MEMORY    (1ull << 46) /* half of what an address space has */
#define DEFAULT_REGIONS   64
#define DEFAULT_RATE      50
#define LARGEST_RATE      100000
#define DEFAULT_IN_FLIGHT 1024

void config_limits_defaults(struct config_disk *disk)
{
	/* One by one, so that what lies between the members stays zero: config_disk_same() looks at all of it. */
	disk->access.mode = -1;
	disk->limits.memory = DEFAULT_MEMORY;
	disk->limits.regions = DEFAULT_REGIONS;
	disk->connection_rate = DEFAULT_RATE;
	disk->policy.in_flight_max = DEFAULT_IN_FLIGHT;
}

/* Permissions as chmod(1) has them: three octal digits, perhaps behind a zero. */
static int parse_mode(const char *text, int *mode)
{
	const size_t length = strlen(text);

	if (length < 3 || length > 4 || strspn(text, "01234567") != length || (length == 4 && text[0] != '0'))
		return -1;
	*mode = 0;
	for (const char *at = text; *at; at++)
		*mode = *mode * 8 + (*at - '0');
	return 0;
}

static int check_access(const struct config_taker *taker, const char *prefix, const struct config_raw_access *raw,
			struct listener_access *access)
{
	char owner[32], group[32], mode[32];

	snprintf(owner, sizeof(owner), "%ssocket-owner", prefix);
	snprintf(group, sizeof(group), "%ssocket-group", prefix);
	snprintf(mode, sizeof(mode), "%ssocket-mode", prefix);
	if (raw->owner)
		access->owner = raw->owner;
	if (raw->group)
		access->group = raw->group;
	if (raw->owner && !raw->owner[0])
		return config_take_refuse(taker, owner, raw->owner, "expected a user's name or number");
	if (raw->group && !raw->group[0])
		return config_take_refuse(taker, group, raw->group, "expected a group's name or number");
	if (raw->mode && parse_mode(raw->mode, &access->mode) < 0)
		return config_take_refuse(taker, mode, raw->mode, "expected permissions in octal, such as 0660");
	return 0;
}

int config_check_access(const struct config_taker *taker, const struct config_raw_access *raw,
			struct listener_access *access)
{
	return check_access(taker, "", raw, access);
}

int config_check_rpc(const struct config_taker *taker, const struct config_raw *raw, struct config *config)
{
	const char *expected;
	int ret;

	config->rpc_socket = raw->rpc_socket;
	config->rpc_admin_group = raw->rpc_admin_group;
	config->rpc_access = (struct listener_access){.mode = -1};
	if (raw->rpc_socket && config_socket_path_ok(raw->rpc_socket, &expected) < 0)
		return config_take_refuse(taker, "rpc-socket", raw->rpc_socket, "%s", expected);
	ret = check_access(taker, "rpc-", &raw->rpc_access, &config->rpc_access);
	if (ret < 0)
		return ret;
	if (raw->rpc_admin_group && !raw->rpc_admin_group[0])
		return config_take_refuse(taker, "rpc-admin-group", raw->rpc_admin_group,
					  "expected a group's name or number");
	/* Who may see and change everything is not left to the umask. */
	if (config->rpc_access.mode < 0)
		config->rpc_access.mode = config->rpc_access.group ? 0660 : 0600;
	return 0;
}

void config_inherit_access(const struct listener_access *from, struct listener_access *access)
{
	if (!access->owner)
		access->owner = from->owner;
	if (!access->group)
		access->group = from->group;
	if (access->mode < 0)
		access->mode = from->mode;
}

int config_check_limits(const struct config_taker *taker, const struct config_raw_disk *raw, struct config_disk *disk)
{
	uint64_t regions = disk->limits.regions, rate = disk->connection_rate, in_flight = disk->policy.in_flight_max;
	int ret =
		config_take_size(taker, "memory-max", raw->memory_max, 64 * KIB, LARGEST_MEMORY, &disk->limits.memory);

	if (ret == 0)
		ret = config_take_uint(taker, "memory-regions-max", raw->memory_regions_max, 1, MEMMAP_MAX_REGIONS,
				       &regions);
	if (ret == 0)
		ret = config_take_uint(taker, "connection-rate", raw->connection_rate, 0, LARGEST_RATE, &rate);
	if (ret == 0)
		ret = config_take_uint(taker, "in-flight-max", raw->in_flight_max, 1, CONFIG_MAX_QUEUE_SIZE,
				       &in_flight);
	disk->limits.regions = (uint32_t)regions;
	disk->connection_rate = (uint32_t)rate;
	disk->policy.in_flight_max = (uint32_t)in_flight;
	return ret;
}
