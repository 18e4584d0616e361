/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings from hostile text: the input's lines are variables and options, the whole is the file.
 * What loads keeps every range; what does not leaves the output alone.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf.h"
#include "conf_internal.h"
#include "fd.h"

enum { LINES_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_and_release(struct conf *c)
{
	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		const struct conf_row *row = &conf_rows[i];
		int64_t v;

		if (row->type == CONF_TYPE_TEXT || row->type == CONF_TYPE_BOOL)
			continue;
		memcpy(&v, (const char *)c + row->offset, sizeof(v));
		REQUIRE(v >= row->min);
		REQUIRE(v <= row->max);
	}
	conf_done(c);
}

static void
load(const char *file, char *const env[], size_t n_args, char *const args[])
{
	struct conf c = { .http_port = -1 };
	struct err e = { 0 };

	if (conf_load(file, env, n_args, args, &c, &e) == 0) {
		check_and_release(&c);
		return;
	}
	REQUIRE(e.code == ERR_CONF);
	REQUIRE(c.http_port == -1);
	REQUIRE(c.state_dir == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FD int fd = memfd_create("conf", MFD_CLOEXEC);
	char path[64], *lines[LINES_MAX + 1] = { NULL };
	AUTO_FREE char *text = malloc(size + 1);
	struct err e = { 0 };
	char *rest = text;
	size_t n = 0;

	REQUIRE(fd >= 0);
	REQUIRE(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	REQUIRE(fd_write_all(fd, text, size, &e) == 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	load(path, NULL, 0, NULL);
	while (n < LINES_MAX && rest != NULL)
		lines[n++] = strsep(&rest, "\n");
	load(NULL, lines, 0, NULL);
	load(NULL, NULL, n, lines);
	return 0;
}
