/* SPDX-License-Identifier: Apache-2.0 */
/* Files below the root that is looked at, and the few forms of text that the kernel writes. */
#include "host_internal.h"

#include "fd.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 4 << 20 /* mountinfo of a host with thousands of containers */ };

/* Below the root descriptor: the same path without its slash. */
static const char *
relative(const char *path)
{
	path += strspn(path, "/");
	return path[0] == '\0' ? "." : path;
}

int
host_read(const struct host_view *v, const char *path, char **ret_text)
{
	struct err e = { 0 };
	size_t n;

	*ret_text = NULL;
	if (fd_read_file(v->root_fd, relative(path), FILE_MAX, ret_text, &n, &e) < 0)
		return e.sys != 0 ? e.sys : EFBIG;
	if (*ret_text == NULL) /* an empty file */
		*ret_text = calloc(1, 1);
	return *ret_text == NULL ? ENOMEM : 0;
}

int
host_read_line(const struct host_view *v, const char *path, char out[static HOST_LINE_SIZE])
{
	AUTO_FREE char *text = NULL;
	int sys = host_read(v, path, &text);

	if (sys != 0)
		return sys;
	text[strcspn(text, "\n")] = '\0';
	(void)snprintf(out, HOST_LINE_SIZE, "%s", text); /* longer lines are not looked at whole */
	return 0;
}

int
host_read_number(const struct host_view *v, const char *path, int64_t *ret)
{
	char line[HOST_LINE_SIZE];
	struct err ignored = { 0 };
	int sys = host_read_line(v, path, line);

	if (sys != 0)
		return sys;
	return parse_i64(line, INT64_MIN, INT64_MAX, ret, &ignored) < 0 ? EINVAL : 0;
}

char *
host_next_line(char **rest)
{
	char *line = *rest, *end;

	if (line == NULL || line[0] == '\0')
		return NULL;
	end = line + strcspn(line, "\n");
	*rest = *end == '\0' ? end : end + 1;
	*end = '\0';
	return line;
}

int64_t
host_number_of(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
		char number[24];
		struct err ignored = { 0 };
		int64_t value;
		size_t digits;

		at += *at == '\n';
		if (strncmp(at, key, n) != 0)
			continue;
		at += n + strspn(at + n, ": \t");
		digits = strspn(at, "0123456789");
		if (digits == 0 || digits >= sizeof(number))
			return -1;
		memcpy(number, at, digits);
		number[digits] = '\0';
		return parse_i64(number, 0, INT64_MAX, &value, &ignored) < 0 ? -1 : value;
	}
	return -1;
}

bool
host_has_word(const char *list, const char *parts, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; *at != '\0'; at += strcspn(at, parts), at += strspn(at, parts))
		if (strcspn(at, parts) == n && strncmp(at, word, n) == 0)
			return true;
	return false;
}

static size_t
append(char list[static HOST_LIST_SIZE], size_t n, const char *text)
{
	for (; *text != '\0' && n + 1 < HOST_LIST_SIZE; text++)
		list[n++] = *text;
	list[n] = '\0';
	return n;
}

void
host_list_add(char list[static HOST_LIST_SIZE], const char *part, const char *word)
{
	size_t n = strlen(list);

	if (n > 0)
		n = append(list, n, part);
	(void)append(list, n, word); /* only the end of a list is of no more use */
}

int
host_may(const struct host_view *v, const char *path, int mode)
{
	return faccessat(v->root_fd, relative(path), mode, AT_EACCESS) < 0 ? errno : 0;
}

void
host_say_unseen(const struct host_view *v, const char *path, int sys)
{
	if (sys == EACCES || sys == EPERM)
		host_say(v, HOST_UNSEEN, "%s may not be read by uid %u; look again as root", path,
		    v->f->uid);
	else
		host_say(v, HOST_UNSEEN, "%s cannot be read (%s)", path, strerrorname_np(sys));
}
