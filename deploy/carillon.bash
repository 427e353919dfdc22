# bash completion for carillon. Flags come from the program's own help.

_carillon()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]-} more=${COMP_WORDS[2]-} words=
    case $before in
        --db | --config | --ca-file | --secrets-key | backup | doctor | lint | crontab | restore | move)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            [[ $word == -* ]] || return
            ;;
        --listen-unix | --tls-cert | --tls-key | --tls-client-ca)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        --log-level) words="debug info warn error" ;;
        --log-format) words="text json" ;;
        --dispatch) words="wire curl" ;;
        --tz) words=$(cd /usr/share/zoneinfo 2>/dev/null && find [A-Z]* -type f) ;;
        carillon | help) words=$(carillon help | sed -n 's/^  \([a-z]*\) .*/\1/p') ;;
        cron) words="next explain lint" ;;
        import) words="crontab" ;;
        secrets) words="new-key rotate" ;;
        tokens) words="create list revoke" ;;
        channels) words="list create test delete" ;;
        silences) words="list create delete" ;;
        --scope) words="read trigger write admin" ;;
    esac
    if [[ -z $words && $word == -* ]]; then
        case $command in
            cron | import | secrets | tokens | channels | silences) words=$(carillon help "$command" "$more" 2>/dev/null) ;;
            *) words=$(carillon help "$command" 2>/dev/null) ;;
        esac
        words=$(grep -o -- '--[a-z][a-z-]*' <<<"$words" | sort -u)
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -o default -F _carillon carillon
