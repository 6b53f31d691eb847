# First process of the network, mount and pid namespaces in which daemons run. enclosure.py starts it as root. When it
# is killed, the kernel ends everything in the namespaces and removes their mounts and interfaces.
#   $1 folder for the daemons' files, $2 root of the fetched programs or /, then cgroup.procs files to enter, then --,
#   then one quoted command line per daemon; each is started when a line arrives on standard input
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
# Hide the fixed paths of containerd's shims, CNI plugins and kubelets: the user's own daemons may be using them.
mount -t tmpfs -o mode=755 tare /run
for path in /var/lib /var/log; do
    case $folder:$root in
        *$path/*) ;; # our own folder is below
        *) mount -t tmpfs -o mode=755 tare $path ;;
    esac
done
# Bind files over sysctls, so that a daemon that changes one does not change the host's.
for file in "$folder"/sysctl/*; do
    [ -e "$file" ] || continue
    name=${file##*/}
    case $name in
        kernel.keys.*) target=/proc/sys/kernel/keys/${name##*.} ;;
        *) target=/proc/sys/${name%%.*}/${name#*.} ;;
    esac
    [ ! -e "$target" ] || mount --bind "$file" "$target"
done
# Fetched programs must find their own loader, libraries and each other, so bind their /usr over the host's.
# Only shell built-ins may follow.
if [ "$root" != / ]; then
    mount --bind "$root/usr" /usr
fi
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd "$folder"
for daemon in "$@"; do
    read -r _ || exit 1 # wait until what this daemon needs is there
    eval "exec $daemon" </dev/null &
done
wait
