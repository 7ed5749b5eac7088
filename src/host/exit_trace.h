/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_HOST_EXIT_TRACE_H
#define STRAIT_HOST_EXIT_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * The tracepoints kvm_exit and kvm_entry of the live machine, in a trace instance of our own, which others do not
 * see and which is taken away again. Of these threads alone, or of all where there are none given. It ends
 * early when SIGINT, SIGTERM or SIGHUP comes, which counts as a wish for what there is so far.
 *
 * The document "kvm-exits.json", malloc()ed, or a negative errno with err set: -ENOSYS where strait was built without
 * libtracefs, -ENOENT where there is no KVM or no tracing, -EACCES or -EPERM where it takes root.
 */
ssize_t exit_trace_run(uint64_t ns, const int *tids, unsigned count, char **text, struct error *err);

/* Whether strait was built with libtracefs. */
bool exit_trace_is_built(void);

#endif
