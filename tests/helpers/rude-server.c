/*
 *     rude-server DIRECTORY [ftp]
 *
 * An HTTP server on loopback for what no proper server does. Writes its port to DIRECTORY/port (by
 * rename) once it listens, and each request as one line to DIRECTORY/requests: "GET /path
 * bytes=100-". Bodies are the letter x unless said otherwise. It ends with its parent or by a
 * signal, and its children with it.
 *
 *     /short               says 1000 bytes, sends 500, closes
 *     /long                says 10 bytes, sends 1000
 *     /two-lengths         two Content-Length that differ
 *     /huge-length         more than 64 bits hold; /odd-length "10, 10"
 *     /no-length/N         N bytes, ended by closing
 *     /chunked/N           N bytes in chunks
 *     /chunked-cut         chunks without the last one
 *     /endless             bytes without end; /endless-chunked the same in chunks
 *     /endless-file/NAME   a file of DIRECTORY, then zeros without end
 *     /header-bomb         headers without end
 *     /garbage             no HTTP at all
 *     /empty-reply         closes without a word
 *     /reset               half of what it says, then a reset
 *     /stall               1000 bytes of 2000, then nothing
 *     /stall-silent        not even a status line
 *     /trickle             a byte every 100 ms
 *     /flaky/STATUS/N/...  STATUS for the first N requests of this path, then the file, or "fine"
 *     /later/SECONDS/...   once 503 with Retry-After, then "fine"
 *     /cut/NAME            a file with ETag and ranges; the first answer ends in the middle
 *     /cut-other/NAME      as /cut, but from the second answer on another ETag, and capitals
 *     /cut-norange/NAME    as /cut, but ranges are not honoured: always the whole, always 200
 *     /cut-shifted/NAME    as /cut, but the range that is sent is not the one that was asked for
 *
 * With "ftp" it is a proper FTP server instead, for user anonymous, or user with the password
 * secret, and notes the commands that it gets.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATHS_MAX   64
#define REQUEST_MAX 16384

/* How often each path was asked for, shared by all children. */
struct seen {
	char path[512];
	int times;
};

static struct seen *seen;
static int requests_fd = -1;

static void die(const char *what)
{
	fprintf(stderr, "rude-server: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Requests of one path come one after the other, so a plain count is enough. */
static int count_request(const char *path)
{
	for (int i = 0; i < PATHS_MAX; i++) {
		if (!seen[i].path[0])
			snprintf(seen[i].path, sizeof(seen[i].path), "%s", path);
		if (strcmp(seen[i].path, path) == 0)
			return seen[i].times++;
	}
	return 0;
}

static void send_bytes(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(0);
		p += n;
		size -= (size_t)n;
	}
}

__attribute__((format(printf, 2, 3))) static void say(int fd, const char *format, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	send_bytes(fd, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void pause_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static void send_letters(int fd, size_t size, bool chunked)
{
	static char block[16384];

	memset(block, 'x', sizeof(block));
	while (size > 0) {
		size_t n = size < sizeof(block) ? size : sizeof(block);

		if (chunked)
			say(fd, "%zx\r\n", n);
		send_bytes(fd, block, n);
		if (chunked)
			say(fd, "\r\n");
		if (size != SIZE_MAX)
			size -= n;
	}
}

static char *read_file(const char *name, size_t *ret_size)
{
	struct stat st;
	char *data;
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	data = malloc((size_t)st.st_size + 1);
	if (!data || read(fd, data, (size_t)st.st_size) != st.st_size)
		die(name);
	close(fd);
	*ret_size = (size_t)st.st_size;
	return data;
}

/* Closes in a way that the other end sees as an error. */
static void reset_connection(int fd)
{
	struct linger l = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
	_exit(0);
}

static void serve_cut(int fd, const char *path, const char *kind, const char *range)
{
	const char *name = strchr(path + 1, '/');
	int times = count_request(path);
	size_t size = 0, from = 0, n;
	bool other = strcmp(kind, "cut-other") == 0;
	char *data = name ? read_file(name + 1, &size) : NULL;

	if (!data) {
		say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
		return;
	}
	if (range && strcmp(kind, "cut-norange") != 0 && !other)
		from = (size_t)strtoul(range, NULL, 10);
	if (other && times > 0)
		for (size_t i = 0; i < size; i++)
			if (data[i] >= 'a' && data[i] <= 'z')
				data[i] = (char)(data[i] - 'a' + 'A');
	if (from >= size && size > 0) {
		say(fd,
			"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes "
			"*/%zu\r\nContent-Length: 0\r\n\r\n",
			size);
		return;
	}
	if (from > 0 && strcmp(kind, "cut-shifted") == 0)
		from -= 1;
	say(fd, "HTTP/1.1 %s\r\nAccept-Ranges: bytes\r\nETag: \"%s%d\"\r\nContent-Length: %zu\r\n",
		from > 0 ? "206 Partial Content" : "200 OK", kind, other ? times : 0, size - from);
	if (from > 0)
		say(fd, "Content-Range: bytes %zu-%zu/%zu\r\n", from, size - 1, size);
	say(fd, "\r\n");
	n = size - from;
	if (times == 0)
		n /= 2;
	send_bytes(fd, data + from, n);
	free(data);
}

static void serve_flaky(int fd, const char *path)
{
	char *rest;
	int status = (int)strtol(path + strlen("/flaky/"), &rest, 10);
	int failures = *rest == '/' ? (int)strtol(rest + 1, &rest, 10) : 1;
	size_t size = 5;
	char *data = NULL;

	if (count_request(path) < failures) {
		say(fd, "HTTP/1.1 %d No\r\nContent-Length: 3\r\n\r\nno\n", status);
		return;
	}
	data = rest[0] == '/' ? read_file(rest + 1, &size) : NULL;
	say(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
	send_bytes(fd, data ? data : "fine\n", size);
	free(data);
}

static void serve_later(int fd, const char *path)
{
	if (count_request(path) > 0)
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine\n");
	else
		say(fd, "HTTP/1.1 503 Later\r\nRetry-After: %d\r\nContent-Length: 0\r\n\r\n",
			(int)strtol(path + strlen("/later/"), NULL, 10));
}

static void stall(void)
{
	for (;;)
		pause();
}

static bool is(const char *path, const char *wanted)
{
	size_t n = strlen(wanted);

	return strncmp(path, wanted, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/' || path[n] == '?');
}

static void answer(int fd, const char *path, const char *range)
{
	static const char *const cuts[] = {
		"cut", "cut-other", "cut-norange", "cut-shifted", "cut-always"};
	static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	static const char closing[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
	static const char zeros[16384];
	const char *rest = strchr(path + 1, '/');
	size_t size;

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		if (is(path + 1, cuts[i])) {
			serve_cut(fd, path, cuts[i], range);
			return;
		}
	if (is(path, "/short")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
		send_letters(fd, 500, false);
	} else if (is(path, "/long")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
		send_letters(fd, 1000, false);
	} else if (is(path, "/two-lengths")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 20\r\n\r\n");
		send_letters(fd, 20, false);
	} else if (is(path, "/huge-length")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n");
		send_letters(fd, 500, false);
	} else if (is(path, "/odd-length")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10, 10\r\n\r\n");
		send_letters(fd, 10, false);
	} else if (is(path, "/no-length")) {
		say(fd, "%s", closing);
		send_letters(fd, strtoul(rest ? rest + 1 : "0", NULL, 10), false);
	} else if (is(path, "/chunked")) {
		say(fd, "%s", chunked);
		send_letters(fd, strtoul(rest ? rest + 1 : "0", NULL, 10), true);
		say(fd, "0\r\n\r\n");
	} else if (is(path, "/chunked-cut")) {
		say(fd, "%s", chunked);
		send_letters(fd, 1000, true);
	} else if (is(path, "/endless") || is(path, "/endless-chunked")) {
		bool in_chunks = is(path, "/endless-chunked");

		say(fd, "%s", in_chunks ? chunked : closing);
		send_letters(fd, SIZE_MAX, in_chunks);
	} else if (is(path, "/endless-file")) {
		char *data = rest ? read_file(rest + 1, &size) : NULL;

		say(fd, "%s", closing);
		if (data)
			send_bytes(fd, data, size);
		free(data);
		for (;;)
			send_bytes(fd, zeros, sizeof(zeros));
	} else if (is(path, "/header-bomb")) {
		say(fd, "HTTP/1.1 200 OK\r\n");
		for (unsigned i = 0;; i++)
			say(fd, "X-Header-%u: %0200u\r\n", i, i);
	} else if (is(path, "/garbage")) {
		say(fd, "SSH-2.0-rude\r\nThis is no HTTP.\r\n");
	} else if (is(path, "/reset")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
		send_letters(fd, 500, false);
		/* the reset would overtake what was sent */
		pause_ms(100);
		reset_connection(fd);
	} else if (is(path, "/stall")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n");
		send_letters(fd, 1000, false);
		stall();
	} else if (is(path, "/stall-silent")) {
		stall();
	} else if (is(path, "/trickle")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
		for (;;) {
			send_letters(fd, 1, false);
			pause_ms(100);
		}
	} else if (is(path, "/flaky")) {
		serve_flaky(fd, path);
	} else if (is(path, "/later")) {
		serve_later(fd, path);
	} else if (!is(path, "/empty-reply")) {
		say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	}
}

static void serve(int fd)
{
	char request[REQUEST_MAX + 1], line[4096], *range, *end;
	size_t used = 0;

	for (;;) {
		ssize_t got = recv(fd, request + used, REQUEST_MAX - used, 0);

		if (got <= 0)
			return;
		used += (size_t)got;
		request[used] = '\0';
		if (strstr(request, "\r\n\r\n"))
			break;
	}
	range = strcasestr(request, "\nRange: bytes=");
	if (range)
		range += strlen("\nRange: bytes=");
	end = strstr(request, " HTTP/");
	if (!end)
		return;
	*end = '\0';
	if (range)
		range[strcspn(range, "\r\n")] = '\0';
	if (dprintf(requests_fd, "%s %s\n", request, range ? range : "-") < 0)
		die("requests");
	end = strchr(request, ' ');
	if (end && end[1] == '/')
		answer(fd, end + 1, range);
	shutdown(fd, SHUT_WR);
	/* A close while the other end has sent more would be a reset. */
	while (recv(fd, line, sizeof(line), 0) > 0)
		;
}

/* The other end connects to it for one file. */
static int listen_for_data(unsigned *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, 1) < 0 || getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		die("listen");
	*ret_port = ntohs(address.sin_port);
	return fd;
}

/* No directories, no uploads: RFC 959 and 2428 as far as libcurl goes. */
static void serve_ftp(int fd)
{
	char line[1024];
	FILE *in = fdopen(fcntl(fd, F_DUPFD_CLOEXEC, 0), "r");
	size_t from = 0, size = 0;
	bool is_user = false;
	int data_fd = -1;

	if (!in)
		die("fdopen");
	say(fd, "220 rude\r\n");
	while (fgets(line, sizeof(line), in)) {
		char *word = line, *argument;
		unsigned port;

		line[strcspn(line, "\r\n")] = '\0';
		if (dprintf(requests_fd, "%s\n", line) < 0)
			die("requests");
		argument = strchr(line, ' ');
		if (argument)
			*argument++ = '\0';
		else
			argument = line + strlen(line);
		if (strcmp(word, "USER") == 0) {
			is_user = strcmp(argument, "user") == 0;
			say(fd, "331 password\r\n");
		} else if (strcmp(word, "PASS") == 0) {
			bool right = !is_user || strcmp(argument, "secret") == 0;

			say(fd, right ? "230 in\r\n" : "530 no\r\n");
		} else if (strcmp(word, "PWD") == 0) {
			say(fd, "257 \"/\" here\r\n");
		} else if (strcmp(word, "TYPE") == 0 || strcmp(word, "CWD") == 0) {
			say(fd, "250 fine\r\n");
		} else if (strcmp(word, "EPSV") == 0) {
			data_fd = listen_for_data(&port);
			say(fd, "229 here (|||%u|)\r\n", port);
		} else if (strcmp(word, "REST") == 0) {
			from = strtoul(argument, NULL, 10);
			say(fd, "350 from there\r\n");
		} else if (strcmp(word, "SIZE") == 0 || strcmp(word, "RETR") == 0) {
			char *data = read_file(argument + strspn(argument, "/"), &size);

			if (!data) {
				say(fd, "550 no such file\r\n");
			} else if (word[0] == 'S') {
				say(fd, "213 %zu\r\n", size);
			} else {
				int peer;

				say(fd, "150 comes\r\n");
				peer = accept4(data_fd, NULL, NULL, SOCK_CLOEXEC);
				if (peer >= 0 && from <= size)
					send_bytes(peer, data + from, size - from);
				close(peer);
				close(data_fd);
				say(fd, "226 done\r\n");
				from = 0;
			}
			free(data);
		} else if (strcmp(word, "QUIT") == 0) {
			say(fd, "221 bye\r\n");
			break;
		} else {
			say(fd, "502 what\r\n");
		}
	}
	fclose(in);
}

static void write_port(const struct sockaddr_in *address)
{
	FILE *f = fopen("port.new", "we");

	if (!f || fprintf(f, "%u\n", (unsigned)ntohs(address->sin_port)) < 0 || fclose(f) ||
		rename("port.new", "port") < 0)
		die("port");
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int fd;

	if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "ftp") != 0)) {
		fprintf(stderr, "usage: rude-server DIRECTORY [ftp]\n");
		return 64;
	}
	if (chdir(argv[1]) < 0)
		die(argv[1]);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGCHLD, SIG_IGN);
	seen = mmap(NULL, PATHS_MAX * sizeof(*seen), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		die("mmap");
	requests_fd = open("requests", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (requests_fd < 0)
		die("requests");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, 64) < 0 || getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		die("listen");
	write_port(&address);
	for (;;) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		pid_t parent = getpid(), pid;

		if (peer < 0)
			continue;
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(0);
			close(fd);
			if (argc == 3)
				serve_ftp(peer);
			else
				serve(peer);
			_exit(0);
		}
		close(peer);
	}
}
