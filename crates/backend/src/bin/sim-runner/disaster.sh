# What befalls a board behind sshd in the middle of a trial: $1 says what, $2 is the runner. The daemon and its sessions are found among
# the runner's ancestors; the daemon comes last.
parent_of() { sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f2; }
daemon=; sessions=; shells=
pid=$2
while pid=$(parent_of "$pid") && [ "$pid" -gt 1 ]; do
  case $(cat "/proc/$pid/comm") in
    sshd*) sessions="$sessions $daemon"; daemon=$pid ;;
    *) [ -n "$daemon" ] && break; shells="$shells $pid" ;;
  esac
done
[ -n "$daemon" ] || exit 0
case $1 in
  cut) kill -9 $sessions ;;
  frozen)
    kill -STOP $sessions
    # Thaws when nobody waits any more: a stopped process would be there for ever.
    setsid sh -c "sleep 6; kill -CONT $sessions" </dev/null >/dev/null 2>&1 &
    ;;
  full) for pid in $2 $shells; do prlimit --pid "$pid" --fsize=2048; done ;;
  reboot)
    [ -d ../../store ] && rm -rf ../../store
    kill -9 $sessions "$daemon" "$2"
    ;;
esac
