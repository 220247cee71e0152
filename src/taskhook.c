#include "config.h"

#include "cmd/dispatch.h"

int main(int argc, char **argv)
{
	return dispatch_main(argc, argv);
}
