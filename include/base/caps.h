/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPS_H
#define CAPS_H

/* Caps that more than one module must agree on, each with its reason. */

enum {
	/* Request arena: a 1 MiB body, its decoded form, and a page of 200 jobs fit with room. */
	CAP_REQUEST_ARENA_BYTES = 16 << 20,
	/* A manifest with inline decks; larger inputs belong in files. */
	CAP_BODY_BYTES = 1 << 20,
	/* Items in one page of a list; more costs one more round trip, not one more second. */
	CAP_PAGE_ITEMS = 200,
	/* Environment names, labels, parameter names: a DNS label. */
	CAP_NAME_BYTES = 63,
	/* Relative path of an input or output: deep enough for an OpenFOAM case. */
	CAP_PATH_BYTES = 512,
	/* Directories that an input may lie in, each in the other: a sandbox walks one level more.
	 */
	CAP_INPUT_DEPTH = 63,
	/* Inputs of one job given inline. */
	CAP_INPUTS = 64,
	/* Files collected from one job; beyond it the rest is counted, not kept. */
	CAP_OUTPUT_FILES = 10000,
	/* Labels on one job. */
	CAP_LABELS = 32,
	/* Arguments of one command. */
	CAP_ARGS = 128,
	/* Scalars in one result. */
	CAP_RESULT_VALUES = 1000,
	/* Metric points kept from one job at collection. */
	CAP_METRIC_POINTS = 100000,
};

#endif
