#ifndef TH_CMD_DISPATCH_H
#define TH_CMD_DISPATCH_H

/*
 * Finds the command that the arguments name, parses its options after its tables (cmd/cmd.h) and
 * runs it; prints the help from the same tables. SIGPIPE is ignored from here on, and 0 to 2 are
 * open. Returns the exit status.
 */
int dispatch_main(int argc, char **argv);

#endif
