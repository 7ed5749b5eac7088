/* SPDX-License-Identifier: Apache-2.0 */
/* Options that change others: -set, and -global, which is what properties of a driver's devices are unless these say.
 */
#include <string.h>

#include "host/qemu_option.h"
#include "host/tree.h"

/* Of each of them; every one looks through all options. */
#define SETTINGS_MAX 256u

/* -set device.vda.num-queues=4: a name may have dots, so that the option is found by trying. */
static void apply_set(struct tree *tree, struct qemu_command *command, const char *text)
{
	const char *dot = strchr(text, '.'), *equals = strchr(text, '=');
	const char *group;

	if (!dot || !equals || equals < dot)
		return;
	group = tree_format(tree, "%.*s", (int)(dot - text), text);
	for (unsigned i = 0; i < command->count; i++) {
		struct qemu_option *option = &command->option[i];
		const char *id = strcmp(option->name, group) == 0 ? qemu_key(&option->keys, "id") : NULL;
		const size_t length = id ? strlen(id) : 0;

		if (!id || strncmp(dot + 1, id, length) != 0 || dot[1 + length] != '.' || dot + 2 + length > equals)
			continue;
		qemu_keys_add(tree, &option->keys,
			      tree_format(tree, "%.*s", (int)(equals - dot - 2 - (ssize_t)length), dot + 2 + length),
			      equals + 1);
		return;
	}
}

static void apply_to_driver(struct tree *tree, struct qemu_command *command, const char *driver, const char *property,
			    const char *value)
{
	for (unsigned i = 0; i < command->count; i++) {
		struct qemu_option *option = &command->option[i];
		const char *own = strcmp(option->name, "device") == 0 ? qemu_key(&option->keys, "driver") : NULL;

		if (own && strcmp(own, driver) == 0 && !qemu_key(&option->keys, property))
			qemu_keys_add(tree, &option->keys, property, value);
	}
}

/* virtio-blk-pci.num-queues=4, or driver=,property=,value= */
static void apply_global(struct tree *tree, struct qemu_command *command, const struct qemu_option *global)
{
	const char *dot = strchr(global->text, '.'), *equals = strchr(global->text, '=');
	const char *driver = qemu_key(&global->keys, "driver"), *property = qemu_key(&global->keys, "property");
	const char *value = qemu_key(&global->keys, "value");

	if (driver && property && value)
		apply_to_driver(tree, command, driver, property, value);
	else if (dot && equals && dot < equals)
		apply_to_driver(tree, command, tree_format(tree, "%.*s", (int)(dot - global->text), global->text),
				tree_format(tree, "%.*s", (int)(equals - dot - 1), dot + 1), equals + 1);
}

void qemu_settings_apply(struct tree *tree, struct qemu_command *command)
{
	unsigned settings = 0;

	for (unsigned i = 0; i < command->count && settings < SETTINGS_MAX; i++) {
		const struct qemu_option option = command->option[i];

		if (strcmp(option.name, "set") == 0)
			apply_set(tree, command, option.text);
		else if (strcmp(option.name, "global") == 0)
			apply_global(tree, command, &option);
		else
			continue;
		settings++;
	}
}
