/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMAND_INTERNAL_H
#define CLI_COMMAND_INTERNAL_H

/* From the command line to a row of the table; main.c is the only caller. */

#include "cli_call_internal.h"

/* --- the table, and help from it -------------------------------------------------------------- */

/* NULL when there is none. */
const struct cli_command *cli_command_find(const char *noun, const char *verb);
bool cli_noun_known(const char *noun);
/* ERR_USAGE with what was meant, perhaps. */
int cli_command_unknown(const char *noun, const char *verb, struct err *e);
void cli_print_usage(void);
/* The commands of a noun; NULL: all. */
void cli_print_commands(const char *noun);
void cli_print_help(const char *noun, const struct cli_command *c);

/* --- words and options ------------------------------------------------------------------------ */

/* Those behind noun and verb; the texts of argv are kept, and cut where an '=' stands. */
int cli_read_arguments(struct cli *cli, int argc, char **argv, struct err *e) MUST_CHECK;

#endif
