/* SPDX-License-Identifier: Apache-2.0 */
/* What an image file says of itself (docs/interop/qcow2.txt of QEMU), and its backing files. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "host/array.h"
#include "host/document.h"
#include "host/process.h"
#include "host/qemu.h"
#include "host/tree.h"

#define CHAIN_MAX 64
/* The header, its extensions and the name of the backing file are in the first cluster, at most 2 MiB. */
#define HEADER_MAX     (64u << 10)
#define BACKING_FORMAT 0xe2792acau

struct header {
	unsigned char bytes[HEADER_MAX];
	size_t length;
};

struct image_file {
	int pid;
	const char *path;
};

static uint32_t get32(const struct header *header, size_t at)
{
	uint32_t value = 0;

	if (at + 4 <= header->length)
		memcpy(&value, header->bytes + at, 4);
	return be32toh(value);
}

static uint64_t get64(const struct header *header, size_t at)
{
	return (uint64_t)get32(header, at) << 32 | get32(header, at + 4);
}

static void add_text(json_t *json, const char *name, const struct header *header, uint64_t at, uint32_t length)
{
	if (length && length < 1024 && at <= header->length && length <= header->length - at)
		/* which is not added where it is no UTF-8 */
		json_object_set_new(json, name, json_stringn((const char *)header->bytes + at, length));
}

static void describe_qcow2(json_t *json, const struct header *header)
{
	const uint32_t version = get32(header, 4), bits = get32(header, 20);
	size_t at = version >= 3 ? get32(header, 100) : 72;

	json_object_set_new(json, "format", json_string("qcow2"));
	json_object_set_new(json, "virtual-size", json_integer((json_int_t)get64(header, 24)));
	if (bits >= 9 && bits <= 21)
		json_object_set_new(json, "cluster-size", json_integer(1 << bits));
	if (get64(header, 8))
		json_object_set_new(json, "backing", json_null());
	add_text(json, "backing", header, get64(header, 8), get32(header, 16));
	/* extensions: kind, length, as many bytes, filled up to eight */
	while (at + 8 <= header->length && get32(header, at)) {
		const uint32_t length = get32(header, at + 4);

		if (get32(header, at) == BACKING_FORMAT)
			add_text(json, "backing-format", header, at + 8, length);
		if (length > HEADER_MAX)
			break;
		at += 8 + (((size_t)length + 7) & ~(size_t)7);
	}
}

static const char *format_of(const struct header *header)
{
	static const struct {
		const char *format, *magic;
		size_t at;
	} formats[] = {{"vmdk", "KDMV", 0},         {"vhdx", "vhdxfile", 0}, {"qed", "QED", 0},
		       {"luks", "LUKS\xba\xbe", 0}, {"vpc", "conectix", 0},  {"vdi", "\x7f\x10\xda\xbe", 64}};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		const size_t length = strlen(formats[i].magic);

		if (formats[i].at + length <= header->length &&
		    memcmp(header->bytes + formats[i].at, formats[i].magic, length) == 0)
			return formats[i].format;
	}
	return "raw";
}

static void describe(json_t *json, const struct header *header)
{
	if (header->length >= 72 && memcmp(header->bytes, "QFI\xfb", 4) == 0)
		describe_qcow2(json, header);
	else
		json_object_set_new(json, "format", json_string(format_of(header)));
}

json_t *qemu_image_describe(const void *bytes, size_t length)
{
	struct header *header = malloc(sizeof(*header));
	json_t *json = header ? json_object() : NULL;

	if (json) {
		header->length = length < sizeof(header->bytes) ? length : sizeof(header->bytes);
		memcpy(header->bytes, bytes, header->length);
		describe(json, header);
	}
	free(header);
	return json;
}

static json_t *describe_file(int fd, const struct stat *st)
{
	unsigned char *bytes = malloc(HEADER_MAX);
	const ssize_t got = bytes ? pread(fd, bytes, HEADER_MAX, 0) : -1;
	json_t *json = got >= 0 ? qemu_image_describe(bytes, (size_t)got) : NULL;

	free(bytes);
	if (!json)
		return NULL;
	json_object_set_new(json, "device", json_boolean(S_ISBLK(st->st_mode)));
	if (S_ISREG(st->st_mode)) {
		json_object_set_new(json, "size", json_integer(st->st_size));
		json_object_set_new(json, "allocated", json_integer((json_int_t)st->st_blocks * 512));
	}
	return json;
}

static ssize_t provide(void *context, char **text)
{
	const struct image_file *file = context;
	struct stat st;
	const int fd = process_open(file->pid, file->path, &st);
	json_t *json;

	if (fd < 0)
		return fd;
	json = describe_file(fd, &st);
	close(fd);
	return json ? document_text(json, text) : -EIO;
}

/* A path that can be the name of a document. */
static bool is_plain(const char *path)
{
	const size_t length = strlen(path);

	return path[0] == '/' && length < 1024 && !strstr(path, "//") && !strstr(path, "/./") &&
	       !strstr(path, "/../") && path[length - 1] != '/' && path[length - 1] != '.';
}

static json_t *ask(struct tree *tree, int pid, const char *path)
{
	struct image_file file = {.pid = pid, .path = path};
	const char *text;
	ssize_t length;

	if (!is_plain(path) || tree_hangs(tree, "%s", path))
		return NULL;
	length = tree_ask_patiently(tree, &text, provide, &file, "image/%d%s.json", pid > 0 ? pid : 0, path);
	return length < 0 ? NULL : json_loadb(text, (size_t)length, 0, NULL);
}

static const char *text_of(struct tree *tree, const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	return text ? tree_format(tree, "%s", text) : NULL;
}

static bool is_format(const char *format, const char *name)
{
	return format && strcmp(format, name) == 0;
}

/* What it says beside its backing file. */
static void complete(struct tree *tree, const json_t *json, struct guest_image *image)
{
	const json_t *size = json_object_get(json, "size"), *allocated = json_object_get(json, "allocated");
	const json_int_t cluster = json_integer_value(json_object_get(json, "cluster-size"));

	if (!image->format)
		image->format = text_of(tree, json, "format");
	if (json_is_true(json_object_get(json, "device")) && strcmp(image->protocol, "file") == 0)
		image->protocol = "host_device";
	if (is_format(image->format, "qcow2")) {
		image->cluster = cluster > 0 ? (uint64_t)cluster : 0;
		size = json_object_get(json, "virtual-size");
	}
	if (json_integer_value(size) > 0 && (is_format(image->format, "qcow2") || is_format(image->format, "raw")))
		image->size = (uint64_t)json_integer_value(size);
	if (json_is_integer(size) && json_is_integer(allocated))
		image->preallocated = json_integer_value(allocated) >= json_integer_value(size);
}

/* A name that is relative is so to the file that has it. */
static const char *beside(struct tree *tree, const char *file, const char *name)
{
	const char *slash = strrchr(file, '/');

	if (*name == '/' || !slash)
		return name;
	return tree_format(tree, "%.*s/%s", (int)(slash - file), file, name);
}

static void add_backing(struct tree *tree, const json_t *json, struct guest_disk *disk)
{
	const char *name = text_of(tree, json, "backing"), *above = disk->image[disk->image_count - 1].file;
	struct guest_image *image;

	disk->whole = !json_object_get(json, "backing");
	if (!name)
		return;
	disk->image = array_grow(tree, disk->image, disk->image_count, sizeof(*disk->image));
	image = &disk->image[disk->image_count++];
	image->format = text_of(tree, json, "backing-format");
	image->preallocated = HOST_UNKNOWN;
	qemu_name_file(tree, image, name);
	if (image->file == name && (strcmp(image->protocol, "file") == 0))
		image->file = beside(tree, above, name);
}

/* What is behind the last image. A raw one has nothing, whatever the guest has written to where others have one. */
static void follow(struct tree *tree, const json_t *json, struct guest_disk *disk)
{
	static const char *const formats[] = {"qcow2", "qcow", "qed", "vmdk", "parallels"};
	const char *format = disk->image[disk->image_count - 1].format;
	bool can = !format;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		can |= is_format(format, formats[i]);
	if (!can)
		disk->whole = 1;
	else if (is_format(format, "qcow2") && is_format(json_string_value(json_object_get(json, "format")), "qcow2"))
		add_backing(tree, json, disk);
}

static bool is_local(const struct guest_image *image)
{
	return image->file && image->protocol &&
	       (strcmp(image->protocol, "file") == 0 || strcmp(image->protocol, "host_device") == 0);
}

/*
 * What is said to be raw on a device has no header, and nothing is to be learnt from the first block of it: of storage
 * that hangs, which is when people look, that read would never come back.
 */
static bool needs_header(const struct guest_image *image)
{
	return is_local(image) && !(is_format(image->format, "raw") && strcmp(image->protocol, "host_device") == 0);
}

void qemu_images_complete(struct tree *tree, int pid, struct guest_disk *disk)
{
	for (unsigned i = 0; i < disk->image_count && i < CHAIN_MAX; i++) {
		struct guest_image *image = &disk->image[i];
		json_t *json = needs_header(image) ? ask(tree, pid, image->file) : NULL;

		if (json)
			complete(tree, json, image);
		if (!disk->whole && i + 1 == disk->image_count)
			follow(tree, json, disk);
		json_decref(json);
	}
}
