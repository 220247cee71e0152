man_pages = \
	man/taskhook.1 \
	man/taskhook-fetch.1 \
	man/taskhook-exec.1 \
	man/taskhook-logs.1 \
	man/taskhook-recover.1 \
	man/taskhook-start.1 \
	man/taskhook-status.1 \
	man/taskhook-update.1 \
	man/taskhook-template.5 \
	man/taskhook-verify.1 \
	man/taskhook-lifecycle.7 \
	man/taskhook-hooks.7 \
	man/taskhook.conf.5
