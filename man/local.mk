man_pages = \
	man/taskhook-hooks.7 \
	man/taskhook.conf.5
