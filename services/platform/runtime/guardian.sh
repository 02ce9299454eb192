#!/bin/sh
# Outlives the supervisor and ends what it left behind. Reads '+ PID' and '- PID' lines; when stdin closes, which the
# kernel does however the supervisor died, it ends every process group still listed: SIGTERM, five seconds, SIGKILL.
trap '' INT TERM HUP
pids=''
while read -r sign pid; do
  case $sign in
    +) pids="$pids $pid" ;;
    -)
      kept=''
      for each in $pids; do [ "$each" = "$pid" ] || kept="$kept $each"; done
      pids=$kept
      ;;
  esac
done
[ -n "$pids" ] || exit 0
for pid in $pids; do kill -TERM "-$pid" 2>/dev/null; done
for _ in 1 2 3 4 5 6 7 8 9 10; do
  alive=''
  for pid in $pids; do kill -0 "-$pid" 2>/dev/null && alive="$alive $pid"; done
  [ -n "$alive" ] || exit 0
  sleep 0.5
done
for pid in $alive; do kill -KILL "-$pid" 2>/dev/null; done
exit 0
