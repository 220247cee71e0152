#include "config.h"

#include "base/macro.h"
#include "base/suggest.h"

#include "tests/unit/tap.h"

static const char *const keys[] = {"command", "stop-timeout", "stop-signal", "timeout", "user",
	"group", "id", "memory", "memory-swap", "keep", "nice"};

static void check(const char *word, const char *expected)
{
	is_str(suggest_nearest(word, keys, ARRAY_SIZE(keys)), expected, "for '%s'", word);
}

int main(void)
{
	static const char *const twins[] = {"cat", "bat"};
	static const char *const cases[] = {"tmer", "TIMER"};
	char word[1000];

	check("comand", "command");   /* one left out */
	check("commmand", "command"); /* one too many */
	check("cammand", "command");  /* another */
	check("ocmmand", "command");  /* two swapped */
	check("stop-timout", "stop-timeout");
	check("stop-singal", "stop-signal");
	check("COMMAND", "command");
	check("Memory-Swap", "memory-swap");
	check("memory_swap", "memory-swap");
	check("command", "command");
	check("usr", "user");
	check("usre", "user");
	check("keeep", "keep");
	check("di", "id");
	check("ids", "id");
	check("xy", NULL);
	check("z", NULL);
	check("", NULL);
	check("description", NULL);
	check("commnds", "command"); /* 2 of 7 */
	check("cmnds", NULL);	     /* 3 of 5 */
	check("a-very-long-word-that-nobody-ever-meant", NULL);
	is_str(suggest_nearest("rat", twins, 2), "cat", "of two as near the first");
	is_str(suggest_nearest("timer", cases, 2), "TIMER", "another case is nearer than a slip");
	is_str(suggest_nearest("x", NULL, 0), NULL, "no words");
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	check(word, NULL);
	return done_testing();
}
