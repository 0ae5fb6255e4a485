# shellcheck shell=bash disable=SC2034
# The wire between a and b, without any VPN.
LAYER=Ethernet
B=20.0.0.2
up() { true; }
pids() { true; }
about() { CIPHER='none' VERSION=$(uname -r); }
