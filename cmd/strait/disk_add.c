/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"

#include <stdio.h>

#include "descriptors.h"

static int hand_over(const struct disk_command *disk, const json_t *keys, struct descriptors *descriptors)
{
	json_t *params = json_pack("{s:O}", "disk", keys), *result = NULL;
	bool refused = false;
	struct error err;
	int fds[2];
	const unsigned count = descriptors_list(descriptors, fds);
	int code = CLIENT_EXIT_OK;

	if (client_call_fds(disk->client, "disk.add", params, fds, count, &result, &err) < 0) {
		code = client_command_failed(disk->command, disk->client, &err);
		/* Where no answer came, it may be served all the same. */
		refused = client_was_refused(disk->client);
	} else if (disk->arguments->json) {
		code = client_command_print(disk->command, result);
	}
	descriptors_close(descriptors, keys, refused);
	json_decref(result);
	json_decref(params);
	return code;
}

static int add(const struct disk_command *disk, json_t *keys)
{
	struct descriptors descriptors = {-1, -1};
	struct error err = {0};
	json_t *defaults;
	int ret;

	json_object_set_new(keys, "name", json_string(disk->arguments->operands[1]));
	if (!json_is_string(json_object_get(keys, "socket")))
		return client_command_misused(disk->command, "add: expected --socket, where the front end connects");
	if (!json_is_string(json_object_get(keys, "file")) == !json_object_get(keys, "null"))
		return client_command_misused(disk->command, "add: expected either --file or --null");
	ret = descriptors_make_absolute(keys, &err);
	if (ret == 0)
		ret = descriptors_open_image(&descriptors, keys, &err);
	defaults = descriptors_defaults(disk->client);
	if (ret == 0)
		ret = descriptors_open_socket(&descriptors, keys, defaults, &err);
	json_decref(defaults);
	if (ret == 0)
		return hand_over(disk, keys, &descriptors);
	descriptors_close(&descriptors, keys, false);
	fprintf(stderr, "%s: %s\n", disk->command->name, err.text);
	return CLIENT_EXIT_FINDINGS;
}

int disk_add(const struct disk_command *disk)
{
	int code = CLIENT_EXIT_OK;
	json_t *keys = disk_given_keys(disk, &code);

	if (!keys)
		return code;
	code = add(disk, keys);
	json_decref(keys);
	return code;
}
