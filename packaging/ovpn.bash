# shellcheck shell=bash
# bash completion for ovpn: commands and options from its own --help, names from the daemon.

# What comes from the daemon was written by others: owners of networks, who asks to be a member. So only what an
# address, an id or a name can be made of is offered, and none of it is ever given to the shell to expand, as
# `compgen -W` would.

# Words that `ovpn $@ --json` has for the JSON members that $1 names, an extended regular expression.
_ovpn_names() {
    local members=$1
    shift
    ovpn "$@" --json 2>/dev/null </dev/null |
        LC_ALL=C sed -nE 's/^ *"('"$members"')": "([A-Za-z0-9][A-Za-z0-9._-]*)",?$/\2/p' | sort -u
}

# Into COMPREPLY those of the lines $2 that begin with $1.
_ovpn_offer() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        [[ -n $word && $word == "$1"* ]] && COMPREPLY+=("$word")
    done <<<"$2"
}

_ovpn() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local -a state=() path=() args=()
    local i word list='' keys='name note mtu pool ip6 check-ip broadcast multicast-limit open window routes dns'

    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        -H | --state)
            [[ $i -lt $((COMP_CWORD - 1)) ]] && state=(-H "${COMP_WORDS[++i]}") ;;
        -m | --member)
            keys='ip bridge note tags'
            [[ $i -lt $((COMP_CWORD - 1)) ]] && ((i++)) ;;
        -*) ;;
        id | net | controller) [[ ${#path[@]} -eq 0 ]] && path=("$word") || args+=("$word") ;;
        *)
            if [[ ${#path[@]} -eq 0 || (${#path[@]} -eq 1 && ${path[0]} =~ ^(id|net|controller)$) ]]; then
                path+=("$word")
            else
                args+=("$word")
            fi ;;
        esac
    done

    case $prev in
    -H | --state)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return ;;
    esac

    if [[ $cur == -* ]]; then
        list=$(ovpn "${path[@]}" --help 2>/dev/null |
            LC_ALL=C sed -nE 's/^ +(-[A-Za-z], )?(--[a-z0-9-]+).*/\2/p')
        [[ ${#path[@]} -eq 0 ]] && list=$'--help\n--version\n--json\n--state'
    elif [[ ${#path[@]} -eq 0 || ${path[*]} == id || ${path[*]} == net || ${path[*]} == controller ]]; then
        list=$(ovpn "${path[@]}" --help 2>/dev/null | LC_ALL=C sed -nE 's/^  ([a-z]+) .*/\1/p')
    else
        case "${path[*]} ${#args[@]}" in
        'leave 0') list=$(_ovpn_names 'netid|name' "${state[@]}" networks) ;;
        'ping 0' | 'peers 0' | 'doctor 0') list=$(_ovpn_names address "${state[@]}" peers) ;;
        'id check 0' | 'id export 0' | 'id import 0' | 'controller backup 0' | 'controller restore 0')
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return ;;
        'net create'* | 'net list'* | 'net '*' 2') ;;
        'net '*' 0') list=$(_ovpn_names 'netid|name' "${state[@]}" net list) ;;
        'net authorize 1' | 'net deauthorize 1' | 'net name 1' | 'net forget 1')
            list=$(_ovpn_names 'address|name' "${state[@]}" net members "${args[0]}") ;;
        'net revoke 1') list=$(_ovpn_names id "${state[@]}" net invites "${args[0]}") ;;
        'net set 1')
            if [[ $prev == --member || $prev == -m ]]; then
                list=$(_ovpn_names 'address|name' "${state[@]}" net members "${args[0]}")
            else
                list=${keys// /$'\n'}
            fi ;;
        esac
    fi
    _ovpn_offer "$cur" "$list"
}

complete -F _ovpn ovpn
