#!/bin/sh
# Serves the trial protocol without a model. $1 says how; its one output tensor holds two floats, 1.0 and 0.5.
nonce=$(cat nonce)
config=null
[ -f subgraph.txt ] && config="\"$(sha256sum <subgraph.txt | cut -d' ' -f1)\""
echo "subgraph operators: "
echo "to stderr" >&2
tensor() {
  printf '\000\000\200\077\000\000\000\077' >out0.raw
  hash=$(sha256sum <out0.raw | cut -d' ' -f1)
  printf '{"name":"out","dtype":"float32","shape":[1,2],"file":"out0.raw","bytes":8,"sha256":"%s"}' "$hash"
}
report() {
  printf '{"version":1,"nonce":"%s","config_sha256":%s,%s,"timings":{"run_ms":[1.5]}}' "$1" "$2" "$3" >result.part
  mv result.part result.json
}
case $1 in
  good) report "$nonce" "$config" "\"tensors\":[$(tensor)]" ;;
  score) report "$nonce" "$config" '"score":0.25' ;;
  nan) report "$nonce" "$config" '"score":NaN' ;;
  stale) report 00000000000000000000000000000000 "$config" '"score":1' ;;
  ignores-config) report "$nonce" null '"score":1' ;;
  garbage) head -c 5000 /dev/urandom >result.json ;;
  truncated) report "$nonce" "$config" "\"tensors\":[$(tensor)]"; head -c 60 result.json >cut; mv cut result.json ;;
  short-tensor) report "$nonce" "$config" "\"tensors\":[$(tensor)]"; printf x >out0.raw ;;
  escape) report "$nonce" "$config" '"tensors":[{"name":"o","dtype":"int8","shape":[1],"file":"../../x","bytes":1,"sha256":"'"$(printf x | sha256sum | cut -d' ' -f1)"'"}]' ;;
  link) report "$nonce" "$config" "\"tensors\":[$(tensor)]"; mv out0.raw real; ln -s /etc/passwd out0.raw ;;
  silent) ;;
  failed) report "${2:-$nonce}" "$config" '"failed":{"reason":"it aborted","stderr":"F"}'; exit "${3:-1}" ;;
  exit) echo "the last word" >&2; exit "$2" ;;
  signal) kill -"$2" $$ ;;
  hang) trap '' HUP TERM INT; echo started >started; while :; do sleep 1000; done ;;
  pool)
    # What is wrong with this board, as a shell snippet.
    [ -f ../../control ] && . ../../control
    case $(cat subgraph.txt) in
      hang) trap '' HUP TERM INT; while :; do sleep 1000; done ;;
      crash) kill -ABRT $$ ;;
      bad) exit 1 ;;
      once) mkdir ../../once 2>/dev/null && while :; do sleep 1000; done ;;
    esac
    [ -z "$SLOW" ] || sleep "$SLOW"
    report "$nonce" "$config" "\"score\":$(wc -c <subgraph.txt)${DRIFT:+e1}"
    ;;
  full) printf 'x%.0s' 1 2 3 >/dev/full || exit 1 ;;
esac
