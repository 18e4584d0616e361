/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the mode; the rest is decoded from memory of exactly its size. */
#include "http.h"
#include "parse.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *in, *out;
	size_t n;

	if (size == 0)
		return 0;
	n = size - 1;
	in = malloc(n + 1);
	out = malloc(n + 1);
	if (in == NULL || out == NULL)
		abort();
	memcpy(in, data + 1, n);
	if (http_decode(in, n, (data[0] & 1) != 0, out) == 0) {
		REQUIRE(strlen(out) <= n);
		REQUIRE(parse_utf8_valid(out, strlen(out)));
	}
	free(in);
	free(out);
	return 0;
}
