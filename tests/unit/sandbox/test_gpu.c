/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding GPUs in directories that look like /dev and /proc.  The devices are those of memory
 * (major 1), which /proc/devices here gives to the driver: minor 3 is null, 5 zero, 7 full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fd.h"
#include "gpu.h"

struct place {
	char root[64], dev[80], proc[80];
	struct gpu_places places;
};

static const char usual_devices[] = "Character devices:\n  1 nvidia\n  1 nvidiactl\n 10 misc\n"
				    "510 nvidia-uvm\n\nBlock devices:\n  9 nvidia\n";

static void
write_file(const struct place *p, const char *path, const char *text, size_t n)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", p->root, path);
	for (char *at = full + strlen(p->root) + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		(void)mkdir(full, 0755);
		*at = '/';
	}
	f = fopen(full, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
}

static void
write_text(const struct place *p, const char *path, const char *text)
{
	write_file(p, path, text, strlen(text));
}

static int
make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	snprintf(p->root, sizeof(p->root), "/tmp/wardian-gpu-XXXXXX");
	assert_non_null(mkdtemp(p->root));
	snprintf(p->dev, sizeof(p->dev), "%s/dev", p->root);
	snprintf(p->proc, sizeof(p->proc), "%s/proc", p->root);
	assert_int_equal(mkdir(p->dev, 0755), 0);
	write_text(p, "proc/devices", usual_devices);
	p->places = (struct gpu_places){ .dev = p->dev, .proc = p->proc };
	*state = p;
	return 0;
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
remove_place(void **state)
{
	struct place *p = *state;
	int rc = nftw(p->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);

	free(p);
	return rc;
}

/* Only root makes devices. */
static void
node(const struct place *p, const char *name, unsigned major, unsigned minor, mode_t mode)
{
	char full[128];

	snprintf(full, sizeof(full), "%s/%s", p->dev, name);
	if (mknod(full, S_IFCHR | mode, makedev(major, minor)) < 0) {
		assert_int_equal(errno, EPERM);
		skip();
	}
	assert_int_equal(chmod(full, mode), 0);
}

static struct gpus *
list(const struct place *p)
{
	static struct gpus g;
	struct err e = { 0 };

	memset(&g, 0xa5, sizeof(g));
	assert_int_equal(gpu_list(&p->places, &g, &e), 0);
	return &g;
}

static void
a_machine_without_gpus_has_an_empty_list(void **state)
{
	const struct gpus *g = list(*state);

	assert_int_equal(g->n, 0);
	assert_int_equal(g->n_closed, 0);
	assert_int_equal(g->controls, 0);
	assert_true(gpu_mask(g) == 0);
}

static void
this_machine_can_be_looked_at(void **state)
{
	static struct gpus g;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(gpu_list(NULL, &g, &e), 0);
	assert_true(g.n <= GPUS_MAX);
}

static void
a_place_that_is_not_there_is_an_error(void **state)
{
	const struct gpu_places nowhere = { .dev = "/nonexistent", .proc = "/proc" };
	static struct gpus g;
	struct err e = { 0 };

	(void)state;
	g.n = 77;
	assert_int_equal(gpu_list(&nowhere, &g, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(g.n, 77);
}

static void
devices_are_found_with_what_the_driver_tells(void **state)
{
	const struct place *p = *state;
	const struct gpus *g;

	node(p, "nvidia3", 1, 3, 0666);
	node(p, "nvidia5", 1, 5, 0666);
	write_text(p, "proc/driver/nvidia/gpus/0000:19:00.0/information",
	    "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 80\n"
	    "GPU UUID: \t GPU-1f0e9c3a-2b4d-11ee-be56-0242ac120002\n"
	    "Bus Location: \t 0000:19:00.0\nDevice Minor: \t 5\n");
	g = list(p);
	assert_int_equal(g->n, 2);
	assert_true(gpu_mask(g) == (1u << 3 | 1u << 5));
	assert_int_equal(g->at[0].minor, 3);
	assert_string_equal(g->at[0].model, "");
	assert_string_equal(g->at[0].uuid, "");
	assert_int_equal(g->at[1].minor, 5);
	assert_string_equal(g->at[1].model, "NVIDIA H100 80GB HBM3");
	assert_string_equal(g->at[1].uuid, "GPU-1f0e9c3a-2b4d-11ee-be56-0242ac120002");
	assert_string_equal(g->at[1].bus, "0000:19:00.0");
	assert_int_equal(g->at[1].memory_bytes, 0);
}

static void
only_character_devices_of_the_driver_count(void **state)
{
	const struct place *p = *state;
	char target[128], path[128];

	node(p, "nvidia3", 1, 3, 0666);
	/* another driver's, and one that a driver gone long ago has left */
	node(p, "nvidia6", 10, 6, 0666);
	node(p, "nvidia8", 195, 8, 0666);
	/* a name for another device */
	node(p, "nvidia0", 1, 5, 0666);
	/* names that are none */
	node(p, "nvidia", 1, 3, 0666);
	node(p, "nvidia03", 1, 3, 0666);
	node(p, "nvidia64", 1, 64, 0666);
	node(p, "nvidia7x", 1, 7, 0666);
	/* a file, a directory, a link to a device, and a block device with its number */
	write_text(p, "dev/nvidia9", "");
	snprintf(path, sizeof(path), "%s/nvidia10", p->dev);
	assert_int_equal(mkdir(path, 0777), 0);
	snprintf(target, sizeof(target), "%s/nvidia3", p->dev);
	snprintf(path, sizeof(path), "%s/nvidia4", p->dev);
	assert_int_equal(symlink(target, path), 0);
	snprintf(path, sizeof(path), "%s/nvidia11", p->dev);
	assert_int_equal(mknod(path, S_IFBLK | 0666, makedev(9, 11)), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_true(gpu_mask(list(p)) == 1u << 3);
}

static void
without_the_driver_among_the_kernel_s_nothing_is_believed(void **state)
{
	static const char *const texts[] = { "", "Block devices:\n  1 nvidia\n", "  1 nvidia\n",
		"Character devices:\n  1 nvidia-x\n", "Character devices:\n  1 xnvidia\n",
		"Character devices:\n  1nvidia\n", "Character devices:\nnvidia\n",
		"Character devices:\n\n  1 nvidia\n", "Character devices:\n  99999999999 nvidia\n",
		"Character devices:\n -1 nvidia\n", "Character devices:\n  01 nvidia\n" };
	const struct place *p = *state;

	node(p, "nvidia3", 1, 3, 0666);
	assert_int_equal(list(p)->n, 1);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		write_text(p, "proc/devices", texts[i]);
		assert_int_equal(list(p)->n, 0);
	}
	write_text(p, "proc/devices", "Character devices:\n  1 nvidia-frontend");
	assert_int_equal(list(p)->n, 1);
}

static void
a_device_that_jobs_may_not_open_is_counted_apart(void **state)
{
	const struct place *p = *state;
	const struct gpus *g;

	node(p, "nvidia3", 1, 3, 0660);
	node(p, "nvidia5", 1, 5, 0664);
	node(p, "nvidia7", 1, 7, 0666);
	g = list(p);
	assert_int_equal(g->n, 1);
	assert_int_equal(g->at[0].minor, 7);
	assert_int_equal(g->n_closed, 2);
}

static void
control_nodes_are_found_by_their_own_numbers(void **state)
{
	const struct place *p = *state;

	node(p, "nvidiactl", 1, 255, 0666);
	node(p, "nvidia-uvm", 510, 0, 0666);
	node(p, "nvidia-uvm-tools", 1, 1, 0666); /* of another driver */
	node(p, "nvidia-modeset", 1, 3, 0666);   /* a device under the name of a control node */
	assert_int_equal(list(p)->controls, 1u << GPU_CONTROL_CTL | 1u << GPU_CONTROL_UVM);
}

static void
hostile_words_about_a_device_are_dropped(void **state)
{
	static const char *const texts[] = { "", "Device Minor: \t -3\n", "Device Minor: \t 64\n",
		"Device Minor: \t 3x\n", "Device Minor:\n", "Device Minor: 99999999999999999999\n",
		"Device Minor: \t 3\nModel: \t \x1b[2J\n",
		"Device Minor: \t 3\nModel: \t \xff\xfe\n",
		"Device Minor: \t 3\nGPU UUID: \t ../../etc\n",
		"Device Minor: \t 3\nGPU UUID: \t GPU-XYZ\n",
		"Device Minor: \t 3\nBus Location: \t 0000:19:00.0; rm\n",
		("Device Minor: \t 3\nModel: "
		 "0123456789012345678901234567890123456789012345678901234567890123\n") };
	const struct place *p = *state;
	char big[16384];

	node(p, "nvidia3", 1, 3, 0666);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const struct gpus *g;

		write_text(p, "proc/driver/nvidia/gpus/a/information", texts[i]);
		g = list(p);
		assert_int_equal(g->n, 1);
		assert_string_equal(g->at[0].model, "");
		assert_string_equal(g->at[0].uuid, "");
		assert_string_equal(g->at[0].bus, "");
	}
	memset(big, 'M', sizeof(big));
	memcpy(big, "Device Minor: 3\nModel: ", 23);
	write_file(p, "proc/driver/nvidia/gpus/a/information", big, sizeof(big));
	assert_string_equal(list(p)->at[0].model, "");
	write_file(p, "proc/driver/nvidia/gpus/a/information", "Model: x\0\nDevice Minor: 3\n", 26);
	assert_string_equal(list(p)->at[0].model, "");
}

static void
memory_is_taken_from_lines_that_make_sense(void **state)
{
	struct gpus g = { .n = 2,
		.at = { { .minor = 0, .uuid = "GPU-aa" }, { .minor = 1, .uuid = "GPU-bb" } } };

	(void)state;
	gpu_memory_read("GPU-bb, 81559\nGPU-aa, [N/A]\nGPU-cc, 5\n", &g);
	assert_int_equal(g.at[0].memory_bytes, 0);
	assert_int_equal(g.at[1].memory_bytes, INT64_C(81559) * 1024 * 1024);
	gpu_memory_read("GPU-aa,16", &g);
	assert_int_equal(g.at[0].memory_bytes, 16 * 1024 * 1024);
}

static void
senseless_words_about_memory_change_nothing(void **state)
{
	static const char *const texts[] = { "", "\n\n\n", ",", "GPU-aa", "GPU-aa,", "GPU-aa, ",
		"GPU-aa, -1", "GPU-aa, 0", "GPU-aa, 9999999999999999", "GPU-a, 5", "GPU-aaa, 5",
		", 5", "GPU-aa, 5 MiB", "GPU-aa, 5\r\n" };
	struct gpus g = { .n = 2, .at = { { .uuid = "GPU-aa" }, { .uuid = "" } } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		gpu_memory_read(texts[i], &g);
		assert_int_equal(g.at[0].memory_bytes, 0);
		assert_int_equal(g.at[1].memory_bytes, 0);
	}
}

static void
a_device_is_opened_by_its_name_only(void **state)
{
	static const char *const strange[] = { "nvidia03", "../dev/nvidia3", "nvidia64", "", "null",
		"nvidia3/", "nvidia-1" };
	const struct place *p = *state;
	AUTO_FD int fd = -1;
	struct err e = { 0 };
	struct stat st;

	node(p, "nvidia3", 1, 3, 0666);
	node(p, "nvidia5", 1, 5, 0600);
	assert_int_equal(gpu_open(&p->places, "nvidia3", &fd, &e), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_rdev == makedev(1, 3));
	fd_close(&fd);
	assert_int_equal(gpu_open(&p->places, "nvidia5", &fd, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_int_equal(gpu_open(&p->places, "nvidiactl", &fd, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
		assert_int_equal(gpu_open(&p->places, strange[i], &fd, &e), -1);
		assert_int_equal(e.code, ERR_NOT_FOUND);
	}
	assert_int_equal(fd, -1);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PLACED(a_machine_without_gpus_has_an_empty_list),
		cmocka_unit_test(this_machine_can_be_looked_at),
		cmocka_unit_test(a_place_that_is_not_there_is_an_error),
		PLACED(devices_are_found_with_what_the_driver_tells),
		PLACED(only_character_devices_of_the_driver_count),
		PLACED(without_the_driver_among_the_kernel_s_nothing_is_believed),
		PLACED(a_device_that_jobs_may_not_open_is_counted_apart),
		PLACED(control_nodes_are_found_by_their_own_numbers),
		PLACED(hostile_words_about_a_device_are_dropped),
		cmocka_unit_test(memory_is_taken_from_lines_that_make_sense),
		cmocka_unit_test(senseless_words_about_memory_change_nothing),
		PLACED(a_device_is_opened_by_its_name_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
