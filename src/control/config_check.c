/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cpus.h"
#include "control/config_take.h"
#include "control/http_address.h"

#define LONGEST_POLL_MAX_US 1000000 /* a second: beyond it a worker might as well never sleep */

/* A text with NULs has been refused before: scalars are C strings. */
static const char *scalar_text(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static int refuse_cpus(const struct config_taker *taker, const char *value)
{
	return config_take_refuse(taker, "worker-cpus", value,
				  "expected CPU numbers below %d and ranges, such as 0-3,8, or a list with one such "
				  "entry for each worker",
				  CPU_SETSIZE);
}

/* One list for all: worker i gets the i-th of its CPUs. */
static int deal_cpus(const struct config_taker *taker, const char *text, uint32_t wanted, struct config *config)
{
	unsigned count, dealt = 0;
	cpu_set_t all;

	if (cpus_parse(text, &all, NULL) < 0)
		return refuse_cpus(taker, text);
	count = (unsigned)CPU_COUNT(&all);
	if (wanted && count != wanted)
		return config_take_refuse(taker, "worker-cpus", text,
					  "has %u CPUs for %u workers: expected as many, or a list with a CPU list "
					  "for each worker",
					  count, wanted);
	if (count > CONFIG_MAX_WORKERS)
		return config_take_refuse(taker, "worker-cpus", text, "has %u CPUs: expected 1 to %d, one a worker",
					  count, CONFIG_MAX_WORKERS);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, &config->worker_cpus[dealt++]);
	}
	config->workers_max = dealt;
	return 0;
}

static int list_cpus(const struct config_taker *taker, const yaml_node_t *list, uint32_t wanted, struct config *config)
{
	const size_t count = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);

	if (count == 0 || count > CONFIG_MAX_WORKERS)
		return config_take_refuse(taker, "worker-cpus", NULL,
					  "a list of %zu: expected 1 to %d entries, one a "
					  "worker",
					  count, CONFIG_MAX_WORKERS);
	if (wanted && count != wanted)
		return config_take_refuse(taker, "worker-cpus", NULL,
					  "a list of %zu for %u workers: expected an entry for each worker", count,
					  wanted);
	for (size_t i = 0; i < count; i++) {
		struct config_place item = config_document_item(taker->doc, list, i);
		const char *text = scalar_text(item.value);
		char quoted[CONFIG_QUOTE_SIZE];

		if (!text || cpus_parse(text, &config->worker_cpus[i], NULL) < 0)
			return config_document_error(taker->doc, item.where, taker->err,
						     "worker-cpus[%zu]: %s: expected CPU numbers below %d and ranges, "
						     "such as 0-3,8",
						     i, text ? config_quote(text, quoted) : "a list or mapping",
						     CPU_SETSIZE);
	}
	config->workers_max = (uint32_t)count;
	return 0;
}

/* wanted: for how many workers, 0 where nothing says so. */
static int check_worker_cpus(const struct config_taker *taker, uint32_t wanted, struct config *config)
{
	const struct config_place place = config_document_key(taker->doc, taker->mapping, "worker-cpus");
	const char *text;

	if (!place.value)
		return 0;
	config->pinned = true;
	text = scalar_text(place.value);
	if (text)
		return deal_cpus(taker, text, wanted, config);
	if (place.value->type == YAML_SEQUENCE_NODE)
		return list_cpus(taker, place.value, wanted, config);
	return refuse_cpus(taker, "a mapping");
}

/* Those that are not in use cost some 70 KiB each: enough for most, and not as many as a large machine has CPUs. */
#define SPARE_WORKERS 8

static uint32_t default_most(uint32_t workers)
{
	cpu_set_t cpus;
	uint32_t most = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (uint32_t)CPU_COUNT(&cpus) : 1;

	most = most < SPARE_WORKERS ? most : SPARE_WORKERS;
	return most > workers ? most : workers;
}

static int check_worker_count(const struct config_taker *taker, const struct config_raw *raw, struct config *config)
{
	uint64_t workers = 1, most = 0;
	int ret = config_take_uint(taker, "workers", raw->workers, 1, CONFIG_MAX_WORKERS, &workers);

	if (ret == 0)
		ret = config_take_uint(taker, "workers-max", raw->workers_max, 1, CONFIG_MAX_WORKERS, &most);
	if (ret < 0)
		return ret;
	if (most && most < workers)
		return config_take_refuse(taker, "workers-max", raw->workers_max,
					  "expected at least as many as \"workers\" (%u)", (unsigned)workers);
	ret = check_worker_cpus(taker, most ? (uint32_t)most : raw->workers ? (uint32_t)workers : 0, config);
	if (ret < 0)
		return ret;
	/* worker-cpus alone says how many there are. */
	if (config->pinned && !raw->workers)
		workers = config->workers_max;
	config->workers = (uint32_t)workers;
	if (!config->pinned)
		config->workers_max = most ? (uint32_t)most : default_most(config->workers);
	return 0;
}

static int check_sandbox(const struct config_taker *taker, const struct config_raw *raw,
			 struct sandbox_options *sandbox)
{
	*sandbox = (struct sandbox_options){
		.mode = (enum sandbox_mode)raw->sandbox, .without = raw->sandbox_without, .user = raw->user};
	if (raw->user && !raw->user[0])
		return config_take_refuse(taker, "user", raw->user, "expected the name of a user, or a number");
	if (raw->sandbox_without && sandbox->mode != SANDBOX_ON)
		return config_take_refuse(taker, "sandbox-without", NULL,
					  "leaves out parts of what is %s as a whole: expected it only with "
					  "\"sandbox: on\"",
					  sandbox->mode == SANDBOX_OFF ? "off" : "required");
	return 0;
}

int config_check_workers(struct config_document *doc, const struct config_raw *raw, struct config *config,
			 struct error *err)
{
	const struct config_taker taker = {.doc = doc, .mapping = config_document_root(doc), .err = err};
	uint64_t poll_max_us = CONFIG_DEFAULT_POLL_MAX_US;
	const char *expected;
	int ret;

	ret = check_worker_count(&taker, raw, config);
	if (ret < 0)
		return ret;
	ret = config_take_uint(&taker, "poll-max-us", raw->poll_max_us, 0, LONGEST_POLL_MAX_US, &poll_max_us);
	if (ret < 0)
		return ret;
	config->poll_max_us = (uint32_t)poll_max_us;
	config->placement = (enum config_placement)raw->placement;
	config->log_level = raw->log_level;
	config->upgrade_socket = raw->upgrade_socket;
	if (raw->upgrade_socket && config_socket_path_ok(raw->upgrade_socket, &expected) < 0)
		return config_take_refuse(&taker, "upgrade-socket", raw->upgrade_socket, "%s", expected);
	config->http_listen = raw->http_listen;
	if (raw->http_listen && http_address_check(raw->http_listen, &expected) < 0)
		return config_take_refuse(&taker, "http-listen", raw->http_listen, "%s", expected);
	config->access = (struct listener_access){.mode = -1};
	ret = config_check_access(&taker, &raw->access, &config->access);
	if (ret == 0)
		ret = config_check_rpc(&taker, raw, config);
	return ret < 0 ? ret : check_sandbox(&taker, raw, &config->sandbox);
}
