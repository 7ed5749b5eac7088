/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_COMMAND_H
#define STRAIT_COMMAND_H

/* One subcommand of strait. run() gets its own argv (argv[0] is the name) and returns the exit code. */
struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

int command_advise(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_budget(int argc, char **argv);
int command_capture(int argc, char **argv);
int command_config(int argc, char **argv);
int command_exits(int argc, char **argv);
int command_diagnose(int argc, char **argv);
int command_list(int argc, char **argv);
int command_profile(int argc, char **argv);
int command_disk(int argc, char **argv);
int command_group(int argc, char **argv);
int command_map(int argc, char **argv);
int command_rpc(int argc, char **argv);
int command_slow(int argc, char **argv);
int command_stats(int argc, char **argv);
int command_top(int argc, char **argv);

#endif
