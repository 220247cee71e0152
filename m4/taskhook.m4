# Macros of taskhook's own for configure.ac.

# TH_TRY_FLAGS(VARIABLE, FLAGS, [COMPANIONS])
# Appends each of FLAGS that the compiler takes without a warning to VARIABLE. -Werror is there
# because clang only warns of an option that it does not know. COMPANIONS are given beside the
# flag while trying, for options that mean nothing alone. The program has a header of libc in it,
# as some options (_FORTIFY_SOURCE without -O) are refused there only.
AC_DEFUN([TH_TRY_FLAGS], [
	for th_flag in m4_normalize([$2]); do
		AS_VAR_PUSHDEF([th_cache], [th_cv_flag_$th_flag])
		AC_CACHE_CHECK([whether $CC accepts $th_flag], [th_cache], [
			th_saved_CFLAGS=$CFLAGS
			CFLAGS="$CFLAGS $3 $th_flag -Werror"
			AC_LINK_IFELSE(
				[AC_LANG_PROGRAM([[#include <stdlib.h>
#include <string.h>]], [[]])],
				[AS_VAR_SET([th_cache], [yes])],
				[AS_VAR_SET([th_cache], [no])])
			CFLAGS=$th_saved_CFLAGS
		])
		AS_VAR_IF([th_cache], [yes], [AS_VAR_APPEND([$1], [" $th_flag"])])
		AS_VAR_POPDEF([th_cache])
	done
])

# TH_TRY_LDFLAGS(VARIABLE, FLAGS)
# The same for options of the linker.
AC_DEFUN([TH_TRY_LDFLAGS], [
	for th_flag in m4_normalize([$2]); do
		AS_VAR_PUSHDEF([th_cache], [th_cv_ldflag_$th_flag])
		AC_CACHE_CHECK([whether the linker accepts $th_flag], [th_cache], [
			th_saved_LDFLAGS=$LDFLAGS
			LDFLAGS="$LDFLAGS $th_flag"
			AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
				[AS_VAR_SET([th_cache], [yes])],
				[AS_VAR_SET([th_cache], [no])])
			LDFLAGS=$th_saved_LDFLAGS
		])
		AS_VAR_IF([th_cache], [yes], [AS_VAR_APPEND([$1], [" $th_flag"])])
		AS_VAR_POPDEF([th_cache])
	done
])

# TH_LIBRARY(PREFIX, MODULE, MINIMUM, DEBIAN-PACKAGE, FEDORA-PACKAGE, ALPINE-PACKAGE)
# PKG_CHECK_MODULES that says what to install when the library is not there.
AC_DEFUN([TH_LIBRARY], [
	PKG_CHECK_MODULES([$1], [$2 >= $3], [], [
		AC_MSG_ERROR([the library '$2' (version $3 or later) was not found: $$1_PKG_ERRORS
Install it and run configure again:
    Debian, Ubuntu      apt-get install $4
    Fedora, RHEL        dnf install $5
    Alpine              apk add $6])
	])
])

# TH_STATIC_LIBRARIES(auto|yes|no)
# Makes INIH_LIBS and JANSSON_LIBS name the archives, where the linker takes them into a program that
# is position-independent. Sets th_linked to shared or static.
AC_DEFUN([TH_STATIC_LIBRARIES], [
	th_linked=shared
	AS_IF([test "x$1" != xno], [
		th_static_inih=$(AS_ECHO(["$INIH_LIBS"]) | $SED 's/-linih/-l:libinih.a/')
		th_static_jansson=$(AS_ECHO(["$JANSSON_LIBS"]) | $SED 's/-ljansson/-l:libjansson.a/')
		th_static_CFLAGS=$CFLAGS
		th_static_LIBS=$LIBS
		CFLAGS="$CFLAGS -fPIE -pie $INIH_CFLAGS $JANSSON_CFLAGS"
		LIBS="$th_static_jansson $th_static_inih $LIBS"
		AC_MSG_CHECKING([for archives of inih and jansson])
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>
#include <ini.h>
#include <jansson.h>]],
			[[json_decref(json_object());
			return ini_parse_stream(NULL, NULL, NULL, NULL);]])],
			[th_linked=static
			INIH_LIBS=$th_static_inih
			JANSSON_LIBS=$th_static_jansson
			AC_MSG_RESULT([yes])],
			[AC_MSG_RESULT([no])])
		CFLAGS=$th_static_CFLAGS
		LIBS=$th_static_LIBS
		AS_IF([test "x$1" = xyes && test "x$th_linked" = xshared],
			[AC_MSG_ERROR([--with-static-libs: libinih.a or libjansson.a cannot be linked into a position-independent program])])
	])
])

# TH_STATIC_LIBC(auto|yes|no)
# Sets TASKHOOK_PIE to -static-pie, which links a position-independent program without shared objects,
# where libc and the libraries of TH_STATIC_LIBRARIES are there for it, else to $(TH_PIE); th_libc to
# static or shared.
AC_DEFUN([TH_STATIC_LIBC], [
	th_libc=shared
	TASKHOOK_PIE='$(TH_PIE)'
	AS_IF([test "x$1" != xno && test "x$th_linked" = xstatic], [
		th_libc_CFLAGS=$CFLAGS
		th_libc_LIBS=$LIBS
		CFLAGS="$CFLAGS -fPIE -static-pie $INIH_CFLAGS $JANSSON_CFLAGS"
		LIBS="$JANSSON_LIBS $INIH_LIBS $LIBS"
		AC_MSG_CHECKING([for a libc that can be linked without shared objects])
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>
#include <pwd.h>
#include <jansson.h>]],
			[[json_decref(json_object());
			return fgetpwent(stdin) ? 1 : 0;]])],
			[th_libc=static
			TASKHOOK_PIE=-static-pie
			AC_MSG_RESULT([yes])],
			[AC_MSG_RESULT([no])])
		CFLAGS=$th_libc_CFLAGS
		LIBS=$th_libc_LIBS
	])
	AS_IF([test "x$1" = xyes && test "x$th_libc" = xshared],
		[AC_MSG_ERROR([--with-static-libc: libc, libinih and libjansson cannot all be linked without shared objects])])
	AC_SUBST([TASKHOOK_PIE])
])

# TH_DEFINE_DIR(NAME, DIRECTORY, DESCRIPTION)
# Defines NAME in config.h as DIRECTORY with ${prefix} and its kin replaced.
AC_DEFUN([TH_DEFINE_DIR], [
	th_dir='$2'
	th_previous=
	while test "x$th_dir" != "x$th_previous"; do
		th_previous=$th_dir
		eval "th_dir=\"$th_dir\""
	done
	AC_DEFINE_UNQUOTED([$1], ["$th_dir"], [$3])
])
