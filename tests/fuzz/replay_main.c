/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz harness over a corpus directory without libFuzzer, so that every build replays what
 * was once found.  Beside each file it feeds every truncation of it and a few thousand
 * deterministic mutations.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 16, MUTATIONS = 2000, TRUNCATIONS = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A fixed sequence: a failing mutation fails again on every machine. */
static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
run_exact(const uint8_t *data, size_t n)
{
	/* A copy of exactly n bytes lets AddressSanitizer see reads past the end. */
	uint8_t *copy = malloc(n == 0 ? 1 : n);

	if (copy == NULL)
		abort();
	memcpy(copy, data, n);
	(void)LLVMFuzzerTestOneInput(copy, n); /* the value is reserved by libFuzzer */
	free(copy);
}

static void
run_mutations(const uint8_t *data, size_t n)
{
	uint8_t copy[FILE_MAX];
	uint64_t state = 0x9e3779b97f4a7c15u;

	for (size_t cut = 0; cut < n && cut < TRUNCATIONS; cut++)
		run_exact(data, cut);
	for (int i = 0; i < MUTATIONS && n > 0; i++) {
		memcpy(copy, data, n);
		for (uint64_t flips = 1 + next_random(&state) % 4; flips > 0; flips--)
			copy[next_random(&state) % n] = (uint8_t)next_random(&state);
		run_exact(copy, n);
	}
}

int
main(int argc, char **argv)
{
	uint8_t data[FILE_MAX];
	struct dirent *entry;
	char path[1024];
	int files = 0;
	DIR *dir;

	if (argc != 2 || (dir = opendir(argv[1])) == NULL) {
		fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(dir)) != NULL) {
		ssize_t n;
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (n = read(fd, data, sizeof(data))) < 0) {
			perror(path);
			return 1;
		}
		close(fd);
		run_exact(data, (size_t)n);
		run_mutations(data, (size_t)n);
		files++;
	}
	closedir(dir);
	printf("%d corpus files replayed\n", files);
	return files > 0 ? 0 : 1;
}
