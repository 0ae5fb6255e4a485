#!/bin/bash
# The dorm PC is reachable from anywhere: a real sshd, a real client, keys, a shell and a copy.
. "$(dirname "$0")/lab.sh"
two_joined
many_users || { skip "ssh" "sshd needs a second user for its privilege separation" && exit 0; }
S=$LAB/ssh
mkdir -p "$S" /run/sshd && chmod 700 "$S"
ssh-keygen -q -t ed25519 -N '' -f "$S/host" && ssh-keygen -q -t ed25519 -N '' -f "$S/user" || exit 1
cp "$S/user.pub" "$S/authorized_keys"
echo "dorm ssh-ed25519 $(cut -d' ' -f2 "$S/host.pub")" >"$S/known_hosts"
cat >"$S/config" <<C
ListenAddress $B
Port 22
HostKey $S/host
AuthorizedKeysFile $S/authorized_keys
PidFile none
PasswordAuthentication no
PermitRootLogin yes
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
C
on bob "$(command -v sshd)" -D -e -f "$S/config" >"$LOG/sshd" 2>&1 &
SSH=(-i "$S/user" -o UserKnownHostsFile="$S/known_hosts" -o HostKeyAlias=dorm -o StrictHostKeyChecking=yes
    -o BatchMode=yes -o ConnectTimeout=3 -F none)
need "a shell, by its overlay address" within 5 eval 'on alice ssh "${SSH[@]}" "root@$B" true'
check "it is the other machine" test "$(on alice ssh "${SSH[@]}" "root@$B" 'ip -4 -o addr show eth0' | grep -o '10\.0\.2\.2/24')" = 10.0.2.2/24
head -c 8000000 /dev/urandom >"$S/file"
check "8 MB there" eval 'on alice ssh "${SSH[@]}" "root@$B" "cat > $S/there" <"$S/file" && cmp "$S/file" "$S/there"'
check "and back, by sftp" eval 'on alice scp "${SSH[@]}" -q "root@$B:$S/there" "$S/back" && cmp "$S/file" "$S/back"'
