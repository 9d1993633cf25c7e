# Supervises one job on a board. Variables set above: nb_dir, nb_lock, nb_run, nb_seconds, nb_patience, nb_log_cap and
# nb_enter, the commands that prepare the job's own shell; the positional parameters are the job's command. Ends with exactly one line `end ...` on standard output.
nb_me=$(exec sh -c 'echo $PPID')
nb_boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo none)

# Whether a process of group $1 still lives; one that only waits to be reaped does not. Word 3 after the name in
# parentheses is the group.
nb_lives() {
  [ -r /proc/self/stat ] || { kill -0 -"$1" 2>/dev/null; return; }
  nb_want=$1
  for nb_stat in /proc/[0-9]*/stat; do
    { read -r nb_line <"$nb_stat"; } 2>/dev/null || continue
    nb_line=${nb_line##*) }
    set -- $nb_line
    [ "$3" = "$nb_want" ] && [ "$1" != Z ] && [ "$1" != X ] && return 0
  done
  return 1
}

# One job at a time on a board. A lock whose holder is gone, or belongs to this very search (its connection was lost),
# is taken over, and what still runs of that job is killed.
nb_waited=0
until mkdir "$nb_lock" 2>/dev/null; do
  nb_his_run=; nb_his_boot=; nb_his_shell=; nb_his_guard=0; nb_his_job=0
  { read -r nb_his_run nb_his_boot nb_his_shell nb_his_guard <"$nb_lock/holder"; } 2>/dev/null
  { read -r nb_his_job <"$nb_lock/job"; } 2>/dev/null
  if [ -n "$nb_his_run" ]; then
    if [ "$nb_his_boot" != "$nb_boot" ]; then nb_free=1
    elif [ "$nb_his_run" = "$nb_run" ]; then
      nb_free=1
      kill -9 "$nb_his_shell" 2>/dev/null
      for nb_group in $nb_his_job $nb_his_guard; do
        [ "$nb_group" = 0 ] || kill -9 -"$nb_group" 2>/dev/null
      done
    elif kill -0 "$nb_his_shell" 2>/dev/null || { [ "$nb_his_job" != 0 ] && nb_lives "$nb_his_job"; }; then nb_free=0
    else nb_free=1
    fi
  elif [ "$nb_waited" -ge 3 ]; then nb_free=1
  else nb_free=0
  fi
  if [ "$nb_free" = 1 ]; then
    mv "$nb_lock" "$nb_lock.$nb_me" 2>/dev/null && rm -rf "$nb_lock.$nb_me"
    [ ! -d "$nb_lock" ] || [ "$nb_waited" -lt "$nb_patience" ] || { echo "end busy $nb_his_run"; exit 0; }
    [ -w "${nb_lock%/*}" ] || { echo "end lost lock folder"; exit 0; }
  else
    [ "$nb_waited" -lt "$nb_patience" ] || { echo "end busy $nb_his_run"; exit 0; }
    sleep 1
  fi
  nb_waited=$((nb_waited + 1))
  [ "$nb_waited" -le $((nb_patience + 10)) ] || { echo "end busy $nb_his_run"; exit 0; }
done
echo "$nb_run $nb_boot $nb_me 0" >"$nb_lock/holder" || { rm -rf "$nb_lock"; echo "end lost cannot write $nb_lock"; exit 0; }
cd "$nb_dir" || { rm -rf "$nb_lock"; echo "end lost folder"; exit 0; }

rm -f timeout rc pid
nb_stuck=
trap 'nb_stuck=1' USR1
# The guard comes first, so that no job is ever without one, and it outlives this shell, so that a lost connection does not
# leave the job without a deadline. It speaks up only when the job survives its kill: then the wait below would never end.
setsid sh -c 'sleep "$1"; : >timeout; kill -9 -"$(cat pid)"; sleep 5; kill -USR1 "$2"' \
  guard "$nb_seconds" "$nb_me" >/dev/null 2>&1 </dev/null &
nb_guard=$!
echo "$nb_run $nb_boot $nb_me $nb_guard" >"$nb_lock/holder"
# The job's own shell writes down its group before it becomes the job, so that whoever finds the job can end it.
setsid sh -c "$nb_enter"'exec "$@"' job "$nb_me" "$@" >stdout 2>stderr </dev/null &
nb_job=$!
wait "$nb_job"
nb_rc=$?
# By its own id too: it may not have become the leader of its group yet.
kill -9 -"$nb_guard" 2>/dev/null
kill -9 "$nb_guard" 2>/dev/null
wait "$nb_guard" 2>/dev/null
kill -9 -"$nb_job" 2>/dev/null
[ -z "$nb_stuck" ] && [ -f timeout ] && nb_lives "$nb_job" && { sleep 2; nb_lives "$nb_job" && nb_stuck=1; }
if [ -n "$nb_stuck" ]; then nb_end=unkillable
elif [ -f timeout ]; then nb_end=timeout
else nb_end=rc=$nb_rc
fi
# A failure on a full disk says nothing about the job.
if [ "$nb_end" = rc=0 ]; then :
elif printf '%8192s' x >probe 2>/dev/null; then rm -f probe
else rm -f probe; [ "$nb_end" = unkillable ] || nb_end=full
fi
echo "$nb_end" >rc
for nb_log in stdout stderr; do
  [ $(($(wc -c <$nb_log))) -le "$nb_log_cap" ] || { head -c "$nb_log_cap" $nb_log >cut && mv cut $nb_log; }
done
rm -rf "$nb_lock"
echo "end $nb_end"
