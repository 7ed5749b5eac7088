/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BASE_REPLACE_H
#define STRAIT_BASE_REPLACE_H

#include <stddef.h>

#include "base/error.h"

/*
 * Give a file new contents, all of them or none: who reads it meanwhile, or
 * after a crash, finds the old or the new. Mode stays as it was, owner and
 * group where we may; a file that was not there gets mode 0644 less the umask. A
 * symbolic link stays one. Negative errno with err set: nothing has changed; -EINVAL: what is there is no file.
 */
int replace_file(const char *path, const char *text, size_t length, struct error *err);

#endif
