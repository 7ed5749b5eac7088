/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "control/daemon_parts.h"
#include "control/methods.h"
#include "control/nearest.h"

struct fleet_disk *method_find_disk(struct rpc_call *call, const char *field, struct error *err)
{
	const char *name = json_string_value(json_object_get(call->params, field)), *near = NULL;
	struct fleet_disk *found = fleet_find(&call->daemon->fleet, name);

	if (found)
		return found;
	for (const struct fleet_disk *member = call->daemon->fleet.first; member; member = member->next)
		near = nearest_of(name, near, member->config->name);
	if (near)
		error_set(err, -ENOENT, "disk %s: there is none of that name; did you mean %s?", name, near);
	else
		error_set(err, -ENOENT, "disk %s: there is none of that name, see disk.list", name);
	rpc_blame(call, field, err);
	return NULL;
}
