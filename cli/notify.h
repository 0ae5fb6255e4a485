/* notify: tells a service manager how far we are, by the datagram protocol of sd_notify(3). Nothing
 * happens when NOTIFY_SOCKET is not set. */
#ifndef OV_CLI_NOTIFY_H
#define OV_CLI_NOTIFY_H

void ov_notify(const char *state); /* "READY=1", "STOPPING=1" */

#endif
