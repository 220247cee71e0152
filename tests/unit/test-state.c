#include "config.h"

#include "model/state.h"

#include "tests/unit/tap.h"

static bool reaches_final(enum task_state from)
{
	bool seen[STATE_COUNT] = {false};
	enum task_state todo[STATE_COUNT];
	size_t n = 0;

	seen[from] = true;
	todo[n++] = from;
	while (n > 0) {
		enum task_state s = todo[--n];

		if (state_is_final(s))
			return true;
		for (enum task_event e = 0; e < EVENT_COUNT; e++) {
			enum task_state t = state_next(s, e);

			if (t != STATE_INVALID && !seen[t]) {
				seen[t] = true;
				todo[n++] = t;
			}
		}
	}
	return false;
}

/* Whoever only ever answers OK after a stop must come to an end: no cycle on the way down. */
static bool stop_ends(enum task_state from)
{
	enum task_state s = state_next(from, EVENT_STOP);

	for (int steps = 0; s != STATE_INVALID && steps <= STATE_COUNT; steps++) {
		if (state_is_final(s))
			return true;
		s = state_next(s, EVENT_OK);
	}
	return false;
}

static void test_table(void)
{
	static const enum task_event all_ok[] = {EVENT_OK, EVENT_FAILED, EVENT_STOP};
	bool reached[STATE_COUNT] = {[STATE_NEW] = true};

	for (enum task_state s = 0; s < STATE_COUNT; s++) {
		for (enum task_event e = 0; e < EVENT_COUNT; e++) {
			enum task_state t = state_next(s, e);

			ok((unsigned)t <= STATE_INVALID, "%s + %s has an answer", state_name(s),
				event_name(e));
			/* A table whose row was forgotten leads to state 0. */
			ok(t != STATE_NEW, "%s + %s: nothing leads back to the beginning",
				state_name(s), event_name(e));
			if (state_is_final(s))
				is_int(t, STATE_INVALID, "%s + %s: the end is the end",
					state_name(s), event_name(e));
			if (t != STATE_INVALID)
				reached[t] = true;
		}
		if (state_is_final(s))
			continue;
		for (size_t i = 0; i < sizeof(all_ok) / sizeof(all_ok[0]); i++)
			ok(state_next(s, all_ok[i]) != STATE_INVALID, "%s answers %s",
				state_name(s), event_name(all_ok[i]));
		ok(reaches_final(s), "%s can come to an end", state_name(s));
		ok(stop_ends(s), "%s ends after a stop without another event", state_name(s));
	}
	for (enum task_state s = 0; s < STATE_COUNT; s++)
		ok(reached[s], "something leads to %s", state_name(s));
}

static void test_names(void)
{
	for (enum task_state s = 0; s < STATE_COUNT; s++) {
		is_int(state_from_name(state_name(s)), s, "the name %s leads back", state_name(s));
		ok(*state_summary(s), "%s has a summary", state_name(s));
		ok(state_is_final(s) == (s == STATE_STUCK || s == STATE_DONE || s == STATE_FAILED),
			"%s: final or not", state_name(s));
	}
	is_int(state_from_name("asleep"), STATE_INVALID, "an unknown name");
	is_int(state_from_name(""), STATE_INVALID, "an empty name");
}

/* A path through the life: events, and the states that they must lead through. */
struct step {
	enum task_event event;
	enum task_state expected;
};

static void walk(const char *what, enum task_state s, const struct step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		s = state_next(s, steps[i].event);
		if (!is_int(s, steps[i].expected, "%s: step %zu (%s)", what, i + 1,
			    event_name(steps[i].event)))
			return;
	}
}
#define WALK(what, from, ...)                                                                      \
	walk(what, from, (const struct step[]){__VA_ARGS__},                                       \
		sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static void test_lives(void)
{
	WALK("a run that ends by itself", STATE_NEW, {EVENT_OK, STATE_DEPLOYING},
		{EVENT_OK, STATE_PREPARING}, {EVENT_OK, STATE_LAUNCHING},
		{EVENT_OK, STATE_POST_STARTING}, {EVENT_OK, STATE_RUNNING},
		{EVENT_EXITED, STATE_EXITED}, {EVENT_OK, STATE_POST_STOPPING},
		{EVENT_OK, STATE_REMOVING}, {EVENT_OK, STATE_DONE});
	WALK("a process that ends during the post-start hooks", STATE_POST_STARTING,
		{EVENT_OK, STATE_RUNNING}, {EVENT_EXITED, STATE_EXITED},
		{EVENT_OK, STATE_POST_STOPPING});
	WALK("a stop", STATE_RUNNING, {EVENT_STOP, STATE_STOPPING}, {EVENT_STOP, STATE_STOPPING},
		{EVENT_EXITED, STATE_STOPPING}, {EVENT_OK, STATE_EXITED},
		{EVENT_OK, STATE_POST_STOPPING}, {EVENT_FAILED, STATE_REMOVING},
		{EVENT_FAILED, STATE_DONE});
	WALK("a restart that fails before its launch, and is tried again", STATE_PREPARING,
		{EVENT_RETRY, STATE_RESTART_DELAY}, {EVENT_OK, STATE_PRE_RESTARTING});
	WALK("a failing pre-start hook", STATE_PREPARING, {EVENT_FAILED, STATE_UNDOING},
		{EVENT_FAILED, STATE_FAILED});
	WALK("a restart by policy", STATE_RUNNING, {EVENT_EXITED, STATE_EXITED},
		{EVENT_RETRY, STATE_RESTART_DELAY}, {EVENT_OK, STATE_PRE_RESTARTING},
		{EVENT_OK, STATE_PREPARING});
	WALK("a restart by policy whose pre-restart hook fails", STATE_PRE_RESTARTING,
		{EVENT_FAILED, STATE_POST_STOPPING});
	WALK("a restart that was asked for", STATE_RUNNING, {EVENT_RESTART, STATE_RESTART_ASKED},
		{EVENT_OK, STATE_RESTART_STOPPING}, {EVENT_OK, STATE_EXITED},
		{EVENT_RESTART, STATE_PREPARING}, {EVENT_OK, STATE_LAUNCHING});
	WALK("a restart whose pre-restart hook fails leaves it running", STATE_RESTART_ASKED,
		{EVENT_FAILED, STATE_RUNNING});
	WALK("a stop during a restart", STATE_RESTART_STOPPING, {EVENT_STOP, STATE_STOPPING},
		{EVENT_UNKILLABLE, STATE_STUCK});

	for (enum task_state s = STATE_NEW; s <= STATE_LAUNCHING; s++)
		is_int(state_next(s, EVENT_STOP), STATE_UNDOING, "a stop in %s undoes",
			state_name(s));
	is_int(state_next(STATE_POST_STARTING, EVENT_STOP), STATE_STOPPING,
		"a stop in post-starting");
	is_int(state_next(STATE_RESTART_DELAY, EVENT_STOP), STATE_POST_STOPPING,
		"a stop while no process runs goes on to post-stop");
	is_int(state_next(STATE_STOPPING, EVENT_UNKILLABLE), STATE_STUCK, "unkillable: stuck");
	is_int(state_next(STATE_STOPPING, EVENT_RESTART), STATE_INVALID,
		"no restart while stopping");
}

int main(void)
{
	test_table();
	test_names();
	test_lives();
	return done_testing();
}
