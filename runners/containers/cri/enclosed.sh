# The first process of new net, mount and pid namespaces in which daemons run. Run by enclosure.py as root; when it is
# killed, the kernel ends all that runs in here, and every mount and interface goes with it.
#   $1 folder for what the daemons keep, $2 root of fetched programs or /, then cgroup.procs files to enter, then --,
#   then the daemons, each a command line of its own in the shell's words, started when a line comes on standard input
set -u
folder=$1 root=$2
shift 2
while [ "$1" != -- ]; do
    echo 0 >"$1" || echo "tare: cannot enter $1"
    shift
done
shift
mount -t proc proc /proc
ip link set lo up
# Fixed paths of containerd's shims, of CNI's plugins and of a kubelet, which daemons of the user's may be using.
mount -t tmpfs -o mode=755 tare /run
for path in /var/lib /var/log; do
    case $folder:$root in
        *$path/*) ;; # or its own would be hidden
        *) mount -t tmpfs -o mode=755 tare $path ;;
    esac
done
# Files that lie over sysctls: whoever wants another value of the host's writes there.
for file in "$folder"/sysctl/*; do
    [ -e "$file" ] || continue
    name=${file##*/}
    case $name in
        kernel.keys.*) target=/proc/sys/kernel/keys/${name##*.} ;;
        *) target=/proc/sys/${name%%.*}/${name#*.} ;;
    esac
    [ ! -e "$target" ] || mount --bind "$file" "$target"
done
# Fetched programs have to find their own loader and libraries, and each other: so here their /usr lies over the host's.
# Nothing but the shell's own commands may follow.
if [ "$root" != / ]; then
    mount --bind "$root/usr" /usr
fi
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd "$folder"
for daemon in "$@"; do
    read -r _ || exit 1 # a line for each says that what it needs is there
    eval "exec $daemon" </dev/null &
done
wait
