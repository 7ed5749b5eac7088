/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_CONTROL_CONFIG_FILE_H
#define STRAIT_TESTS_CONTROL_CONFIG_FILE_H

#include <stddef.h>

#include "control/config.h"

/* A disk that is fine; its keys stand on lines 1 to 4. More keys of the disk or the root can follow. */
#define GOOD_DISK "disks:\n  - name: a\n    socket: /run/a.sock\n    file: /a.img\n"
/* Without what it is made of: the next key is on line 4. */
#define BARE_DISK "disks:\n  - name: a\n    socket: /run/a.sock\n"

/* Write bytes to a file of this test's own and load it. The file is gone afterwards. */
int load_bytes(const void *bytes, size_t length, struct config **config, struct error *err);
int load_text(const char *text, struct config **config, struct error *err);

#endif
