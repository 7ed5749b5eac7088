/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONFIG_H
#define STRAIT_CONFIG_H

#include "client/command.h"

/* What the actions of strait config share. Each returns an exit code, having said what went wrong. */
struct config_command {
	const struct client_command *command;
	const struct client_arguments *arguments; /* operands: the action, perhaps a file */
	bool force;
	struct client *client; /* connected */
};

/* Make what runs what file (the parameters of config.diff) says; diff is its result. Nothing where that is seen not to
 * work. */
int config_apply(const struct config_command *config, const json_t *file, const json_t *diff);

#endif
