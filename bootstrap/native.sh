h=hopvine;type $h>/dev/null 2>&1||h=~/.local/bin/hopvine;$h relay --is @BUILD@ 2>/dev/null&&exec $h relay;
