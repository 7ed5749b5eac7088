/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/tree_parts.h"

#define SECOND_NS 1000000000ull

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* Room for one more sample, which begins now. */
static int add_sample(struct tree *tree, uint64_t ns)
{
	uint64_t *more = realloc(tree->sample_ns, (tree->sample_count + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	tree->sample_ns = more;
	tree->sample_ns[tree->sample_count++] = ns;
	return 0;
}

struct tree *tree_open_live(struct error *err)
{
	const int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct node *documents;
	struct tree *tree;

	if (fd < 0) {
		error_set(err, -errno, "/: cannot be opened: %s", strerror(errno));
		return NULL;
	}
	tree = tree_new(fd);
	tree->live = true;
	documents = node_add(tree, &tree->root, ".strait");
	documents->kind = NODE_DIRECTORY;
	documents->in_memory = true;
	if (add_sample(tree, now_ns()) < 0) {
		error_set(err, -ENOMEM, "no memory");
		tree_close(tree);
		return NULL;
	}
	return tree;
}

struct tree *tree_open_directory(const char *path, struct error *err)
{
	const int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct tree *tree;

	if (fd < 0) {
		error_set(err, -errno, "%s: cannot be opened: %s: expected a directory that looks like a machine's /",
			  path, strerror(errno));
		return NULL;
	}
	tree = tree_new(fd);
	if (manifest_load(tree, path, err) < 0) {
		tree_close(tree);
		return NULL;
	}
	return tree;
}

static struct tree *open_archive(int fd, const char *path, struct error *err)
{
	struct tree *tree = tree_new(-1);

	tree->node_max = TREE_NODES_MAX;
	if (archive_load(tree, fd, path, err) < 0 || manifest_load(tree, path, err) < 0) {
		tree_close(tree);
		return NULL;
	}
	if (!tree->partial) {
		error_set(err, -EINVAL,
			  "%s: is no capture: " TREE_MANIFEST " is not in it: expected a file that "
			  "\"strait capture\" wrote",
			  path);
		tree_close(tree);
		return NULL;
	}
	return tree;
}

struct tree *tree_open_capture(const char *path, struct error *err)
{
	const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct tree *tree = NULL;
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		error_set(err, -errno, "%s: cannot be opened: %s", path, strerror(errno));
	else if (S_ISDIR(status.st_mode))
		tree = tree_open_directory(path, err);
	else if (!S_ISREG(status.st_mode))
		error_set(err, -EINVAL,
			  "%s: is neither a file nor a directory: expected a file that \"strait capture\" "
			  "wrote",
			  path);
	else
		tree = open_archive(fd, path, err);
	if (fd >= 0)
		close(fd);
	return tree;
}

bool tree_is_live(const struct tree *tree)
{
	return tree->live;
}

unsigned tree_sample(const struct tree *tree)
{
	return tree->sample;
}

uint64_t tree_sample_ns(const struct tree *tree)
{
	return tree->sample < tree->sample_count ? tree->sample_ns[tree->sample] : 0;
}

static void wait_until(uint64_t ns)
{
	const struct timespec until = {.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};

	while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

int tree_advance(struct tree *tree, uint64_t interval_ns)
{
	int ret;

	if (!tree->live) {
		if (tree->sample + 1 >= tree->sample_count)
			return -ENOENT;
		tree->sample++;
		return 0;
	}
	wait_until(tree_sample_ns(tree) + interval_ns);
	ret = add_sample(tree, now_ns());
	if (ret < 0)
		return ret;
	tree->sample++;
	tree->sample_nodes = tree->node_count;
	tree->sample_bytes = tree->bytes;
	return 0;
}

bool tree_has_room(const struct tree *tree)
{
	const size_t nodes = tree->node_count - tree->sample_nodes, bytes = tree->bytes - tree->sample_bytes;

	/* The first one is all the machine. The next may be somewhat larger than the last. */
	return tree->sample == 0 ||
	       (tree->node_count + 2 * nodes <= TREE_NODES_MAX && tree->bytes + 2 * bytes <= TREE_TOTAL_MAX);
}
