#ifndef TH_RUN_HOOKSHOW_H
#define TH_RUN_HOOKSHOW_H

/* What users see of a hook: its lines, on the terminal and in the hook log, and how long it has
 * been running. */

#include "base/clock.h"
#include "base/str.h"
#include "os/loop.h"
#include "run/hooklog.h"

#include <stdbool.h>
#include <stddef.h>

enum hook_show {
	HOOK_SHOW_NEVER,   /* -q */
	HOOK_SHOW_FAILING, /* off a terminal */
	HOOK_SHOW_ALWAYS,  /* on a terminal, or -v */
};

struct hook_shown {
	/* The caller's, and borrowed. */
	struct loop *loop;
	struct hooklog *log;	    /* NULL: none */
	const enum hook_show *show; /* changes where the caller of `start` goes away */
	const char *label;	    /* "pre-start/20-mount" */

	/* private */
	struct strv tail; /* ring: the oldest is at `first` */
	size_t first;
	struct loop_timer timer;
	usec_t since, timeout;
	bool progress_on_screen;
};
void hook_shown_done(struct hook_shown *o);

/* From begin to end, with `progress`, a hook that takes long has a line on the terminal that counts
 * its seconds. */
void hook_shown_begin(struct hook_shown *o, usec_t timeout, bool progress);
void hook_shown_end(struct hook_shown *o);

/* A line of its output, without its newline, is logged and shown. */
void hook_shown_tell_line(struct hook_shown *o, const char *line, size_t n);
/* And kept for a while. */
void hook_shown_take_line(struct hook_shown *o, const char *line, size_t n);

/* It has failed: shows the last lines (50 at most) where only a failing hook's are shown. */
void hook_shown_failing(struct hook_shown *o);

/* Appends its last n lines (50 at most) to ret. */
void hook_shown_last(const struct hook_shown *o, size_t n, struct strv *ret);

#endif
