/*
 * The main() of a fuzz target that is not linked with libFuzzer: gives every file named on the
 * command line, and every file of every directory named there, to the target once. A directory's
 * files come in byte order, and each is named before it runs, so that the last name printed is the
 * case that a crash belongs to. TAP on stdout.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int cases;

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rbe");
	uint8_t *data = NULL;
	size_t size = 0, room = 0;
	int ret = -1;

	if (!file)
		goto out;
	for (;;) {
		size_t got;

		if (size == room) {
			uint8_t *grown;

			room = room ? room * 2 : 4096;
			grown = realloc(data, room);
			if (!grown)
				goto out;
			data = grown;
		}
		got = fread(data + size, 1, room - size, file);
		if (got == 0)
			break;
		size += got;
	}
	if (ferror(file))
		goto out;

	printf("# %s\n", path);
	fflush(stdout);
	{
		/* A block of exactly this size, so that a sanitizer sees a read past its end. */
		uint8_t *exact = malloc(size ? size : 1);

		if (!exact)
			goto out;
		if (size > 0)
			memcpy(exact, data, size);
		LLVMFuzzerTestOneInput(exact, size);
		free(exact);
	}
	cases++;
	ret = 0;
out:
	if (ret < 0)
		printf("# %s: %s\n", path, strerror(errno));
	if (file)
		fclose(file);
	free(data);
	return ret;
}

static int replay_directory(const char *path)
{
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, NULL, alphasort);
	int ret = 0;

	if (count < 0) {
		printf("# %s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < count; i++) {
		char *name = NULL;

		if (entries[i]->d_name[0] != '.') {
			if (asprintf(&name, "%s/%s", path, entries[i]->d_name) < 0)
				abort();
			if (replay_file(name) < 0)
				ret = -1;
			free(name);
		}
		free(entries[i]);
	}
	free(entries);
	return ret;
}

int main(int argc, char **argv)
{
	int ret = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
			if (replay_directory(argv[i]) < 0)
				ret = -1;
		} else if (replay_file(argv[i]) < 0) {
			ret = -1;
		}
	}
	if (cases == 0)
		ret = -1;
	printf("%sok 1 - %u cases\n1..1\n", ret < 0 ? "not " : "", cases);
	return ret < 0 ? 1 : 0;
}
