/* SPDX-License-Identifier: Apache-2.0 */
#include <cap-ng.h>
#include <errno.h>

#include "control/sandbox.h"

/* capng_change_id() does what belongs together in the order in which it works: groups, user, bounding set, the rest. */
static int change_user(const struct sandbox *sandbox)
{
	const capng_flags_t flags = (sandbox->has_groups ? CAPNG_INIT_SUPP_GRP : CAPNG_DROP_SUPP_GRP) |
				    CAPNG_CLEAR_BOUNDING | CAPNG_CLEAR_AMBIENT;

	capng_clear(CAPNG_SELECT_ALL);
	return capng_change_id((int)sandbox->uid, (int)sandbox->gid, flags) < 0 ? -EPERM : 0;
}

/* Ambient capabilities go with those that are permitted; the bounding set is only for who may set capabilities. */
static int drop_capabilities(void)
{
	bool bounding;

	if (capng_get_caps_process() < 0)
		return -errno;
	bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_ALL);
	if (bounding && capng_apply(CAPNG_SELECT_BOUNDS) < 0)
		return -EPERM;
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

int sandbox_become(struct sandbox *sandbox)
{
	int ret = sandbox->change_user ? change_user(sandbox) : drop_capabilities();

	if (ret < 0)
		return ret;
	/* What was asked for is not always what there is. */
	if (capng_get_caps_process() < 0)
		return -errno;
	return capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE ? 0 : -EPERM;
}
