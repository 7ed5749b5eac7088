/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"
#include "control/config_tree.h"
#include "control/daemon_parts.h"

/* Between attempts to move queues off workers that are not used any more; each is given twice as long to drain. */
#define VACATE_EVERY_NS  20000000
#define LONGEST_DRAIN_NS 1000000000

static void vacate(struct daemon *daemon)
{
	if (placement_vacate(&daemon->placement, daemon->vacate_patience_ns) == 0)
		daemon_end_vacating(daemon);
	else if (daemon->vacate_patience_ns < LONGEST_DRAIN_NS)
		daemon->vacate_patience_ns *= 2;
}

static void vacate_ready(struct loop_source *source)
{
	struct daemon *daemon = (struct daemon *)((char *)source - offsetof(struct daemon, vacate));
	uint64_t count;

	if (read(source->fd, &count, sizeof(count)) == sizeof(count))
		vacate(daemon);
}

void daemon_end_vacating(struct daemon *daemon)
{
	if (daemon->vacate.fd < 0)
		return;
	loop_unwatch(&daemon->loop, &daemon->vacate);
	close(daemon->vacate.fd);
	daemon->vacate.fd = -1;
}

/* Those that have no requests under way go at once; the others are asked again until they have gone. */
static int begin_vacating(struct daemon *daemon, struct error *err)
{
	const struct itimerspec timer = {.it_interval.tv_nsec = VACATE_EVERY_NS, .it_value.tv_nsec = VACATE_EVERY_NS};

	if (daemon->vacate.fd < 0) {
		daemon->vacate = (struct loop_source){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
						      .ready = vacate_ready};
		if (daemon->vacate.fd < 0 || timerfd_settime(daemon->vacate.fd, 0, &timer, NULL) < 0 ||
		    loop_watch(&daemon->loop, &daemon->vacate) < 0) {
			error_set(err, -errno, "workers: no timer to move queues by: %s", strerror(errno));
			daemon_end_vacating(daemon);
			return err->code;
		}
	}
	daemon->vacate_patience_ns = QUEUE_MOVE_PATIENCE_NS;
	vacate(daemon);
	return 0;
}

/* What a file would say with these keys; its disks are another matter. */
static int load(const json_t *tree, struct config **out, struct error *err)
{
	json_t *bare = json_copy((json_t *)(uintptr_t)tree);
	char *text = NULL;
	int ret;

	if (json_object_set_new(bare, "disks",
				json_pack("[{s:s,s:s,s:i}]", "name", "x", "socket", "/x", "null", 512)) == 0)
		text = json_dumps(bare, JSON_COMPACT);
	json_decref(bare);
	ret = text ? config_load_text(text, strlen(text), false, out, err) : error_set(err, -ENOMEM, "no memory");
	free(text);
	return ret;
}

static int apply(struct daemon *daemon, const struct config *new, struct error *err)
{
	struct config *config = daemon->config;
	const bool fewer = new->workers < config->workers;
	int ret = 0;

	if (new->workers != config->workers || new->placement != config->placement ||
	    new->poll_max_us != config->poll_max_us)
		ret = placement_adjust(&daemon->placement, new->workers, new->placement, new->poll_max_us);
	if (ret < 0)
		return error_set(err, ret, "no memory to tell the workers");
	if (new->log_level != config->log_level)
		log_set_level(new->log_level ? (enum log_level) new->log_level : LOG_LEVEL_INFO);
	config->workers = new->workers;
	config->placement = new->placement;
	config->poll_max_us = new->poll_max_us;
	config->log_level = new->log_level;
	return fewer ? begin_vacating(daemon, err) : 0;
}

int daemon_set(struct daemon *daemon, const json_t *set, char *field, size_t field_size, struct error *err)
{
	const json_int_t workers = json_integer_value(json_object_get(set, "workers"));
	json_t *tree;
	struct config *new;
	int ret;

	if (workers > (json_int_t)daemon->placement.count) {
		snprintf(field, field_size, "workers");
		return error_set(err, -EINVAL,
				 "workers: %d: expected at most %u, which is how many were made: raise workers-max in "
				 "the file and restart straitd",
				 (int)workers, daemon->placement.count);
	}
	tree = config_tree_merge(daemon->config->tree, set);
	ret = tree ? load(tree, &new, err) : error_set(err, -ENOMEM, "no memory");
	if (ret < 0) {
		/* "workers: 0: expected ..." */
		snprintf(field, field_size, "%.*s", (int)strcspn(err->text, ":"), err->text);
		json_decref(tree);
		return ret;
	}
	ret = apply(daemon, new, err);
	config_free(new);
	if (ret == 0) {
		json_decref(daemon->config->tree);
		daemon->config->tree = json_incref(tree);
	}
	json_decref(tree);
	return ret;
}
