/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_tree.h"

static void
the_daemons_account_must_be_there(void **state)
{
	struct machine *m = *state;

	m->o.user = "ward"; /* the beginning of a name is another one */
	machine_expect(m, HOST_AT_account, HOST_MISSING, "no user ward");
	m->f.uid = 65534;
	machine_expect_advice(m, HOST_AT_account, "no user ward");
}

static void
programs_must_be_executable(void **state)
{
	struct machine *m = *state;

	machine_mode(m, "/opt/keeper", 0644);
	machine_expect(m, HOST_AT_programs, HOST_MISSING, "/opt/keeper may not be executed");
	machine_drop(m, "/opt/keeper");
	machine_expect(m, HOST_AT_programs, HOST_MISSING, "/opt/keeper is not there");
}

static void
a_host_whose_usr_is_apart_cannot_lend_it(void **state)
{
	machine_link(*state, "/lib64", "usr/lib64");
	machine_expect(*state, HOST_AT_usr, HOST_OK, "links");
	machine_link(*state, "/lib64", "lib");
	machine_expect(*state, HOST_AT_usr, HOST_MISSING, "/lib64");
	machine_drop(*state, "/bin");
	machine_put(*state, "/bin/sh", "");
	machine_expect(*state, HOST_AT_usr, HOST_MISSING, "/bin is no link");
}

static void
postgres_is_found_where_debian_puts_it(void **state)
{
	struct machine *m = *state;

	machine_expect(m, HOST_AT_postgres, HOST_OK, "version 15");
	machine_put(m, "/usr/lib/postgresql/17/bin/postgres", "");
	machine_mode(m, "/usr/lib/postgresql/17/bin/postgres", 0755);
	machine_expect(m, HOST_AT_postgres, HOST_OK, "version 15"); /* 17 has no initdb */
	machine_mode(m, "/usr/lib/postgresql/15/bin/initdb", 0644);
	machine_expect(m, HOST_AT_postgres, HOST_MISSING, "not installed");
	m->o.outside_database = true;
	machine_expect(m, HOST_AT_postgres, HOST_OK, "database.url");
}

static void
an_old_postgres_does_not_count(void **state)
{
	struct machine *m = *state;

	machine_put(m, "/usr/lib/postgresql/13/bin/initdb", "");
	machine_put(m, "/usr/lib/postgresql/13/bin/postgres", "");
	machine_mode(m, "/usr/lib/postgresql/13/bin/initdb", 0755);
	machine_mode(m, "/usr/lib/postgresql/13/bin/postgres", 0755);
	machine_drop(m, "/usr/lib/postgresql/15/bin/postgres");
	machine_expect(m, HOST_AT_postgres, HOST_MISSING, "not installed");
	m->o.postgres_dir = "/usr/lib/postgresql/13/bin";
	machine_expect(m, HOST_AT_postgres, HOST_OK, "database.bin_dir");
	m->o.postgres_dir = "/usr/lib/postgresql/15/bin";
	machine_expect(m, HOST_AT_postgres, HOST_MISSING, "lacks");
}

static void
simulators_that_are_missing_are_named_with_their_package(void **state)
{
	static const struct host_simulator some[] = { { "calculix", "calculix-ccx", false },
		{ "ngspice", "ngspice", true }, { "lammps", "lammps", false } };
	struct machine *m = *state;

	machine_expect(m, HOST_AT_simulators, HOST_OK, "all 2");
	m->o.simulators = some;
	m->o.n_simulators = ARRAY_LEN(some);
	machine_expect(m, HOST_AT_simulators, HOST_WEAK,
	    "1 of 3 are there; missing: calculix (calculix-ccx), lammps (lammps)");
	m->o.n_simulators = 0;
	m->o.simulators_why = "the directory is not there";
	machine_expect(m, HOST_AT_simulators, HOST_WEAK, "the directory is not there");
}

static void
a_long_list_of_simulators_ends_early(void **state)
{
	struct machine *m = *state;
	struct host_simulator many[100];

	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct host_simulator){ .name = "a-name-that-takes-some-room",
			.package = "a-package" };
	m->o.simulators = many;
	m->o.n_simulators = ARRAY_LEN(many);
	machine_expect(m, HOST_AT_simulators, HOST_WEAK, "0 of 100");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(the_daemons_account_must_be_there),
		MACHINE_TEST(programs_must_be_executable),
		MACHINE_TEST(a_host_whose_usr_is_apart_cannot_lend_it),
		MACHINE_TEST(postgres_is_found_where_debian_puts_it),
		MACHINE_TEST(an_old_postgres_does_not_count),
		MACHINE_TEST(simulators_that_are_missing_are_named_with_their_package),
		MACHINE_TEST(a_long_list_of_simulators_ends_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
