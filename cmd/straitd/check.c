/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sanitized.h"
#include "check_place.h"
#include "check_table.h"
#include "control/daemon.h"
#include "control/http.h"
#include "control/http_address.h"
#include "control/rpc_peer.h"
#include "exit_status.h"

/* What was found is said below the table, which is printed when all disks are known. */
struct report {
	struct libscols_table *table;
	FILE *findings;
	char *text;
	size_t text_size;
	unsigned finding_count;
	struct sandbox sandbox;
	unsigned served;
};

/* A line, beginning with the disk's name where the error does not do so by itself. */
static void add_finding(struct report *report, const char *disk, const struct error *err)
{
	const bool named = !disk || strncmp(err->text, "disk ", 5) == 0;

	report->finding_count++;
	fprintf(report->findings, "  %s%s%s%s\n", named ? "" : "disk ", named ? "" : disk, named ? "" : ": ",
		err->text);
}

static int check_disk(struct report *report, const struct config *config, const struct config_disk *disk)
{
	const unsigned workers = disk->queues < config->workers ? disk->queues : config->workers;
	struct storage_info info;
	struct error err;
	bool opened, served;

	opened = daemon_probe_disk(disk, &info, &err) == 0;
	if (!opened)
		add_finding(report, disk->name, &err);
	served = opened;
	if (disk->socket && listener_check_access(&disk->access, &err) < 0) {
		add_finding(report, disk->name, &err);
		served = false;
	}
	if (disk->socket && check_socket_place(disk->socket, &err) < 0) {
		add_finding(report, disk->name, &err);
		served = false;
	}
	report->served += served;
	return check_table_add(report->table, disk, opened ? &info : NULL, served, workers);
}

/* A port is tried; it is nobody's again at once. */
static void check_http(struct report *report, const struct config *config)
{
	const char *path = http_address_path(config->http_listen);
	struct error err;
	int fd;

	if (!http_is_built()) {
		error_set(&err, -EOPNOTSUPP, "http-listen: %s: this straitd was built without libmicrohttpd",
			  config->http_listen);
		add_finding(report, NULL, &err);
	} else if (path) {
		if (check_socket_place(path, &err) < 0)
			add_finding(report, NULL, &err);
	} else {
		fd = http_address_open(config->http_listen, &config->access, &err);
		if (fd < 0)
			add_finding(report, NULL, &err);
		else
			close(fd);
	}
}

static void check_rpc(struct report *report, const struct config *config)
{
	struct error err;
	gid_t group;

	if (!config->rpc_socket)
		return;
	if (listener_check_access(&config->rpc_access, &err) < 0 || check_socket_place(config->rpc_socket, &err) < 0) {
		error_prefix(&err, "rpc-socket");
		add_finding(report, NULL, &err);
	}
	if (rpc_peer_find_group(config->rpc_admin_group, &group, &err) < 0)
		add_finding(report, NULL, &err);
}

static int check_all(struct report *report, const struct config *config)
{
	struct error err;

	if (config->http_listen)
		check_http(report, config);

	if (sandbox_init(&report->sandbox, &config->sandbox, &err) < 0)
		add_finding(report, NULL, &err);
	for (unsigned i = 0; config->pinned && i < config->workers; i++) {
		if (check_cpus(i, &config->worker_cpus[i], &err) < 0)
			add_finding(report, NULL, &err);
	}
	check_rpc(report, config);
	for (unsigned i = 0; i < config->disk_count; i++) {
		int ret = check_disk(report, config, &config->disks[i]);

		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Who it would be, and what this machine has for it. */
static void print_sandbox(const struct sandbox *sandbox)
{
	const struct sandbox_options *options = &sandbox->options;
	const int landlock = sandbox_landlock_version();

	if (options->mode == SANDBOX_OFF) {
		printf("Sandbox: off.\n");
		return;
	}
	printf("Sandbox: %s, no capabilities", sandbox->user);
	if (STRAIT_SANITIZED)
		printf(", no Landlock and seccomp under a sanitizer");
	else if (sandbox_wants(options, SANDBOX_LANDLOCK) && landlock)
		printf(", Landlock ABI %d", landlock);
	else if (sandbox_wants(options, SANDBOX_LANDLOCK))
		printf(", no Landlock in this kernel");
	if (!STRAIT_SANITIZED && sandbox_wants(options, SANDBOX_SECCOMP))
		printf(", seccomp");
	printf("%s.\n", sandbox_wants(options, SANDBOX_IO_URING) ? ", io_uring restricted" : "");
}

static int print_report(struct report *report, const struct config *config)
{
	if (scols_print_table(report->table))
		return EXIT_STATUS_INTERNAL;
	printf("\n%u of %u disk%s would be served by %u worker%s%s. ", report->served, config->disk_count,
	       config->disk_count == 1 ? "" : "s", config->workers, config->workers == 1 ? "" : "s",
	       config->pinned ? " on CPUs of their own" : "");
	if (config->poll_max_us)
		printf("Without work they look for more for up to %u us before they sleep.\n", config->poll_max_us);
	else
		printf("Without work they sleep at once.\n");
	print_sandbox(&report->sandbox);
	if (report->finding_count)
		printf("%u finding%s:\n%s", report->finding_count, report->finding_count == 1 ? "" : "s", report->text);
	return report->finding_count ? EXIT_STATUS_FINDINGS : EXIT_STATUS_CLEAN;
}

int check_config(const struct config *config)
{
	struct report report = {.table = check_table_new()};
	int status = EXIT_STATUS_INTERNAL;

	report.findings = open_memstream(&report.text, &report.text_size);
	if (report.table && report.findings && check_all(&report, config) == 0 && fflush(report.findings) == 0)
		status = print_report(&report, config);
	if (status == EXIT_STATUS_INTERNAL)
		fprintf(stderr, "straitd: out of memory for the report\n");
	if (report.findings)
		fclose(report.findings);
	free(report.text);
	scols_unref_table(report.table);
	return status;
}
