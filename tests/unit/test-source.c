#include "config.h"

#include "base/alloc.h"
#include "base/macro.h"
#include "conf/source.h"

#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>

/* What it is parsed to, as describe() says it. */
static const struct {
	const char *text, *parts;
} good[] = {
	{"https://h/a.tgz", "http url=https://h/a.tgz scheme=https host=h name=a.tgz"},
	{"HTTP://Example.COM:8080/a%20b?x=1&y", "http url=http://Example.COM:8080/a%20b?x=1&y "
						"scheme=http host=example.com name=a b"},
	{"http://h", "http url=http://h/ scheme=http host=h"},
	{"http::https://h/a#part", "http url=https://h/a scheme=https host=h name=a"},
	{"https://h/a?x=%2F%20&archive=tar.gz&checksum=sha256:AB&filename=b%20c&y=2#f",
		"http url=https://h/a?x=%2F%20&y=2 scheme=https host=h name=a checksum=sha256:AB "
		"archive=tar.gz filename=b c"},
	{"https://u%40x:p%3aw@h/a",
		"http url=https://h/a scheme=https host=h name=a user=u@x password=p:w"},
	{"https://h/a.zip//sub/dir",
		"http url=https://h/a.zip scheme=https host=h name=a.zip subdir=sub/dir"},
	{"https://h/a.zip///./sub//dir-*/?ref=1",
		"http url=https://h/a.zip?ref=1 scheme=https host=h name=a.zip subdir=sub/dir-*"},
	{"https://h/a?to=http://x//y",
		"http url=https://h/a?to=http://x//y scheme=https host=h name=a"},
	{"https://h/a//", "http url=https://h/a scheme=https host=h name=a"},
	{"https://h/dir/", "http url=https://h/dir/ scheme=https host=h"},
	{"https://h/%2e%2E", "http url=https://h/%2e%2E scheme=https host=h"},
	{"https://h/a%2Fb", "http url=https://h/a%2Fb scheme=https host=h"},
	{"https://h/a%0Ab", "http url=https://h/a%0Ab scheme=https host=h"},
	{"http://[::1]:80/a", "http url=http://[::1]:80/a scheme=http host=[::1] name=a"},
	{"ftp://h/a", "ftp url=ftp://h/a scheme=ftp host=h name=a"},
	{"sftp://me:pw@h:22/x/a?sshkey=QUJD", "sftp url=sftp://h:22/x/a scheme=sftp host=h name=a "
					      "user=me password=pw sshkey=QUJD"},
	{"/srv/a b.tar", "file url=/srv/a b.tar scheme=file name=a b.tar"},
	{"/srv/a%20b.tar//sub?archive=false",
		"file url=/srv/a%20b.tar scheme=file name=a%20b.tar subdir=sub archive=false"},
	{"file:///srv/a%20b", "file url=/srv/a b scheme=file name=a b"},
	{"file:/srv/a", "file url=/srv/a scheme=file name=a"},
	{"file::/srv/a", "file url=/srv/a scheme=file name=a"},
	{"file://localhost/srv/", "file url=/srv/ scheme=file"},
	{"git::https://h/r.git?ref=v1.0&depth=3",
		"git url=https://h/r.git scheme=https host=h name=r.git ref=v1.0 depth=3"},
	{"git::https://tok:x@h/r.git//sub?ref=main&keep=1",
		"git url=https://h/r.git?keep=1 scheme=https host=h name=r.git user=tok password=x "
		"subdir=sub ref=main"},
	{"git@h.org:a/r.git?ref=x/y",
		"git url=ssh://h.org/a/r.git scheme=ssh host=h.org name=r.git user=git ref=x/y"},
	{"git::git@h:/srv/r//d",
		"git url=ssh://h/srv/r scheme=ssh host=h name=r user=git subdir=d"},
	{"git::ssh://me@h:2222/r?sshkey=QUJD",
		"git url=ssh://h:2222/r scheme=ssh host=h name=r user=me sshkey=QUJD"},
	{"github.com/a/b",
		"git url=https://github.com/a/b.git scheme=https host=github.com name=b.git"},
	{"github.com/a/b.git/c/d?ref=1", "git url=https://github.com/a/b.git scheme=https "
					 "host=github.com name=b.git subdir=c/d ref=1"},
	{"gitlab.com/a/b//c", "git url=https://gitlab.com/a/b.git scheme=https host=gitlab.com "
			      "name=b.git subdir=c"},
	{"s3::https://s3-eu-west-1.amazonaws.com/b/"
	 "k?aws_access_key_id=I&aws_access_key_secret=S&aws_access_token=T&version=V",
		"s3 url=https://s3-eu-west-1.amazonaws.com/b/k?versionId=V scheme=https "
		"host=s3-eu-west-1.amazonaws.com name=k region=eu-west-1 access_key=I secret_key=S "
		"session_token=T"},
	{"s3::https://b.s3.us-east-2.amazonaws.com/k",
		"s3 url=https://b.s3.us-east-2.amazonaws.com/k scheme=https "
		"host=b.s3.us-east-2.amazonaws.com name=k region=us-east-2"},
	{"s3::https://b.s3.amazonaws.com/k",
		"s3 url=https://b.s3.amazonaws.com/k scheme=https host=b.s3.amazonaws.com name=k"},
	{"s3::http://127.0.0.1:9000/b/k?region=here",
		"s3 url=http://127.0.0.1:9000/b/k scheme=http host=127.0.0.1 name=k region=here"},
	{"s3://bucket/d/k", "s3 url=https://bucket.s3.amazonaws.com/d/k scheme=https "
			    "host=bucket.s3.amazonaws.com name=k"},
	{"s3://buc.ket/k", "s3 url=https://s3.amazonaws.com/buc.ket/k scheme=https "
			   "host=s3.amazonaws.com name=k"},
	{"s3.amazonaws.com/bucket/k", "s3 url=https://s3.amazonaws.com/bucket/k scheme=https "
				      "host=s3.amazonaws.com name=k"},
};

static const struct {
	const char *text, *why;
} bad[] = {
	{"", "the source is empty"},
	{"h/a", "source 'h/a': it begins with no scheme"},
	{"./a", "source './a': a file is named by its absolute path"},
	{"gcs::https://www.googleapis.com/storage/v1/b/k",
		"'gcs' is not supported: use the object's https:// URL"},
	{"hg::https://h/r", "'hg' is not supported: use an archive"},
	{"svn::https://h/r", "'svn' is not supported"},
	{"ext::sh -c id", "'ext' is not supported: use http, https"},
	{"git::ext::sh -c id", "it is no URL"},
	{"git::/srv/repo", "it is no URL"},
	{"git::file:///srv/repo", "it names no host"},
	{"gopher://h/a", "'gopher' is not supported: use http"},
	{"scp://h/a", "'scp' is not supported: use sftp://"},
	{"git://h/r", "'git' is not supported"},
	{"https::http://h/a", "https:: is not for http:// URLs"},
	{"http::ftp://h/a", "http:: is not for ftp:// URLs"},
	{"https://h/a//../b", "'..' leads out"},
	{"https://h/a//b/%2e%2e", "'..' leads out"},
	{"/srv/a//b/..", "'..' leads out"},
	{"https://h/a?filename=../b", "filename is one name"},
	{"https://h/a?filename=%2e%2e", "filename is one name"},
	{"https://h/a?filename=b%2Fc", "filename is one name"},
	{"https://h/a?checksum=", "has no value"},
	{"https://h/a?checksum", "has no value"},
	{"https://h/a?filename=%zz", "has no value"},
	{"https://h/a?filename=%0a", "has no value"},
	{"https://h/a?archive=a&archive=b", "a parameter is there twice"},
	{"https://h/a\nb", "it holds a control byte"},
	{"https:///a", "it names no host"},
	{"https://h:99999/a", "its port is no number"},
	{"https://h/a b", "it holds a blank"},
	{"https://u:pass/word@h/a", "source 'https://***@h/a': its port is no number"},
	{"https://u:%zz@h/a", "its user or password is not percent-encoded"},
	{"file://other/a", "a file is named by its absolute path"},
	{"file:a", "a file is named by its absolute path"},
	{"file:///a%zz", "its path is not percent-encoded"},
	{"git::https://h/r?ref=-upload-pack", "ref is the name of"},
	{"git::https://h/r?ref=a..b", "ref is the name of"},
	{"git::https://h/r?depth=0", "depth is a number"},
	{"git::https://h/r?depth=x", "depth is a number"},
	{"git::ssh://-oProxyCommand=id/r", "it names no host"},
	{"git::ssh://-h/r", "it names no host"},
	{"git::ssh://h:x/r", "its port is no number"},
	{"git::ssh://-x@h/r", "begins with '-'"},
	{"git::ssh://u:p@h/r", "ssh takes no password"},
	{"git::https://h/r?sshkey=QUJD", "sshkey is for ssh://"},
};

static const struct {
	const char *text, *shown;
} redacted[] = {
	{"https://h/a", "https://h/a"},
	{"https://u:hidden@h/a", "https://***@h/a"},
	{"https://hidden@h/a", "https://***@h/a"},
	{"https://hidden@h:8443/a", "https://***@h:8443/a"},
	{"git::https://hidden@h:8443/r", "git::https://***@h:8443/r"},
	{"git::git@h:r", "git::git@h:r"},
	{"git::https://hidden:x@h/r?ref=v1", "git::https://***@h/r?ref=v1"},
	{"git::ssh://me@h/r?sshkey=hidden", "git::ssh://me@h/r?sshkey=***"},
	{"sftp://me:hidden@h/r", "sftp://me:***@h/r"},
	{"git@h:r", "git@h:r"},
	{"https://h/a@1.0/b", "https://h/a@1.0/b"},
	{"https://h:80/a@1.0/b", "https://h:80/a@1.0/b"},
	{"http://[::1]:80/a@b", "http://[::1]:80/a@b"},
	{"https://u:hid/den@h/a", "https://***@h/a"},
	{"https://u:hid?den@h/a", "https://***@h/a"},
	{"https://u:hid#den@h/a", "https://***@h/a"},
	{"https://u:hid@den@h/a", "https://***@h/a"},
	{"https://u:hidden", "https://***@"},
	{"u:hidden@h/a", "***@h/a"},
	{"https://h/a?token=hidden&ref=x&hidden&X-Amz-Signature=hidden",
		"https://h/a?token=***&ref=x&***&X-Amz-Signature=***"},
	{"https://h/a?checksum=sha256:00", "https://h/a?checksum=sha256:00"},
	{"https://h/a?checksum=file:https://u:hidden@h/s",
		"https://h/a?checksum=file:https://***@h/s"},
	{"https://h/a?checksum=file%3Ahttps%3A%2F%2Fu%3Ahidden%40h/s",
		"https://h/a?checksum=file:https://***@h/s"},
	{"https://h/a#hidden", "https://h/a#***"},
	{"https://h/a?b=hidden#hidden", "https://h/a?b=***#***"},
	{"s3::https://h/k?aws_access_key_id=hidden&aws_access_key_secret=hidden&region=r",
		"s3::https://h/k?aws_access_key_id=***&aws_access_key_secret=***&region=r"},
	{"/srv/a@b", "/srv/a@b"},
	{"", ""},
};

static void add(struct strbuf *b, const char *key, const char *value)
{
	if (value)
		strbuf_addf(b, " %s=%s", key, value);
}

static char *describe(const struct source *s)
{
	static const char *const kinds[] = {"http", "ftp", "sftp", "file", "git", "s3"};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, kinds[s->kind]);
	add(&b, "url", s->url);
	add(&b, "scheme", s->scheme);
	add(&b, "host", s->host);
	add(&b, "name", s->name);
	add(&b, "user", s->user);
	add(&b, "password", s->password);
	add(&b, "subdir", s->subdir);
	add(&b, "checksum", s->checksum);
	add(&b, "archive", s->archive);
	add(&b, "filename", s->filename);
	add(&b, "ref", s->ref);
	if (s->depth > 0)
		strbuf_addf(&b, " depth=%u", s->depth);
	add(&b, "sshkey", s->sshkey);
	add(&b, "region", s->region);
	add(&b, "access_key", s->access_key);
	add(&b, "secret_key", s->secret_key);
	add(&b, "session_token", s->session_token);
	return strbuf_steal(&b);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_source_ struct source s = {0};
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		_cleanup_free_ char *parts = NULL;
		int r = source_parse(good[i].text, &s, &err);

		parts = r == 0 ? describe(&s) : xstrdup(err_text(&err));
		is_str(parts, good[i].parts, "'%s'", good[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_source_ struct source s = {0};
		_cleanup_err_ struct th_err err = TH_ERR_INIT;
		int r = source_parse(bad[i].text, &s, &err);

		ok(r == -EINVAL && err.status == EXIT_USAGE && !s.url && !s.subdir,
			"case %zu is refused", i);
		if (!ok(strstr(err_text(&err), bad[i].why) != NULL, "%s", bad[i].why))
			printf("# got '%s'\n", err_text(&err));
	}
	for (size_t i = 0; i < ARRAY_SIZE(redacted); i++) {
		_cleanup_free_ char *shown = source_redact(redacted[i].text);

		is_str(shown, redacted[i].shown, "shown as '%s'", redacted[i].shown);
	}
	return done_testing();
}
