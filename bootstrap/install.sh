set -eu
# A failure is told as those of files are: the path, and what the system says, which stands behind the last colon.
fail() {
    echo "$file: ${1##*: }" >&2
    exit 1
}
refuse() {
    echo "$file $1" >&2
    exit 1
}
file=$1
case $file in
'')
    file=~/.local/bin
    [ "$(id -u)" != 0 ] || file=/usr/local/bin
    error=$(mkdir -p "$file" 2>&1) || fail "$error"
    ;;
/*) ;;
'~' | '~/'*)
    home=~
    file=$home${file#'~'}
    ;;
*) file=$(pwd)/$file ;;
esac
[ ! -d "$file" ] || file=${file%/}/hopvine
[ ! -d "$file" ] || refuse 'is a folder'
[ -f "$file" ] || [ ! -e "$file" ] || refuse 'is a device, a socket or a pipe, and no file'
[ -e "$file" ] || [ ! -L "$file" ] || refuse 'is a symbolic link that leads nowhere'
new=$(mktemp "$file.XXXXXX" 2>&1) || fail "$new"
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM
# Without a name while it comes and is tried: whoever is killed meanwhile leaves nothing.
exec 3<>"$new"
rm -f "$new"
chmod 755 /proc/$$/fd/3
error=$(cat 2>&1 >&3) || fail "${error:-the copy is not whole}"
exec 4</proc/$$/fd/3 3>&-
copy=/proc/$$/fd/4
"$copy" relay --is "$2" --sum "$3" 2>/dev/null || fail 'the copy does not run there'
# A shell cannot give that one a name: it makes another of itself that can be given one when it is whole.
error=$("$copy" relay --place "$file" 2>&1) || fail "$error"
echo "$file"
