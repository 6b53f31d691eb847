# Prepare and exec a private Docker daemon. private.py runs this as root in new network and mount namespaces, from which
# no mount propagates to the host.
#   $1 folder for files that go with the daemon, $2 root of the fetched programs or /, then cgroup.procs files to enter,
#   then -- and dockerd's options
set -eu
run=$1 root=$2
shift 2
while [ "$1" != -- ]; do
    echo $$ >"$1" || echo "tare: cannot enter $1"
    shift
done
shift
# Hide the fixed paths of Docker and containerd's shims: the user's own daemon may be using them.
for folder in /run/docker /run/containerd; do
    mount -t tmpfs -o mode=711 tare "$folder"
done
# Fetched programs must find their own loader and libraries, and call themselves by /proc/self/exe, so bind their /usr
# over the host's. Only shell built-ins may follow until the path is set.
if [ "$root" != / ]; then
    mount --bind "$root/usr" /usr
fi
export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
ip link set lo up
# The package's iptables is named by its back end, and a kernel may support only one of the two.
for kind in nft legacy; do
    if "$run/$kind/iptables" -t nat -L >/dev/null 2>&1; then
        export PATH="$run/$kind:$PATH"
        break
    fi
done
exec dockerd "$@"
