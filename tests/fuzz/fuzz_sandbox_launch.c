/* SPDX-License-Identifier: Apache-2.0 */
/* The launch file, as the keeper reads it: every word lies inside the bytes that were given. */
#include "keeper.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_words(const char *const *words, size_t n, const char *from, const char *to)
{
	for (size_t i = 0; i < n; i++) {
		REQUIRE(words[i] >= from);
		REQUIRE(words[i] + strlen(words[i]) < to);
	}
	REQUIRE(words[n] == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct keeper_launch l;
	struct err e = { 0 };

	if (sandbox_launch_decode(text, size, &l, &e) < 0)
		return 0;
	REQUIRE(l.n_argv >= 1);
	REQUIRE(l.n_argv <= CAP_ARGS);
	REQUIRE(l.n_env <= CAP_ARGS);
	REQUIRE(l.argv[0][0] == '/');
	check_words(l.argv, l.n_argv, text, text + size);
	check_words(l.env, l.n_env, text, text + size);
	REQUIRE(l.stop.signal >= 0);
	REQUIRE(l.stop.signal <= 64);
	REQUIRE(l.stop.wait_ms >= 0);
	REQUIRE(l.stop.text >= text);
	REQUIRE(l.stop.text + strlen(l.stop.text) < text + size);
	if (l.stop.file != NULL) {
		REQUIRE(l.stop.file >= text);
		REQUIRE(l.stop.file[0] != '\0');
		REQUIRE(strchr(l.stop.file, '/') == NULL);
		REQUIRE(strcmp(l.stop.file, ".") != 0);
		REQUIRE(strcmp(l.stop.file, "..") != 0);
	}
	return 0;
}
