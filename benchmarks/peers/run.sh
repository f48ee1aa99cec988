#!/bin/bash
# Every peer x workload x threads, one at a time; each prints one JSON line, appended to $RESULTS ($PEERS_DIR/results.jsonl); failures go to $PEERS_DIR/failures.log.
# ./run.sh [grep -E pattern over the lines "peer workload threads", e.g. 'jax-js W3']     BENCH_SECONDS=4 WORKLOADS='W1 W2 W3' by default
cd "$(dirname "$0")" || exit 1
export PEERS_DIR=$(realpath -m "${PEERS_DIR:-.peers}") BENCH_SECONDS=${BENCH_SECONDS:-4}
export RESULTS=${RESULTS:-$PEERS_DIR/results.jsonl}
VT=$PEERS_DIR/vt/bin/python VJ=$PEERS_DIR/vj/bin/python WORKLOADS=${WORKLOADS:-W1 W2 W3}
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE   # with them set, NumPy's library may take slower kernels
list() {
  for w in $WORKLOADS; do
    for t in 1 2; do
      echo "pytorch-eager $w $t : $VT peer_torch.py $w $t eager"
      echo "jax-jit $w $t : $VJ peer_jax.py $w $t"
      case $w in W1|W2|W3) echo "sklearn $w $t : $VJ peer_sklearn.py $w $t";; esac
      echo "jax-js $w $t : node peer_jaxjs.mjs $w $t $([ "$w" = W4 ] && echo im2col)"
    done
    echo "jax-js-relaxed $w 1 : node --experimental-wasm-relaxed-simd peer_jaxjs.mjs $w 1 $([ "$w" = W4 ] && echo im2col)"
    echo "tfjs-wasm $w 1 : node peer_tfjs.mjs $w 1 wasm"
    echo "tfjs-wasmT $w 1 : node peer_tfjs.mjs $w 1 wasmT"
  done
  # the slow ones last: compilation, or a step of seconds (brain.js on W3: 84 s a step)
  for w in $WORKLOADS; do for t in 1 2; do
    if [ "$w" = W6 ]; then echo "pytorch-compile2 W6 $t : $VT peer_torch.py W6 $t compile2"   # nn.GRU does not go through one compiled graph
    else echo "pytorch-compile $w $t : $VT peer_torch.py $w $t compile"; fi
  done; done
  for w in $WORKLOADS; do case $w in W1|W2|W3) echo "brain $w 1 : node peer_brain.mjs $w 1";; esac; done
  for w in $WORKLOADS; do echo "tfjs-cpu $w 1 : node peer_tfjs.mjs $w 1 cpu"; done
}
list | grep -E -- "${1:-.}" | while IFS= read -r l; do
  echo "$(date +%T) load $(cut -d' ' -f1 /proc/loadavg) ${l%% :*}" >&2
  out=$(timeout "${LIMIT:-420}" ${l#* : } 2>"$PEERS_DIR/err.log" </dev/null | grep '^{' | tail -1)
  if [ -n "$out" ]; then echo "$out" >> "$RESULTS"
  else { echo "== ${l%% :*}"; tail -3 "$PEERS_DIR/err.log"; } >> "$PEERS_DIR/failures.log"; echo "   failed" >&2; fi
done
