#ifndef TH_CONF_CONF_H
#define TH_CONF_CONF_H

/*
 * Values with their origin, in layers: a later layer wins, key by key (lists too: a layer that sets
 * a list replaces the one below; within one layer a repeated list key adds). Defaults come from the
 * key table.
 *
 *	struct conf *c = conf_new();
 *	conf_read_main(c, path, dropin_dir, report, arg, &err);
 *	conf_read_file(c, AT_FDCWD, "web.ini", CONF_IN_TASK, NULL, NULL, &err);
 *	conf_set_text(c, "limits.memory", "1G", "--set", &err);
 *	usec_t t = conf_duration(c, KEY_TASK_STOP_TIMEOUT);
 */

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "conf/ini.h"
#include "conf/keys.h"

#include <sys/resource.h>

struct conf;

struct conf *conf_new(void);
struct conf *conf_free(struct conf *c); /* NULL is fine; returns NULL */
static inline void conf_freep(struct conf **c)
{
	*c = conf_free(*c);
}
#define _cleanup_conf_ _cleanup_(conf_freep)

/*
 * Reads one file as a new layer. `where` is one CONF_IN_*. `shown` is the file's name in messages,
 * and its directory is the one that a relative CONF_NEAR_PATH is taken from, here and now. Every
 * value is parsed and checked for its range as it is read. Unknown section or key, wrong type,
 * value out of range, a repeated key that is no list: with `report` NULL the first is the error
 * (-EINVAL, err->status EXIT_CONFIG, "FILE:LINE: ..." and the nearest known key); with `report`
 * each is reported and the result is their number. A file that cannot be read is the result in both
 * cases (-ENOENT or another -errno, err set). After a failure some of the file's values may be set:
 * free the conf. The keys of an unknown section are passed over.
 */
int conf_read_file(struct conf *c, int dirfd, const char *path, const char *shown, unsigned where,
	ini_report_fn report, void *arg, struct th_err *err);
int conf_read_memory(struct conf *c, const char *data, size_t size, const char *shown,
	unsigned where, ini_report_fn report, void *arg, struct th_err *err);

/* The configuration file and, bytewise by name, DIR/x.conf of its drop-in directory; each may be
 * missing (but for the file where `must_exist`). Each is a layer. With `report` a file that cannot
 * be read is reported too. */
int conf_read_main(struct conf *c, const char *path, bool must_exist, const char *dropin_dir,
	ini_report_fn report, void *arg, struct th_err *err);

/* One value from the command line, "section.key" ("env.NAME", "hook 10-net.timeout" or
 * "hook.10-net.timeout"); `origin` is
 * what messages and `config show` name ("--set"). Calls in a row with the same origin are one
 * layer, in which a later value replaces, and a list adds. A CONF_NEAR_PATH is relative to the
 * current directory. 0, or -EINVAL with err->status EXIT_USAGE. */
int conf_set_text(struct conf *c, const char *dotted, const char *value, const char *origin,
	struct th_err *err);

/* Typed access; the value is the top layer's, else the default. The key's type must fit (assert).
 * Where there is neither value nor default: infinity for sizes, CPU and durations, 0 for other
 * numbers, -1 for conf_enum(). */
bool conf_is_set(const struct conf *c, enum conf_key key); /* by a layer, not by the default */
const char *conf_string(
	const struct conf *c, enum conf_key key); /* as text; NULL: unset, no default */
bool conf_bool(const struct conf *c, enum conf_key key);
uint64_t conf_uint(const struct conf *c, enum conf_key key); /* UINT SIZE CPU(millionths) */
int64_t conf_int(const struct conf *c, enum conf_key key);
usec_t conf_duration(const struct conf *c, enum conf_key key);
int conf_signal(const struct conf *c, enum conf_key key);
mode_t conf_mode(const struct conf *c, enum conf_key key);
int conf_enum(const struct conf *c, enum conf_key key); /* index into words */
const struct strv *conf_list(const struct conf *c,
	enum conf_key key); /* LIST PATHS IO_MAX COMMAND HEADERS; never NULL */
/* False where the limit is not set. */
bool conf_rlimit(const struct conf *c, enum conf_key key, struct rlimit *ret);

/* Where the value comes from: "FILE" and line (0: none, as for --set), "default" where no layer set
 * it. Owned by c. */
const char *conf_origin(const struct conf *c, enum conf_key key, unsigned *ret_line);

/* What a value that is wrong in itself makes the exit status: EXIT_USAGE where it comes from an
 * option ("--set"), EXIT_CONFIG where from a file ("FILE", "FILE:LINE"). */
int conf_origin_status(const char *origin);

/* The free section [env]: "NAME=VALUE", later layers win by name. Owned by c. */
const struct strv *conf_env(const struct conf *c);
/* "FILE:LINE" of an environment name, NULL where it is not set. */
const char *conf_env_origin(const struct conf *c, const char *name);

/* Named sections, [artifact NAME] and [hook NAME], in order of first appearance. Each is a conf of
 * its own whose keys are those of the section; owned by c. */
size_t conf_named_count(const struct conf *c, enum conf_named kind);
const char *conf_named_name(const struct conf *c, enum conf_named kind, size_t i);
const struct conf *conf_named(const struct conf *c, enum conf_named kind, size_t i);

/* Every file read so far, in order (for `config show`, `config check`). */
const struct strv *conf_files(const struct conf *c);

/* Text for `config show`: "10M", lists joined with blanks (io-max with ", "), without what is
 * secret. NULL: unset. The caller frees it. */
char *conf_format(const struct conf *c, enum conf_key key);

#endif
