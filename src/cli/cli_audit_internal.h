/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_AUDIT_INTERNAL_H
#define CLI_AUDIT_INTERNAL_H

#include "cli_internal.h"

enum { CLI_AUDIT_NOT_WHOLE = 8 /* exit status */ };
/* `wardian audit verify --file`: without a server. */
int cli_audit_verify_file(struct cli *cli, const char *file, struct err *e) MUST_CHECK;
/* The answer of a verification: the API's, or one of the same form. */
int cli_audit_print_verdict(
    struct cli *cli, const struct json_value *verdict, struct err *e) MUST_CHECK;

#endif
