# Becomes a Docker daemon of Tare's own. Run by private.py as root in new net and mount namespaces, from which no mount
# travels back to the host.
#   $1 folder for what lives as long as the daemon, $2 root of fetched programs or /, then cgroup.procs files to enter,
#   then -- and dockerd's options
set -eu
run=$1 root=$2
shift 2
while [ "$1" != -- ]; do
    echo $$ >"$1" || echo "tare: cannot enter $1"
    shift
done
shift
# Fixed paths of Docker and of containerd's shims, which a daemon of the user's may be using.
for folder in /run/docker /run/containerd; do
    mount -t tmpfs -o mode=711 tare "$folder"
done
# Fetched programs have to find their own loader and libraries, and call themselves by /proc/self/exe: so here their /usr
# lies over the host's. Nothing but the shell's own commands may follow before the path is set.
if [ "$root" != / ]; then
    mount --bind "$root/usr" /usr
fi
export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
ip link set lo up
# A package's iptables is named by its kind, and kernels may know only one of the two.
for kind in nft legacy; do
    if "$run/$kind/iptables" -t nat -L >/dev/null 2>&1; then
        export PATH="$run/$kind:$PATH"
        break
    fi
done
exec dockerd "$@"
