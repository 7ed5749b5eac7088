/* SPDX-License-Identifier: Apache-2.0 */
#include "control/listener.h"

#include <unistd.h>

#include "control/sweeper.h"

void listener_close(int fd, const char *path)
{
	close(fd);
	sweeper_remove(path);
}
