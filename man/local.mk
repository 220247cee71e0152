man_pages = \
	man/taskhook.conf.5
