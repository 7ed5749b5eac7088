/* SPDX-License-Identifier: Apache-2.0 */
#include "host/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/tree.h"

/* The version of its interface, or 0 and why there is none: 12 is the only one there ever was in use. */
static ssize_t provide(void *context, char **text)
{
	const int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), error = errno;
	int version = fd < 0 ? 0 : ioctl(fd, KVM_GET_API_VERSION, 0);

	(void)context;
	if (fd >= 0)
		close(fd);
	if (fd < 0 && (error == EACCES || error == EPERM))
		return -error;
	if (version < 0)
		version = 0;
	return asprintf(text, "%d %d\n", version, fd < 0 ? -error : 0) < 0 ? -ENOMEM : (ssize_t)strlen(*text);
}

void host_kvm_read(struct tree *tree, struct host_kvm *kvm)
{
	static const char *const modules[] = {"kvm_intel", "kvm_amd"};
	const char *text;
	const ssize_t length = tree_ask(tree, &text, provide, NULL, "kvm");
	int version, error;

	*kvm = (struct host_kvm){.usable = HOST_UNKNOWN};
	if (length < 0)
		kvm->error = (int)length;
	else if (sscanf(text, "%d %d", &version, &error) == 2) {
		kvm->usable = version == KVM_API_VERSION;
		kvm->error = kvm->usable ? 0 : error < 0 ? error : -EPROTO;
	}
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		if (tree_exists(tree, "/sys/module/%s", modules[i]))
			kvm->module = modules[i];
	}
}
