/* SPDX-License-Identifier: Apache-2.0 */
#include "control/daemon_reload.h"

#include <errno.h>
#include <stdlib.h>

struct reload {
	struct daemon *daemon;
	struct mailbox_message go_on; /* each step has a turn of the loop for itself */
	struct rpc_deferred *call;
	json_t *diff;
	json_t *steps; /* of {method, params} */
	size_t next;
	struct error failure;
};

static int add_step(json_t *steps, const char *method, json_t *params)
{
	return json_array_append_new(steps, json_pack("{s:s,s:o}", "method", method, "params", params));
}

static int remove_disk(json_t *steps, const json_t *name, bool force)
{
	return add_step(steps, "disk.remove", json_pack("{s:O,s:b}", "name", name, "force", force));
}

static bool is_replaced(const json_t *changed)
{
	return json_is_true(json_object_get(changed, "replace"));
}

/* Of each disk that is otherwise: change it, or take it away. */
static int add_change(json_t *steps, const json_t *item, bool force)
{
	if (is_replaced(item))
		return remove_disk(steps, json_object_get(item, "name"), force);
	return add_step(
		steps, "disk.set",
		json_pack("{s:O,s:O}", "name", json_object_get(item, "name"), "set", json_object_get(item, "set")));
}

/* Groups come before the disks that are in them, and go behind; sockets are free before others take their names. */
static json_t *plan(const json_t *diff, bool force, bool add)
{
	const json_t *groups = json_object_get(diff, "groups"), *changed = json_object_get(diff, "changed"), *item;
	json_t *set = json_object_get(json_object_get(diff, "daemon"), "set"), *steps = json_array();
	int ret = steps ? 0 : -1;
	size_t i;

	json_array_foreach(json_object_get(groups, "changed"), i, item) ret |=
		add_step(steps, "group.set", json_deep_copy(item));
	json_array_foreach(json_object_get(diff, "removed"), i, item) ret |= remove_disk(steps, item, force);
	if (json_object_size(set))
		ret |= add_step(steps, "daemon.set", json_incref(set));
	json_array_foreach(changed, i, item) ret |= add_change(steps, item, force);
	json_array_foreach(changed, i, item)
	{
		if (add && is_replaced(item))
			ret |= add_step(steps, "disk.add", json_pack("{s:O}", "disk", json_object_get(item, "to")));
	}
	json_array_foreach(add ? json_object_get(diff, "added") : NULL, i, item) ret |=
		add_step(steps, "disk.add", json_pack("{s:O}", "disk", item));
	json_array_foreach(json_object_get(groups, "removed"), i, item) ret |=
		add_step(steps, "group.remove", json_pack("{s:O}", "name", item));
	if (ret == 0)
		return steps;
	json_decref(steps);
	return NULL;
}

static int may_go(const struct daemon *daemon, const json_t *name, struct error *err)
{
	const struct fleet_disk *member = fleet_find(&daemon->fleet, json_string_value(name));

	if (!member || member->removed || !member->disk.session)
		return 0;
	return error_set(err, -EBUSY,
			 "disk %s would have to be removed, and a front end is connected: unplug the disk from its "
			 "guest first, or force it; nothing was changed",
			 member->config->name);
}

static int may_come(const struct daemon *daemon, const json_t *disk, struct error *err)
{
	if (!daemon->confined)
		return 0;
	return error_set(err, -EACCES,
			 "disk %s would have to be added, and straitd is in its sandbox and opens nothing: \"strait "
			 "config reload\" opens what is needed and hands it over; nothing was changed",
			 json_string_value(json_object_get(disk, "name")));
}

static int look(const struct daemon *daemon, const json_t *diff, bool force, bool add, struct error *err)
{
	const json_t *item;
	int ret = 0;
	size_t i;

	json_array_foreach(json_object_get(diff, "removed"), i, item)
	{
		if (ret == 0 && !force)
			ret = may_go(daemon, item, err);
	}
	json_array_foreach(json_object_get(diff, "changed"), i, item)
	{
		if (ret == 0 && is_replaced(item) && !force)
			ret = may_go(daemon, json_object_get(item, "name"), err);
		if (ret == 0 && is_replaced(item) && add)
			ret = may_come(daemon, json_object_get(item, "to"), err);
	}
	json_array_foreach(json_object_get(diff, "added"), i, item)
	{
		if (ret == 0 && add)
			ret = may_come(daemon, item, err);
	}
	return ret;
}

static void end(struct reload *reload)
{
	const bool failed = reload->failure.code != 0;

	if (failed)
		error_prefix(&reload->failure, "step %zu of %zu, the rest was not changed (see config.diff)",
			     reload->next, json_array_size(reload->steps));
	reload->daemon->reload = NULL;
	rpc_answer(reload->call, failed ? NULL : json_incref(reload->diff), &reload->failure);
	json_decref(reload->diff);
	json_decref(reload->steps);
	free(reload);
}

static void step_done(void *context, const struct error *err)
{
	struct reload *reload = context;

	if (err)
		reload->failure = *err;
	mailbox_post(&reload->daemon->mailbox, &reload->go_on);
}

static void run_step(struct mailbox_message *message)
{
	struct reload *reload = (struct reload *)((char *)message - offsetof(struct reload, go_on));
	const json_t *step = json_array_get(reload->steps, reload->next);

	if (!step || reload->failure.code) {
		end(reload);
		return;
	}
	reload->next++;
	rpc_call_for(reload->call, json_string_value(json_object_get(step, "method")), json_object_get(step, "params"),
		     step_done, reload);
}

int daemon_reload(struct rpc_call *call, json_t *diff, bool force, bool add, struct error *err)
{
	struct daemon *daemon = call->daemon;
	struct reload *reload;
	int ret = look(daemon, diff, force, add, err);

	if (ret < 0)
		return ret;
	if (daemon->reload)
		return error_set(err, -EBUSY, "another reload is under way: try again when it is done");
	reload = calloc(1, sizeof(*reload));
	if (reload)
		*reload = (struct reload){
			.daemon = daemon, .go_on.run = run_step, .diff = diff, .steps = plan(diff, force, add)};
	if (reload && reload->steps)
		reload->call = rpc_defer(call);
	if (!reload || !reload->call) {
		json_decref(reload ? reload->steps : NULL);
		free(reload);
		return error_set(err, -ENOMEM, "no memory to change what runs");
	}
	json_incref(diff);
	daemon->reload = reload;
	mailbox_post(&daemon->mailbox, &reload->go_on);
	return RPC_LATER;
}

void daemon_reload_end(struct daemon *daemon)
{
	struct reload *reload = daemon->reload;

	if (!reload)
		return;
	if (!reload->failure.code)
		error_set(&reload->failure, -ESHUTDOWN, "straitd has stopped");
	end(reload);
}
