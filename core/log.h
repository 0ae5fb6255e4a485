/* log: where core/ says things to people. The sink belongs to the edge; no secret ever goes in. */
#ifndef OV_CORE_LOG_H
#define OV_CORE_LOG_H

enum ov_log_level { OV_LOG_ERROR, OV_LOG_WARN, OV_LOG_INFO, OV_LOG_DEBUG };

struct ov_log {
    void (*write)(void *arg, enum ov_log_level level, const char *line); /* NULL: silent */
    void *arg;
    enum ov_log_level max; /* levels above this are dropped before formatting */
};

void ov_log(const struct ov_log *log, enum ov_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
