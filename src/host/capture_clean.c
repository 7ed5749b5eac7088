/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "host/capture.h"

#define GONE "***"
#define NEAR 4096
/* User and password in a URL. */
#define URL_MAX 1024

/* Keys whose values are secrets wherever they are; they may be followed by quotes, spaces, "=" or ":". */
static const char *const secret_keys[] = {"cookie", "token", "chap-secret", "oem_strings", "set_credential",
					  "set_credential_binary",
					  /* with any word before them: inst.vncpassword */
					  "password", "passwd", "passphrase"};
#define WITH_PREFIX 6

/* And those that are in an argument with another word only: -object secret,data=..., -fw_cfg string=..., rbd:...:key=.
 */
static const struct {
	const char *key, *with;
} secret_with[] = {
	{"data", "secret"}, {"string", "fw_cfg"}, {"string", "opt/"},           {"value", "type=11"},
	{"key", "rbd:"},    {"key", "secret"},    {"value", "io.systemd.cred"}, {"append", "kernel"},
};

/* Options whose argument is the command line of a guest's kernel, which has whatever its owner wanted it to know. */
static const char *const kernel_options[] = {"-append", "--append", "--cmdline"};

/* The programs whose arguments rules look at; by what their names begin with. */
static const char *const known_programs[] = {
	"qemu", "kvm", "cloud-hyp", "firecracker", "straitd", "irqbalance", "libvirtd", "virtqemud",
};

/* A text that is made of another. */
struct cleaning {
	char *to;
	size_t length;
	unsigned gone;
};

static void copy(struct cleaning *cleaning, const char *text, size_t length)
{
	memcpy(cleaning->to + cleaning->length, text, length);
	cleaning->length += length;
}

/* Whether a word is near: so far arguments reach that belong together. */
static bool is_near(const char *text, const char *begin, size_t length, const char *word)
{
	const char *from = text - begin > NEAR ? text - NEAR : begin;
	const char *to = begin + length - text > NEAR ? text + NEAR : begin + length;

	return memmem(from, (size_t)(to - from), word, strlen(word));
}

static bool is_key(const char *text, size_t length, const char *key, const char *begin, bool with_prefix)
{
	const size_t size = strlen(key);

	return size <= length && strncasecmp(text, key, size) == 0 &&
	       (with_prefix || text == begin || !isalnum((unsigned char)text[-1])) &&
	       (size == length || !(isalnum((unsigned char)text[size]) || text[size] == '-' || text[size] == '_'));
}

/* How long the key at text is whose value is a secret; 0: it is none. */
static size_t secret_key(const char *text, size_t left, const char *begin, size_t length)
{
	for (unsigned i = 0; i < sizeof(secret_keys) / sizeof(secret_keys[0]); i++) {
		if (is_key(text, left, secret_keys[i], begin, i >= WITH_PREFIX))
			return strlen(secret_keys[i]);
	}
	for (unsigned i = 0; i < sizeof(secret_with) / sizeof(secret_with[0]); i++) {
		if (is_key(text, left, secret_with[i].key, begin, false) &&
		    is_near(text, begin, length, secret_with[i].with))
			return strlen(secret_with[i].key);
	}
	return 0;
}

/*
 * From a key's end to where its value begins: quotes, spaces and one "=" or ":"; 0: there is no value. Behind ":" it
 * has to be a string: a number of JSON stays one.
 */
static size_t to_value(const char *text, size_t left)
{
	static const char around[] = "\"'\\ \t";
	size_t at = 0;
	char sign;

	while (at < left && text[at] && strchr(around, text[at]))
		at++;
	if (at == left || (text[at] != '=' && text[at] != ':'))
		return 0;
	sign = text[at++];
	while (at < left && text[at] && strchr(around, text[at]))
		at++;
	return sign == '=' || text[at - 1] == '"' ? at : 0;
}

/* Of a string of JSON; escaped: which is in another string itself, so that its quotes are \". */
static size_t string_length(const char *text, size_t left, bool escaped)
{
	size_t at = 0;

	while (at < left && text[at] != '"') {
		if (text[at] != '\\')
			at++;
		else if (!escaped)
			at += 2;
		else if (at + 1 < left && text[at + 1] == '"')
			return at;
		else
			at += 4; /* \\\" or \\\\ */
	}
	return at < left ? at : left;
}

/*
 * QEMU writes a comma in a value as two; cloud-hypervisor has lists in brackets. end: what ends the argument; quotes
 * mean something in documents only, and a comma nothing in the command line of the host's kernel.
 */
static size_t value_length(const char *text, size_t left, char end)
{
	const bool list = end == '\0' && left && *text == '[';
	const char *bracket = list ? memchr(text, ']', left) : NULL;
	size_t at = bracket ? (size_t)(bracket + 1 - text) : 0;

	if (list && !bracket)
		return left;
	if (end == ' ')
		return left && text[left - 1] == '\n' ? left - 1 : left;
	while (at < left && !(end == '\n' && strchr("\"'<>", text[at]))) {
		if (text[at] == ',' && (at + 1 == left || text[at + 1] != ','))
			break;
		at += text[at] == ',' ? 2 : 1;
	}
	return at;
}

/* "password=on" says that there is one, not which. */
static bool is_switch(const char *text, size_t length)
{
	static const char *const words[] = {"on", "off", "yes", "no", "true", "false", "null"};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i]) == length && memcmp(words[i], text, length) == 0)
			return true;
	}
	return length == 0;
}

static bool is_behind(const char *text, const char *begin, const char *word)
{
	const size_t length = strlen(word);

	return (size_t)(text - begin) >= length && memcmp(text - length, word, length) == 0;
}

/*
 * The password in "scheme://user:password@host"; 0: none. *before: what comes before it. libiscsi's are
 * "iscsi://user%password@host", dracut's "iscsi:user:password@host".
 */
static size_t in_url(const char *text, size_t left, const char *begin, size_t *before)
{
	const bool iscsi = is_behind(text, begin, "iscsi") || is_behind(text, begin, "iser");
	const bool url = left >= 4 && memcmp(text, "://", 3) == 0;
	size_t at = url ? 3 : 1, colon = 0;

	if (!url && (!iscsi || *text != ':'))
		return 0;
	while (at < left && at < URL_MAX && text[at] && !strchr("/\"'\\, \n", text[at]) && text[at] != '@') {
		if ((text[at] == ':' || (text[at] == '%' && url && iscsi)) && !colon)
			colon = at;
		at++;
	}
	if (at == left || at == URL_MAX || text[at] != '@' || !colon)
		return 0;
	*before = colon + 1;
	return at - *before;
}

/* How much of the text at from is a secret behind *before others; 0: nothing. begin: of the argument it is in. */
static size_t find_secret(const char *begin, size_t length, size_t from, size_t *before, char end)
{
	const char *text = begin + from;
	const size_t left = length - from;
	const size_t key = secret_key(text, left, begin, length);
	size_t value;

	if (!key)
		return in_url(text, left, begin, before);
	value = to_value(text + key, left - key);
	if (!value)
		return 0;
	*before = key + value;
	text += *before;
	value = text[-1] == '"' ? string_length(text, left - *before, text[-2] == '\\')
				: value_length(text, left - *before, end);
	return is_switch(text, value) ? 0 : value;
}

static void clean_argument(struct cleaning *cleaning, const char *text, size_t length, char end)
{
	for (size_t at = 0; at < length;) {
		size_t before = 0;
		const size_t secret = find_secret(text, length, at, &before, end);

		if (!secret) {
			copy(cleaning, text + at++, 1);
			continue;
		}
		copy(cleaning, text + at, before);
		copy(cleaning, GONE, strlen(GONE));
		cleaning->gone++;
		at += before + secret;
	}
}

/* Where an argument ends; in the command line of the host's kernel a space in quotes is part of it. */
static size_t argument_length(const char *text, size_t left, char end)
{
	bool quoted = false;
	size_t at = 0;

	for (; at < left && (text[at] != end || quoted); at++)
		quoted ^= end == ' ' && text[at] == '"';
	return at;
}

/* How much of an argument may stay if it, or the one before, is the option of a guest's kernel; length: all. */
static size_t before_kernel(const char *before, const char *text, size_t length)
{
	static const char joined[] = "--cmdline=";

	for (unsigned i = 0; i < sizeof(kernel_options) / sizeof(kernel_options[0]); i++) {
		if (strcmp(before, kernel_options[i]) == 0)
			return 0;
	}
	return length > strlen(joined) && memcmp(text, joined, strlen(joined)) == 0 ? strlen(joined) : length;
}

/* Text of arguments or lines, each for itself: that is how far words that make a key secret reach. */
static void clean_text(struct cleaning *cleaning, const char *text, size_t length, char end)
{
	const char *before = "";

	for (size_t at = 0; at < length;) {
		const size_t size = argument_length(text + at, length - at, end);
		const size_t stays = end == '\0' ? before_kernel(before, text + at, size) : size;

		if (stays < size) {
			copy(cleaning, text + at, stays);
			copy(cleaning, GONE, strlen(GONE));
			cleaning->gone++;
		} else {
			clean_argument(cleaning, text + at, size, end);
		}
		before = text + at;
		at += size;
		if (at < length)
			copy(cleaning, text + at++, 1);
	}
}

static bool is_known(const char *program)
{
	const char *slash = program ? strrchr(program, '/') : NULL;

	program = slash ? slash + 1 : program;
	for (unsigned i = 0; program && i < sizeof(known_programs) / sizeof(known_programs[0]); i++) {
		if (strncmp(program, known_programs[i], strlen(known_programs[i])) == 0)
			return true;
	}
	return false;
}

/* By what it calls itself, or the program that it is: QEMU may be started by any name. */
static bool is_of_known(struct tree *tree, const char *path, const char *text)
{
	const char *slash = strrchr(path, '/');

	return is_known(text) || is_known(tree_link(tree, "%.*s/exe", (int)(slash - path), path));
}

static bool ends_with(const char *text, const char *end)
{
	const size_t length = strlen(text), size = strlen(end);

	return length >= size && strcmp(text + length - size, end) == 0;
}

static bool is_of_kernel(const char *path)
{
	return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0;
}

static const char *without_arguments(const char *text, size_t *length, const char **what)
{
	const size_t name = strnlen(text, *length);

	if (name + 1 < *length) {
		*what = "its arguments";
		*length = name + 1;
	}
	return text;
}

const char *capture_clean(struct tree *tree, const char *path, const char *text, size_t *length, const char **what)
{
	const bool command_line = ends_with(path, "/cmdline");
	const bool of_process = command_line && strcmp(path, "/proc/cmdline") != 0;
	struct cleaning cleaning = {0};

	*what = NULL;
	if (!command_line && is_of_kernel(path))
		return text;
	if (of_process && !is_of_known(tree, path, text))
		return without_arguments(text, length, what);
	/* What goes is at least one byte, what comes three. */
	cleaning.to = tree_alloc(tree, *length * strlen(GONE) + strlen(GONE) + 1);
	clean_text(&cleaning, text, *length, of_process ? '\0' : command_line ? ' ' : '\n');
	if (!cleaning.gone)
		return text;
	*length = cleaning.length;
	*what = tree_format(tree, "%u %s", cleaning.gone, cleaning.gone == 1 ? "secret" : "secrets");
	return cleaning.to;
}
