# Reads the TAP of one job and prints a line about it, with the failures whole. Appends a line for
# each check to the file CHECKS: pass|fail|skip, mode, job, number, text; separated by tabs.
# Variables: name, mode, status (of the process), took_ms, cpu_ms, checks.
# Exit status 1 if anything failed.

function clean(text)
{
	gsub(/[\t\r]/, " ", text)
	return text
}

function record(result, number, text)
{
	count[result]++
	printf "%s\t%s\t%s\t%s\t%s\n", result, mode, name, number, clean(text) >>checks
}

function note(text)
{
	noted[++notes] = text
}

/^1\.\.[0-9]+/ {
	planned = 1
	plan = substr($1, 4) + 0
	if (plan == 0 && tolower($0) ~ /# *skip/) {
		text = $0
		sub(/^[^#]*# *[Ss][Kk][Ii][Pp][^ ]* */, "", text)
		record("skip", 0, text)
	}
	next
}

/^ok [0-9]+/ {
	seen++
	failing = 0
	number = $2
	text = $0
	if (match(tolower(text), /# *skip/)) {
		title = substr(text, 1, RSTART - 1)
		sub(/^ok [0-9]+ *-? */, "", title)
		why = substr(text, RSTART)
		sub(/^# *[Ss][Kk][Ii][Pp][^ ]* */, "", why)
		record("skip", number, (title != "" ? title ": " : "") (why != "" ? why : "no reason given"))
	} else
		record("pass", number, text)
	next
}

/^not ok [0-9]+/ {
	seen++
	failing = 1
	record("fail", $3, $0)
	note($0)
	next
}

/^Bail out!/ {
	bailed = 1
	note($0)
	next
}

{
	last[++lines % 30] = $0
	if (failing)
		note($0)
}

END {
	if (bailed || !planned || plan != seen || (status != 0 && count["fail"] == 0)) {
		if (status == 124 || status == 137)
			why = "ran out of time"
		else if (!planned)
			why = "died before its plan, exit status " status
		else if (plan != seen)
			why = "planned " plan " checks but ran " (seen + 0) ", exit status " status
		else
			why = "exit status " status
		record("fail", "end", why)
		note("not ok - " why)
		for (i = lines - 28; i <= lines; i++)
			if (i > 0)
				note("    " last[i % 30])
	}
	printf "%-6s %s (%s): %d passed, %d failed, %d skipped; %.1f s, %.1f s of CPU\n", count["fail"] ? "FAILED" : "ok", name,
		mode, count["pass"], count["fail"], count["skip"], took_ms / 1000, cpu_ms / 1000
	for (i = 1; i <= notes; i++)
		print "    " noted[i]
	exit count["fail"] > 0
}
