/* version: what `ovpn --version` and the local API say. */
#ifndef OV_CLI_VERSION_H
#define OV_CLI_VERSION_H

#define OV_VERSION "0.1.0"

#endif
