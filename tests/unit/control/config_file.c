/* SPDX-License-Identifier: Apache-2.0 */
#include "config_file.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

int load_bytes(const void *bytes, size_t length, struct config **config, struct error *err)
{
	char path[] = "/tmp/strait-config-XXXXXX";
	int fd = mkstemp(path), ret;
	const char *at = bytes;

	assert_true(fd >= 0);
	while (length) {
		ssize_t written = write(fd, at, length);

		assert_true(written > 0);
		at += written;
		length -= (size_t)written;
	}
	close(fd);
	memset(err, 0, sizeof(*err));
	ret = config_load(path, config, err);
	/* Every failure says where: the file is always known. */
	if (ret < 0)
		assert_non_null(strstr(err->text, path));
	unlink(path);
	return ret;
}

int load_text(const char *text, struct config **config, struct error *err)
{
	return load_bytes(text, strlen(text), config, err);
}
