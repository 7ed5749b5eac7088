/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_SUPPRESS_H
#define STRAIT_AUDIT_SUPPRESS_H

#include "audit/audit.h"

/*
 * Findings that somebody knows of and has decided to live with, for a time:
 *
 *	suppressions:
 *	  - id: host.ksm.run         # or its beginning up to a dot
 *	    guest: vm*               # name; without it, any guest and the machine
 *	    object: cpu*             # without it, any
 *	    reason: "measured: 3 % of a core, saves 40 GiB"
 *	    expires: 2027-03-31      # the last day on which it counts, in local time
 *
 * A WARN or FAIL that fits is still reported, and no longer counts. One that has expired, and one that nothing fits,
 *are remarks of the audit.
 */
#define SUPPRESSIONS_MAX      1000
#define SUPPRESSIONS_FILE_MAX (1u << 20)

/* now: seconds since the epoch. Negative errno with err set, which names file and line. */
int audit_suppress(struct audit *audit, const char *path, long long now, struct error *err);

#endif
