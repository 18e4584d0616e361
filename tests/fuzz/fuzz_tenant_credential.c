/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the Authorization header: what is read lies inside them or is a whole key. */
#include "tenant_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *header = malloc(size + 1);
	struct tenant_text text;

	if (header == NULL)
		return 0;
	memcpy(header, data, size);
	header[size] = '\0';
	memset(&text, 'x', sizeof(text));
	if (tenant_credential_read(header, &text)) {
		if (text.token && (text.n > JWT_TEXT_MAX || text.p < header ||
				      text.p + text.n != header + strlen(header)))
			abort();
		if (!text.token && strlen(text.key.id) != AUTH_KEY_ID_LEN)
			abort();
	}
	free(header);
	return 0;
}
