#include "config.h"

#include "conf/keys.h"

#include "base/alloc.h"
#include "base/parse.h"
#include "base/str.h"
#include "conf/conf.h"
#include "tests/unit/tap.h"

#include <inttypes.h>

static const struct conf_key_info *info_of(size_t i)
{
	return conf_key_info((enum conf_key)i);
}

static bool is_number(enum conf_type type)
{
	return type == CONF_UINT || type == CONF_INT || type == CONF_SIZE ||
	       type == CONF_DURATION || type == CONF_CPU || type == CONF_MODE;
}

static bool takes_words(enum conf_type type)
{
	return type == CONF_ENUM || type == CONF_PATH || type == CONF_CGROUP;
}

static void test_rows(void)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	for (size_t i = 0; i < CONF_KEY_COUNT; i++) {
		const struct conf_key_info *info = info_of(i);
		size_t help_len;

		if (!*info->section || !*info->name || !*info->help) {
			ok(false, "row %zu is there", i);
			continue;
		}
		help_len = strlen(info->help);
		ok(info->id == i, "%s.%s stands at its place", info->section, info->name);
		ok((info->name[strspn(info->name, allowed)] == '\0' ||
			   info->type == CONF_HEADERS) &&
				info->section[strspn(info->section, allowed)] == '\0',
			"%s.%s has plain names", info->section, info->name);
		ok(info->where != 0 && conf_section_is_known(info->section, info->where) !=
					       (conf_section_name(info->section, NULL) &&
						       (info->where & CONF_IN_HOOK) == 0),
			"%s.%s may stand somewhere", info->section, info->name);
		ok(conf_key_find(info->section, info->name) == info,
			"%s.%s is found, and only once there", info->section, info->name);
		ok(help_len > 5 && help_len < 100 && info->help[help_len - 1] != '.' &&
				!strchr(info->help, '\n'),
			"%s.%s has help of one line", info->section, info->name);
		ok(!*info->words || takes_words(info->type),
			"%s.%s: words where they mean something", info->section, info->name);
		ok(info->type != CONF_ENUM || *info->words, "%s.%s: words where they must be",
			info->section, info->name);
		if (info->type == CONF_INT)
			ok((int64_t)info->min < (int64_t)info->max, "%s.%s has a range",
				info->section, info->name);
		else if (is_number(info->type))
			ok(info->min < info->max, "%s.%s has a range", info->section, info->name);
		/* conf_list() and conf_rlimit() know no default. */
		ok(!*info->def || !(conf_type_is_list(info->type) || info->type == CONF_COMMAND ||
					  info->type == CONF_RLIMIT),
			"%s.%s: no default where none can be given", info->section, info->name);
	}
}

/* A default is a value like any other. */
static void test_defaults(void)
{
	for (size_t i = 0; i < CONF_KEY_COUNT; i++) {
		const struct conf_key_info *info = info_of(i);
		_cleanup_conf_ struct conf *c = conf_new();
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_free_ char *text = NULL, *before = NULL, *after = NULL;
		bool hook = strcmp(info->section, "hook") == 0;
		bool artifact = strcmp(info->section, "artifact") == 0;

		if (!*info->def)
			continue;
		text = xasprintf("[%s%s]\n%s = %s\n", info->section, artifact ? " a" : "",
			info->name, info->def);
		before = conf_format(c, info->id);
		is_int(conf_read_memory(c, text, strlen(text), "f.ini",
			       hook			    ? CONF_IN_HOOK
			       : info->where & CONF_IN_MAIN ? CONF_IN_MAIN
							    : CONF_IN_TASK,
			       NULL, NULL, &err),
			0, "%s.%s: the default '%s' is a value", info->section, info->name,
			info->def);
		is_str(err.text, NULL, "%s.%s: without an error", info->section, info->name);
		after = conf_format(artifact ? conf_named(c, CONF_NAMED_ARTIFACT, 0) : c, info->id);
		is_str(after, before, "%s.%s: and the same one", info->section, info->name);
	}
}

/* [limits] and [group-limits] are to have the same keys in the same order. */
static void test_limits_are_twins(void)
{
	for (size_t i = KEY_LIMITS_MEMORY; i < KEY_GROUP_LIMITS_MEMORY; i++) {
		const struct conf_key_info *a = info_of(i);
		const struct conf_key_info *b =
			info_of(i + KEY_GROUP_LIMITS_MEMORY - KEY_LIMITS_MEMORY);

		is_str(a->name, b->name, "limits.%s: same name", a->name);
		ok(a->type == b->type && a->min == b->min && a->max == b->max,
			"limits.%s: same range", a->name);
		is_str(b->section, "group-limits", "limits.%s: other section", a->name);
	}
}

static void test_sections(void)
{
	static const struct {
		const char *section;
		unsigned where;
	} cases[] = {
		{"task", CONF_IN_MAIN | CONF_IN_TASK},
		{"env", CONF_IN_MAIN | CONF_IN_GROUP | CONF_IN_TASK},
		{"limits", CONF_IN_MAIN | CONF_IN_TASK},
		{"group-limits", CONF_IN_MAIN | CONF_IN_GROUP | CONF_IN_TASK},
		{"paths", CONF_IN_MAIN},
		{"node", CONF_IN_MAIN},
		{"hook", CONF_IN_HOOK},
		{"hook 10-net", CONF_IN_MAIN | CONF_IN_TASK},
		{"hooks", CONF_IN_MAIN},
		{"restart", CONF_IN_MAIN | CONF_IN_TASK},
		{"fetch", CONF_IN_MAIN},
		{"artifact", 0},
		{"artifact a", CONF_IN_MAIN | CONF_IN_GROUP | CONF_IN_TASK},
		{"artifacts a", 0},
		{"hookx", 0},
		{"hooks x", 0},
		{"task x", 0},
		{"Task", 0},
		{"", 0},
		/* of a later release */
		{"isolation", 0},
	};

	enum conf_named kind = CONF_NAMED_COUNT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is_uint(conf_section_where(cases[i].section), cases[i].where, "[%s]",
			cases[i].section);
	is_str(conf_section_name("hook \t 10-net", &kind), "10-net", "the name of a hook");
	is_int(kind, CONF_NAMED_HOOK, "and that it is one");
	is_str(conf_section_name("hook", NULL), "", "a hook without a name");
	is_str(conf_section_name("hooks", NULL), NULL, "[hooks] is no hook");
	is_str(conf_section_name("artifact app", &kind), "app", "the name of an artifact");
	is_int(kind, CONF_NAMED_ARTIFACT, "and that it is one");
	ok(conf_key_find("artifact app", "header-X-Token") == conf_key_info(KEY_ARTIFACT_HEADER),
		"a header is one of a family of keys");
	ok(!conf_key_find("artifact app", "header-"), "but not without a name");
	ok(conf_key_find("hook 10-net", "timeout") == conf_key_info(KEY_HOOK_TIMEOUT),
		"a key of [hook NAME]");
	ok(!conf_key_find("task", "timeout"), "a key is looked up in its section");
}

static void test_suggestions(void)
{
	is_str(conf_suggest_key("task", "comand", CONF_IN_TASK), "command", "comand");
	is_str(conf_suggest_key("task", "comand", CONF_IN_GROUP), NULL,
		"not where it cannot stand");
	is_str(conf_suggest_key("hook x", "tmeout", CONF_IN_TASK), "timeout", "tmeout of a hook");
	is_str(conf_suggest_key("task", "zzzzzz", CONF_IN_TASK), NULL, "nothing near");
	is_str(conf_suggest_section("tsak", CONF_IN_TASK), "task", "[tsak]");
	is_str(conf_suggest_section("envv", CONF_IN_TASK), "env", "[envv]");
	is_str(conf_suggest_section("hok 10-net", CONF_IN_TASK), "hook NAME", "[hok 10-net]");
	is_str(conf_suggest_section("artefact a", CONF_IN_GROUP), "artifact NAME", "[artefact a]");
	is_str(conf_suggest_section("hok", CONF_IN_HOOK), "hook", "[hok] beside a hook");
	is_str(conf_suggest_section("nodes", CONF_IN_TASK), NULL, "not where it cannot stand");
}

/* ---- the man page ---- */

static const char *type_in_page(const struct conf_key_info *info)
{
	switch (info->type) {
	case CONF_STRING:
		return "Ar text";
	case CONF_BOOL:
		return "Cm yes | no";
	case CONF_UINT:
	case CONF_INT:
		return "Ar number";
	case CONF_SIZE:
		return "Ar size";
	case CONF_DURATION:
		return "Ar duration";
	case CONF_CPU:
		return "Ar percent";
	case CONF_SIGNAL:
		return "Ar signal";
	case CONF_MODE:
		return "Ar mode";
	case CONF_ENUM:
		return "Cm";
	case CONF_COMMAND:
		return "Ar words";
	case CONF_PATH:
		return *info->words ? "Ar path |" : "Ar path";
	case CONF_NEAR_PATH:
		return "Ar file";
	case CONF_CGROUP:
		return *info->words ? "Ar cgroup |" : "Ar cgroup";
	case CONF_NAME:
		return "Ar name";
	case CONF_USER:
		return "Ar user";
	case CONF_ADDRESS:
		return "Ar address";
	case CONF_LIST:
		return "Ar list";
	case CONF_PATHS:
		return "Ar paths";
	case CONF_IO_MAX:
		return "Ar device limits";
	case CONF_RLIMIT:
		return "Ar limit";
	case CONF_CPUS:
		return "Ar CPUs";
	case CONF_SOURCE:
		return "Ar source";
	case CONF_HEADERS:
		return "Ar text";
	}
	return "";
}

static void add_bound(struct strbuf *b, const struct conf_key_info *info, uint64_t number)
{
	char buf[64];

	if (info->type == CONF_INT)
		strbuf_addf(b, "%" PRId64, (int64_t)number);
	else if (number == UINT64_MAX)
		strbuf_adds(b, "infinity");
	else if (info->type == CONF_SIZE)
		strbuf_adds(b, format_size(number, buf, sizeof(buf)));
	else if (info->type == CONF_DURATION)
		strbuf_adds(b, format_duration(number, buf, sizeof(buf)));
	else if (info->type == CONF_CPU)
		strbuf_addf(b, "%" PRIu64 "%%", number / 10000);
	else if (info->type == CONF_MODE)
		strbuf_addf(b, "%04" PRIo64, number);
	else
		strbuf_addf(b, "%" PRIu64, number);
}

/* The page tells defaults of a usual installation, wherever this build is to be installed. */
static void add_default(struct strbuf *b, const char *def)
{
	if (str_starts_with(def, TH_LOCALSTATEDIR "/lib/taskhook"))
		strbuf_addf(b, "/var%s", def + strlen(TH_LOCALSTATEDIR));
	else if (str_starts_with(def, TH_RUNSTATEDIR "/taskhook"))
		strbuf_addf(b, "/run%s", def + strlen(TH_RUNSTATEDIR));
	else
		strbuf_adds(b, def);
}

/* The line that heads a key in the page: name, type, words, range and default. */
static char *heading_in_page(const struct conf_key_info *info)
{
	struct strbuf b = STRBUF_INIT;
	bool number = is_number(info->type);

	strbuf_addf(&b, ".It Cm %s No = %s", info->name, type_in_page(info));
	if (*info->words)
		strbuf_adds(&b, info->type == CONF_ENUM ? " " : " Cm ");
	for (const char *p = info->words; *p; p++)
		if (*p == '|')
			strbuf_adds(&b, " | ");
		else
			strbuf_addc(&b, *p);
	if (number || *info->def)
		strbuf_adds(&b, " Pq ");
	if (number) {
		add_bound(&b, info, info->min);
		strbuf_adds(&b, " to ");
		add_bound(&b, info, info->max);
	}
	if (*info->def) {
		strbuf_adds(&b, number ? "; default " : "default ");
		add_default(&b, info->def);
	}
	return strbuf_steal(&b);
}

/* The lines of the page that head keys, each as "SECTION: LINE". */
static void read_headings(FILE *page, struct strv *ret)
{
	_cleanup_free_ char *line = NULL, *section = xstrdup("");
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, page)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (str_starts_with(line, ".Ss \"[") || str_starts_with(line, ".Ss [")) {
			char *from = strchr(line, '[') + 1;

			from[strcspn(from, " ]")] = '\0';
			str_replace(&section, from);
		} else if (str_starts_with(line, ".Sh") || str_starts_with(line, ".Ss")) {
			str_replace(&section, "");
		} else if (*section && str_starts_with(line, ".It Cm ")) {
			strv_addf(ret, "%s: %s", section, line);
		}
	}
}

static void test_page(FILE *page)
{
	_cleanup_strv_ struct strv headings = STRV_INIT, wanted = STRV_INIT;

	read_headings(page, &headings);
	for (size_t i = 0; i < CONF_KEY_COUNT; i++) {
		const struct conf_key_info *info = info_of(i);
		_cleanup_free_ char *heading = heading_in_page(info);

		strv_addf(&wanted, "%s: %s", info->section, heading);
		if (!ok(strv_contains(&headings, wanted.v[i]),
			    "%s.%s stands in the page with its type, range and default",
			    info->section, info->name))
			diag("wanted in [%s]: %s", info->section, heading);
	}
	for (size_t i = 0; i < headings.n; i++)
		ok(strv_contains(&wanted, headings.v[i]), "the page's '%s' is in the table",
			headings.v[i]);
	is_uint(headings.n, CONF_KEY_COUNT, "no key stands in the page twice");
}

/* Each example of the page begins with a comment that tells its file. */
static void test_example(const char *text)
{
	static const struct {
		const char *path;
		unsigned where;
	} kinds[] = {
		{"/taskhook.conf", CONF_IN_MAIN},
		{"/group.ini", CONF_IN_GROUP},
		{".ini", CONF_IN_TASK},
		{".conf", CONF_IN_HOOK},
	};
	_cleanup_free_ char *first = xstrndup(text, strcspn(text, "\n"));
	_cleanup_conf_ struct conf *c = conf_new();
	_cleanup_err_ struct th_err err = TH_ERR_INIT;
	unsigned where = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !where; i++)
		if (str_ends_with(first, kinds[i].path))
			where = kinds[i].where;
	ok(where != 0 && first[0] == ';', "the example '%s' tells its file", first);
	is_int(conf_read_memory(c, text, strlen(text), "example", where, NULL, NULL, &err), 0,
		"the example '%s' is right", first);
	is_str(err.text, NULL, "the example '%s' has no error", first);
}

static void test_examples(FILE *page)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *line = NULL;
	size_t size = 0, count = 0;
	bool in_examples = false, in_text = false;

	while (getline(&line, &size, page) > 0) {
		if (str_starts_with(line, ".Sh"))
			in_examples = str_starts_with(line, ".Sh EXAMPLES");
		if (!in_examples)
			continue;
		if (str_starts_with(line, ".Bd")) {
			in_text = true;
			strbuf_reset(&text);
		} else if (str_starts_with(line, ".Ed")) {
			in_text = false;
			test_example(strbuf_str(&text));
			count++;
		} else if (in_text) {
			/* "\e" is how a page writes a backslash. */
			for (const char *p = line; *p; p++) {
				if (p[0] == '\\' && p[1] == 'e')
					p++;
				strbuf_addc(&text, p > line && p[-1] == '\\' ? '\\' : *p);
			}
		}
	}
	ok(count >= 4, "the page has an example of each kind of file");
}

int main(void)
{
	const char *top = getenv("TASKHOOK_SRCDIR");
	_cleanup_free_ char *path = xasprintf("%s/man/taskhook.conf.5", top ? top : ".");
	FILE *page;

	test_rows();
	test_defaults();
	test_limits_are_twins();
	test_sections();
	test_suggestions();

	page = fopen(path, "re");
	if (!page)
		bail("cannot read %s", path);
	test_page(page);
	rewind(page);
	test_examples(page);
	(void)fclose(page);
	return done_testing();
}
