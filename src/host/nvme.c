/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "host/block.h"
#include "host/document.h"
#include "host/tree.h"

#ifdef HAVE_LIBNVME
#include <fcntl.h>
#include <libnvme.h>
#include <stdio.h>
#include <unistd.h>

/* Counters are of 128 bits, little-endian; what does not fit is as much as fits. */
static json_t *number_of(const uint8_t bytes[16])
{
	json_int_t value = 0;

	for (int i = 15; i >= 0; i--) {
		if (i >= 8 ? bytes[i] : i == 7 && bytes[i] > 0x7f)
			return json_integer(INT64_MAX);
		value = i < 8 ? value << 8 | bytes[i] : 0;
	}
	return json_integer(value);
}

static ssize_t ask_smart(void *context, char **text)
{
	struct nvme_smart_log log;
	char path[64];
	json_t *object;
	int fd, result;

	snprintf(path, sizeof(path), "/dev/%s", (const char *)context);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	memset(&log, 0, sizeof(log));
	errno = 0;
	result = nvme_get_log_smart(fd, NVME_NSID_ALL, true, &log);
	result = result < 0 ? (errno ? -errno : -EIO) : result > 0 ? -EIO : 0;
	close(fd);
	if (result < 0)
		return result;
	object = json_pack("{s:i,s:i,s:i,s:i}", "critical_warning", log.critical_warning, "available_spare",
			   log.avail_spare, "spare_threshold", log.spare_thresh, "percent_used", log.percent_used);
	if (object) {
		json_object_set_new(object, "media_errors", number_of(log.media_errors));
		json_object_set_new(object, "error_log_entries", number_of(log.num_err_log_entries));
		json_object_set_new(object, "unsafe_shutdowns", number_of(log.unsafe_shutdowns));
	}
	return document_text(object, text);
}
#else
static ssize_t ask_smart(void *context, char **text)
{
	(void)context;
	(void)text;
	return -EOPNOTSUPP;
}
#endif

static const char *why(struct tree *tree, const char *controller, int error)
{
	if (error == -EOPNOTSUPP)
		return "this strait was built without libnvme";
	if ((error == -ENOENT || error == -ENODATA) && !tree_is_live(tree))
		return "its SMART log was not captured";
	if (error == -EACCES || error == -EPERM)
		return tree_format(tree, "/dev/%s can be asked by root alone", controller);
	if (error == -ETIMEDOUT)
		return tree_format(tree, "/dev/%s did not answer in time", controller);
	return tree_format(tree, "/dev/%s: %s", controller, strerror(-error));
}

void host_nvme_health_read(struct tree *tree, struct host_block *block)
{
	struct host_nvme_health *health;
	const char *text;
	ssize_t length;
	json_t *object;

	if (!block->controller)
		return;
	/*
	 * A time limit of the command itself (timeout_ms) would be worse than none: the kernel resets a controller
	 * that does not keep it, with all that is under way there.
	 */
	length = tree_ask_patiently(tree, &text, ask_smart, (void *)block->controller, "nvme/%s.json",
				    block->controller);
	object = document_object(text, length);
	if (!object) {
		block->nvme_unreadable = length < 0 ? why(tree, block->controller, (int)length)
						    : "what is kept of its SMART log is no JSON object";
		return;
	}
	health = tree_alloc(tree, sizeof(*health));
	health->critical_warning = document_number(object, "critical_warning");
	health->media_errors = document_number(object, "media_errors");
	health->error_log_entries = document_number(object, "error_log_entries");
	health->percent_used = document_number(object, "percent_used");
	block->nvme = health;
	json_decref(object);
}
