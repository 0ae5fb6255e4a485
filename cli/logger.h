/* logger: the daemon's log: lines on stderr. Under systemd (JOURNAL_STREAM or NOTIFY_SOCKET is set)
 * each starts with the priority that journald understands and has no time of its own. */
#ifndef OV_CLI_LOGGER_H
#define OV_CLI_LOGGER_H

#include "core/log.h"

struct ov_log ov_logger(enum ov_log_level max);

#endif
