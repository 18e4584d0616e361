/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the Authorization header: a key that is read is one that fits. */
#include "tenant_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), out[AUTH_KEY_SIZE];

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	memset(out, 'x', sizeof(out));
	if (tenant_credential_read(text, out) && strnlen(out, sizeof(out)) == sizeof(out))
		abort();
	free(text);
	return 0;
}
