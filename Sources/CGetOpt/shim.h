#pragma once

#include <getopt.h>

// The parser's state is in global variables, which Swift does not let out of C.

static inline void tributary_getopt_restart(void) {
    optind = 0;
    opterr = 0;
}

static inline int tributary_getopt(int count, char **arguments, const char *letters, const struct option *options) {
    return getopt_long(count, arguments, letters, options, 0);
}

/// The value of the option just found.
static inline const char *tributary_getopt_value(void) { return optarg; }

/// The place of the next argument.
static inline int tributary_getopt_index(void) { return optind; }

/// The option that the last call complained of, if it is known.
static inline int tributary_getopt_culprit(void) { return optopt; }
