/* SPDX-License-Identifier: Apache-2.0 */
/* The rules over what ngspice 39, LAMMPS 29Sep2021, CalculiX 2.20 and a Python script print. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "result_internal.h"

#include "buf.h"
#include "json.h"
#include "parse.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct environment_rule measure = {
	.name = "measurements", .kind = ENVIRONMENT_RULE_MEASURE, .file = "log"
};
static const struct environment_rule measure_metric = { .name = "measurements",
	.kind = ENVIRONMENT_RULE_MEASURE,
	.target = ENVIRONMENT_TARGET_METRIC,
	.file = "log" };
static const struct environment_rule thermo = { .name = "thermo",
	.kind = ENVIRONMENT_RULE_TABLE,
	.target = ENVIRONMENT_TARGET_METRIC,
	.file = "log",
	.start = "Step",
	.step = "Step" };
static const struct environment_rule thermo_result = { .name = "thermo",
	.kind = ENVIRONMENT_RULE_TABLE,
	.file = "log",
	.start = "Step",
	.step = "Step" };
static const char *const xyz[] = { "x", "y", "z" };
static const struct environment_rule displacements = { .name = "displacements",
	.kind = ENVIRONMENT_RULE_BLOCK,
	.file = "{deck.stem}.dat",
	.start = "displacements",
	.columns = xyz,
	.n_columns = 3,
	.unit = "mm" };
static const struct environment_rule displacements_metric = { .name = "displacements",
	.kind = ENVIRONMENT_RULE_BLOCK,
	.target = ENVIRONMENT_TARGET_METRIC,
	.file = "{deck.stem}.dat",
	.start = "displacements",
	.columns = xyz,
	.n_columns = 3 };
static const char *const tensor[] = { "xx", "yy", "zz", "xy", "xz", "yz" };
static const struct environment_rule stresses = { .name = "stresses",
	.kind = ENVIRONMENT_RULE_BLOCK,
	.file = "{deck.stem}.dat",
	.start = "stresses",
	.columns = tensor,
	.n_columns = 6 };
static const char *const force[] = { "x", "y", "z" };
static const struct environment_rule total = { .name = "total",
	.kind = ENVIRONMENT_RULE_BLOCK,
	.file = "{deck.stem}.dat",
	.start = "total force",
	.columns = force,
	.n_columns = 3 };
static const struct environment_rule results = {
	.name = "results", .kind = ENVIRONMENT_RULE_JSON, .file = "results.json", .unit = "m"
};

struct found {
	struct arena *mem;
	struct result_set set;
};

static struct found
extract_n(const struct environment_rule *rule, const char *text, size_t n)
{
	struct found f = { .mem = arena_new(CAP_REQUEST_ARENA_BYTES) };
	struct err e = { 0 };

	assert_non_null(f.mem);
	if (result_extract_text(rule, text, n, f.mem, &f.set, &e) < 0)
		fail_msg("%s", e.msg);
	return f;
}

static struct found
extract(const struct environment_rule *rule, const char *text)
{
	return extract_n(rule, text, strlen(text));
}

static const struct result_value *
value(const struct found *f, const char *name)
{
	for (size_t i = 0; i < f->set.n_values; i++)
		if (strcmp(f->set.values[i].name, name) == 0)
			return &f->set.values[i];
	fail_msg("there is no value '%s' among %zu", name, f->set.n_values);
	return NULL;
}

static void
is_value(const struct found *f, const char *name, double expected)
{
	const struct result_value *v = value(f, name);

	if (v->missing || v->value != expected)
		fail_msg("%s is %g (%s), not %g", name, v->value, v->missing ? v->reason : "there",
		    expected);
	assert_null(v->reason);
}

static void
is_missing(const struct found *f, const char *name, const char *says)
{
	const struct result_value *v = value(f, name);

	assert_true(v->missing);
	if (strstr(v->reason, says) == NULL)
		fail_msg("%s is missing because '%s', not '%s'", name, v->reason, says);
}

static void
is_point(const struct found *f, size_t i, const char *name, double step, double expected)
{
	assert_true(i < f->set.n_points);
	assert_string_equal(f->set.points[i].name, name);
	if (f->set.points[i].step != step || f->set.points[i].value != expected)
		fail_msg("point %zu of %s is %g at %g", i, name, f->set.points[i].value,
		    f->set.points[i].step);
}

/* --- ngspice -------------------------------------------------------------------------------- */

static const char ngspice_log[] =
    "\nNote: No compatibility mode selected!\n\n\nCircuit: rc low pass step\n\n"
    "Doing analysis at TEMP = 27.000000 and TNOM = 27.000000\n\n\n"
    "Initial Transient Solution\n--------------------------\n\n"
    "Node                                   Voltage\n----                                   "
    "-------\n"
    "in                                           0\nv1#branch                                    "
    "0\n\n\n"
    "No. of Data Rows : 526\n\n  Measurements for Transient Analysis\n\n"
    "vmax                =  9.932623e-01 at=  5.000000e-03\n"
    "t50                 =   6.93154e-04\n"
    "trise               =  2.197212e-03 targ=  2.302579e-03 trig=  1.053663e-04\n"
    "vavg                =  9.101844e-01 from=  1.000000e-03 to=  5.000000e-03\n"
    "\nError: measure  tfail  when(WHEN) : out of interval\n"
    " .meas tran tfail when v(out)=7 failed!\n\n"
    "Total analysis time (seconds) = 0.003\n\nTotal elapsed time (seconds) = 0.034 \n\n"
    "Total DRAM available = 24105.562 MB.\nText (code) pages =    5.430 MB.\nStack = 0 bytes.\n"
    "Library pages =    2.121 MB.\n";

static void
measurements_of_ngspice_are_results_and_its_statistics_are_not(void **state)
{
	struct found f = extract(&measure, ngspice_log);

	(void)state;
	is_value(&f, "vmax", 9.932623e-01);
	is_value(&f, "t50", 6.93154e-04);
	is_value(&f, "trise", 2.197212e-03);
	is_value(&f, "vavg", 9.101844e-01);
	is_missing(&f, "tfail", "could not measure");
	assert_int_equal(f.set.n_values, 5);
	assert_int_equal(f.set.n_points, 0);
	assert_false(f.set.truncated);
	arena_free(f.mem);
}

static void
a_measurement_is_a_line_of_assignments_and_nothing_else(void **state)
{
	static const char *const good[] = { "x = 1", "x=1", "  x\t=\t1  ", "x = 1 at=2 from= 3",
		"v(out) = 1", "_x = 1", "@m1[gm] = 1", "x = 1.0D+00" };
	static const char *const bad[] = { "x 1", "x = ", "= 1", "x == 1", "x = one", "x = 1 V",
		"1 = 1", "two words = 1", "x = 1,2", "x = 1 =", "x = 1 at", "x = 1 at= here",
		"-x = 1", "# x = 1", "x = 1; rm", "x: 1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct found f = extract(&measure, good[i]);

		if (f.set.n_values != 1 || f.set.values[0].missing || f.set.values[0].value != 1)
			fail_msg("'%s' was not taken", good[i]);
		arena_free(f.mem);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct found f = extract(&measure, bad[i]);

		assert_int_equal(f.set.n_values, 1);
		is_missing(&f, "measurements", "no line like");
		arena_free(f.mem);
	}
}

static void
a_repeated_measurement_keeps_its_last_value_and_as_a_metric_all(void **state)
{
	const char *text = "loss = 3\nacc = 0.1\nloss = 2\nloss = nan\nloss = failed\n";
	struct found f = extract(&measure, text);

	(void)state;
	assert_int_equal(f.set.n_values, 2);
	assert_true(isnan(value(&f, "loss")->value) && !value(&f, "loss")->missing);
	arena_free(f.mem);
	f = extract(&measure_metric, text);
	assert_int_equal(f.set.n_values, 0);
	assert_int_equal(f.set.n_points, 4);
	is_point(&f, 0, "loss", 0, 3);
	is_point(&f, 1, "acc", 0, 0.1);
	is_point(&f, 2, "loss", 1, 2);
	assert_true(f.set.points[3].step == 2 && isnan(f.set.points[3].value));
	arena_free(f.mem);
}

static void
a_failed_measurement_is_missing_until_it_is_found(void **state)
{
	struct found f = extract(&measure, "a = failed\n.meas tran b when x failed!\nb = 2\n");

	(void)state;
	is_missing(&f, "a", "could not measure");
	is_value(&f, "b", 2);
	assert_int_equal(f.set.n_values, 2);
	arena_free(f.mem);
}

/* --- LAMMPS --------------------------------------------------------------------------------- */

static const char lammps_log[] =
    "LAMMPS (29 Sep 2021 - Update 2)\nSetting up Verlet run ...\n  Current step  : 0\n"
    "Per MPI rank memory allocation (min/avg/max) = 3.119 | 3.119 | 3.119 Mbytes\n"
    "Step Temp E_pair E_mol TotEng Press \n"
    "       0         1.44   -6.7733681            0   -4.6218056   -5.0244179 \n"
    "      20    0.6239063    -5.557644            0   -4.6254403   0.97451173 \n"
    "WARNING: a remark in the middle (src/thermo.cpp:1)\n"
    "      40   0.75047309   -5.7494875            0   -4.6281752   0.30085576 \n"
    "Loop time of 0.0100613 on 1 procs for 100 steps with 256 atoms\n\n"
    "Performance: 4293682.730 tau/day, 9939.080 timesteps/s\n"
    "Nlocal:        256.000 ave         256 max         256 min\nHistogram: 1 0 0 0 0 0 0 0 0 0\n"
    "Per MPI rank memory allocation (min/avg/max) = 3.119 | 3.119 | 3.119 Mbytes\n"
    "Step Temp PotEng Press \n"
    "     100   0.72628044   -5.7150774   0.29765862 \n"
    "     120   0.76618884   -5.7755377  0.043208017 \n"
    "Loop time of 0.00416009 on 1 procs for 40 steps with 256 atoms\n";

static void
thermo_tables_of_lammps_become_series_by_step(void **state)
{
	struct found f = extract(&thermo, lammps_log);

	(void)state;
	assert_int_equal(f.set.n_values, 0);
	assert_int_equal(f.set.n_points, 3 * 5 + 2 * 3);
	is_point(&f, 0, "Temp", 0, 1.44);
	is_point(&f, 1, "E_pair", 0, -6.7733681);
	is_point(&f, 4, "Press", 0, -5.0244179);
	is_point(&f, 10, "Temp", 40, 0.75047309);
	is_point(&f, 15, "Temp", 100, 0.72628044);
	is_point(&f, 19, "PotEng", 120, -5.7755377);
	is_point(&f, 20, "Press", 120, 0.043208017);
	assert_ptr_equal(f.set.points[0].name, f.set.points[15].name);
	arena_free(f.mem);
}

static void
a_result_of_a_table_is_its_last_row(void **state)
{
	struct found f = extract(&thermo_result, lammps_log);

	(void)state;
	is_value(&f, "Temp", 0.76618884);
	is_value(&f, "E_pair", -5.7494875);
	is_value(&f, "Press", 0.043208017);
	assert_int_equal(f.set.n_values, 6);
	arena_free(f.mem);
}

static void
rows_that_are_none_end_a_table(void **state)
{
	static const struct {
		const char *text;
		size_t points;
	} cases[] = {
		{ "Step A\n1 2\n2 3\n", 2 },
		{ "Step A\n1 2\na\nb\n2 3\n", 2 },
		{ "Step A\n1 2\na\nb\nc\n2 3\n", 1 },
		{ "Step A\n1 2 3\n", 0 },
		{ "Step A\n1\n", 0 },
		{ "Step A\n1 x\n", 0 },
		{ "Step A\n1 nan\n", 1 },
		{ " Step A \n\t1 2\t\n", 1 },
		{ "Steps A\n1 2\n", 0 },
		{ "The Step A\n1 2\n", 0 },
		{ "step A\n1 2\n", 0 },
		{ "1 2\nStep A\n", 0 },
		{ "Step\n1\n2\n", 0 },
		{ "Step A A\n1 2 3\n", 1 },
		{ "Step A Step\n1 2 3\n", 2 },
		{ "Step A\r\n1 2\r\n2 3", 2 },
		{ "Step A\n1 2\n\n\n\n\n2 3\n", 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct found f = extract(&thermo, cases[i].text);

		if (f.set.n_points != cases[i].points)
			fail_msg("case %zu has %zu points", i, f.set.n_points);
		arena_free(f.mem);
	}
}

static void
a_table_without_rows_is_missing_as_a_result(void **state)
{
	struct found f = extract(&thermo_result, "Step A\nnothing\n");

	(void)state;
	assert_int_equal(f.set.n_values, 1);
	is_missing(&f, "thermo", "no table that begins with \"Step\"");
	arena_free(f.mem);
}

/* --- CalculiX ------------------------------------------------------------------------------- */

static const char calculix_dat[] =
    "\n displacements (vx,vy,vz) for set NALL and time  0.5000000E+00\n\n"
    "         5 -3.163347E-03  3.373749E-03  2.465062E-03\n"
    "         6 -3.425961E-03  3.425961E-03  3.236082E-03\n"
    "\n stresses (elem, integ.pnt.,sxx,syy,szz,sxy,sxz,syz) for set EALL and time  "
    "0.5000000E+00\n\n"
    "         1   1  7.440679E+01  7.960079E+01  2.378794E+02 -9.333794E-01 -7.009678E+01  "
    "5.235813E+01\n"
    "         1   2  9.858285E+01  9.858285E+01  2.994842E+02  1.663620E+00 -7.447589E+01  "
    "7.447589E+01\n"
    "\n displacements (vx,vy,vz) for set NALL and time  0.1000000E+01\n\n"
    "         5 -6.326694E-03  6.747498E-03  4.930125E-03\n"
    "         6 -6.851923E-03  6.851923E-03  1.189781E-103\n"
    "         7 -1.747498E-03  6.326694E-03  4.930125-103\n"
    "\n total force (fx,fy,fz) for set NALL and time  0.1000000E+01\n\n"
    "       -4.551914E-15  3.030909E-14 -2.842171E-14\n";

static void
blocks_of_calculix_give_the_greatest_magnitude_of_each_column(void **state)
{
	struct found f = extract(&displacements, calculix_dat);

	(void)state;
	is_value(&f, "displacements.x.max", -6.851923e-03);
	is_value(&f, "displacements.y.max", 6.851923e-03);
	is_value(&f, "displacements.z.max", 4.930125e-03);
	assert_string_equal(value(&f, "displacements.x.max")->unit, "mm");
	assert_int_equal(f.set.n_values, 3);
	arena_free(f.mem);
	f = extract(&stresses, calculix_dat);
	is_value(&f, "stresses.zz.max", 2.994842e+02);
	is_value(&f, "stresses.xz.max", -7.447589e+01);
	arena_free(f.mem);
	f = extract(&total, calculix_dat);
	is_value(&f, "total.y.max", 3.030909e-14);
	arena_free(f.mem);
}

static void
blocks_become_series_by_the_time_in_their_title(void **state)
{
	struct found f = extract(&displacements_metric, calculix_dat);

	(void)state;
	assert_int_equal(f.set.n_points, 6);
	is_point(&f, 0, "displacements.x.max", 0.5, -3.425961e-03);
	is_point(&f, 2, "displacements.z.max", 0.5, 3.236082e-03);
	is_point(&f, 3, "displacements.x.max", 1, -6.851923e-03);
	arena_free(f.mem);
}

static void
a_block_with_headings_is_read_and_one_that_runs_on_is_not(void **state)
{
	struct found f =
	    extract(&displacements, "displacements\n MODE\n  REAL  IMAG\n 1 1 2 3\n 2 4 5 -6\n"
				    "end\n 3 100 100 100\n");

	(void)state;
	is_value(&f, "displacements.x.max", 4);
	is_value(&f, "displacements.z.max", -6);
	arena_free(f.mem);
	f = extract(&displacements, "displacements\na\nb\nc\nd\ne\nf\ng\nh\ni\n1 1 2 3\n");
	is_missing(&f, "displacements.x.max", "no block of numbers under \"displacements\"");
	assert_int_equal(f.set.n_values, 3);
	arena_free(f.mem);
}

static void
rows_of_another_shape_are_no_rows_of_the_block(void **state)
{
	static const char *const bad[] = { "1 2", "x 1 2 3", "1.5 1 2 3", "1 2 3 4 1 2 3",
		"1 1 2 x", "1 1 2 3 x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char text[128];
		struct found f;

		(void)snprintf(text, sizeof(text), "displacements\n%s\n", bad[i]);
		f = extract(&displacements, text);
		is_missing(&f, "displacements.x.max", "no block");
		arena_free(f.mem);
	}
}

static void
a_nan_is_the_greatest_of_all(void **state)
{
	struct found f =
	    extract(&displacements, "displacements\n1 1 2 3\n2 NaN 9 Inf\n3 5 -Inf 4\n");

	(void)state;
	assert_true(isnan(value(&f, "displacements.x.max")->value));
	assert_true(value(&f, "displacements.y.max")->value < -1e308);
	assert_true(value(&f, "displacements.z.max")->value > 1e308);
	arena_free(f.mem);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static void
a_results_file_gives_numbers_units_and_reasons(void **state)
{
	struct found f = extract(&results,
	    "{\"pi\": 3.25, \"n\": 7, \"mass\": {\"value\": -1e3, \"unit\": \"kg m\"}, "
	    "\"bad\": \"many\", \"none\": null, \"deep\": {\"value\": null}, \"list\": [1], "
	    "\"odd\": {\"unit\": 3, "
	    "\"value\": 4}, \"nan\": \"NaN\", \"down\": {\"value\": \"-Infinity\"}, \"text\": "
	    "\"1.5\", "
	    "\"no value\": {}}");

	(void)state;
	is_value(&f, "pi", 3.25);
	assert_string_equal(value(&f, "pi")->unit, "m");
	is_value(&f, "n", 7);
	is_value(&f, "mass", -1e3);
	assert_string_equal(value(&f, "mass")->unit, "kg m");
	is_missing(&f, "bad", "not a number");
	is_missing(&f, "none", "null");
	is_missing(&f, "deep", "null");
	is_missing(&f, "list", "not a number");
	is_value(&f, "odd", 4);
	assert_true(isnan(value(&f, "nan")->value) && !value(&f, "nan")->missing);
	assert_true(isinf(value(&f, "down")->value));
	is_missing(&f, "text", "not a number");
	is_missing(&f, "no_value", "not a number");
	assert_int_equal(f.set.n_values, 12);
	arena_free(f.mem);
}

static void
a_results_file_that_is_no_object_is_missing_with_the_reason(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "not usable" },
		{ "{", "not usable" },
		{ "{\"a\": NaN}", "not usable" },
		{ "{\"a\":1,\"a\":2}", "not usable" },
		{ "[1]", "no JSON object" },
		{ "{}", "no members" },
		{ "{\"a\":1} x", "not usable" },
		{ "\xff", "not usable" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct found f = extract(&results, bad[i].text);

		assert_int_equal(f.set.n_values, 1);
		is_missing(&f, "results", bad[i].says);
		arena_free(f.mem);
	}
}

/* --- hostile text --------------------------------------------------------------------------- */

static void
text_that_wants_to_exhaust_us_ends_at_the_caps(void **state)
{
	static const struct environment_rule *const rules[] = { &measure, &measure_metric, &thermo,
		&thermo_result, &displacements };
	AUTO_BUF text = { 0 };

	(void)state;
	buf_init(&text, 64 << 20);
	for (int i = 0; i < 200000; i++)
		buf_printf(&text, "n%d = %d\nStep c%d d%d\n%d %d %d\n", i, i, i, i % 7, i, i, i);
	for (int i = 0; i < 100000; i++)
		buf_char(&text, 'x');
	assert_false(text.failed);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct found f = extract_n(rules[i], text.p, text.n);

		assert_true(f.set.n_values <= CAP_RESULT_VALUES);
		assert_true(f.set.n_points <= CAP_METRIC_POINTS);
		assert_int_equal(f.set.truncated, rules[i] != &displacements);
		arena_free(f.mem);
	}
}

static void
a_table_wider_than_any_is_left_alone_and_marked(void **state)
{
	AUTO_BUF text = { 0 };
	struct found f;

	(void)state;
	buf_init(&text, 1 << 20);
	buf_str(&text, "Step");
	for (int i = 0; i < RESULT_WORDS; i++)
		buf_printf(&text, " c%d", i);
	buf_str(&text, "\nStep A\n1 2\n");
	f = extract_n(&thermo, text.p, text.n);
	assert_int_equal(f.set.n_points, 1);
	assert_true(f.set.truncated);
	arena_free(f.mem);
}

static void
bytes_that_are_no_text_never_reach_a_name(void **state)
{
	static const char text[] = "a\0b = 1\n\xff\xfe = 2\nx\x1b[2J = 3\nStep \xc3 A\x80\n1 2 3\n";
	struct found f = extract_n(&measure, text, sizeof(text) - 1);

	(void)state;
	for (size_t i = 0; i < f.set.n_values; i++)
		assert_true(parse_utf8_valid(f.set.values[i].name, strlen(f.set.values[i].name)));
	is_value(&f, "a_b", 1);
	is_value(&f, "x_[2J", 3);
	arena_free(f.mem);
	f = extract_n(&thermo, text, sizeof(text) - 1);
	is_point(&f, 0, "_", 1, 2);
	is_point(&f, 1, "A_", 1, 3);
	arena_free(f.mem);
}

static void
a_small_arena_is_an_error_and_no_crash(void **state)
{
	bool worked = false;

	(void)state;
	for (size_t cap = 1024; cap < (1 << 20) && !worked; cap += 4096) {
		AUTO(arena) mem = arena_new(cap);
		struct result_set set = { 0 };
		struct err e = { 0 };

		if (mem == NULL)
			continue;
		worked = result_extract_text(
			     &thermo, lammps_log, strlen(lammps_log), mem, &set, &e) == 0;
		if (!worked)
			assert_int_equal(e.code, ERR_TOO_LARGE);
	}
	assert_true(worked);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measurements_of_ngspice_are_results_and_its_statistics_are_not),
		cmocka_unit_test(a_measurement_is_a_line_of_assignments_and_nothing_else),
		cmocka_unit_test(a_repeated_measurement_keeps_its_last_value_and_as_a_metric_all),
		cmocka_unit_test(a_failed_measurement_is_missing_until_it_is_found),
		cmocka_unit_test(thermo_tables_of_lammps_become_series_by_step),
		cmocka_unit_test(a_result_of_a_table_is_its_last_row),
		cmocka_unit_test(rows_that_are_none_end_a_table),
		cmocka_unit_test(a_table_without_rows_is_missing_as_a_result),
		cmocka_unit_test(blocks_of_calculix_give_the_greatest_magnitude_of_each_column),
		cmocka_unit_test(blocks_become_series_by_the_time_in_their_title),
		cmocka_unit_test(a_block_with_headings_is_read_and_one_that_runs_on_is_not),
		cmocka_unit_test(rows_of_another_shape_are_no_rows_of_the_block),
		cmocka_unit_test(a_nan_is_the_greatest_of_all),
		cmocka_unit_test(a_results_file_gives_numbers_units_and_reasons),
		cmocka_unit_test(a_results_file_that_is_no_object_is_missing_with_the_reason),
		cmocka_unit_test(text_that_wants_to_exhaust_us_ends_at_the_caps),
		cmocka_unit_test(a_table_wider_than_any_is_left_alone_and_marked),
		cmocka_unit_test(bytes_that_are_no_text_never_reach_a_name),
		cmocka_unit_test(a_small_arena_is_an_error_and_no_crash),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
