#!/bin/bash
# What there is to do on a GPU, a part at a time, each within ten minutes: the tests that only a GPU can run,
# throughput, the plan of the original study and a ladder of our own.
#
#     python recipes/prepare_data.py --config recipes/studies/gpu_original.yaml       # on any machine, beforehand
#     python recipes/prepare_data.py --config recipes/studies/gpu_seed_ladder.yaml
#     bash benchmarks/gpu.sh FOLDER [tests|throughput|original|ladder ...]            # there, with outputs/ copied
#
# Without a part, all of them in this order. Logs and results come into FOLDER, and both studies without their data and
# weights; unpacked over outputs/ elsewhere, the same commands without --train-only conclude them there.
set -u

study() { # NAME SECONDS
    timeout "$2" accelerate launch recipes/sweep.py --config "recipes/studies/$1.yaml" --train-only >"$out/$1.log" 2>&1
    local code=$?
    tar czf "$out/$1.tgz" -C outputs --exclude={dataset,tokens,trunks,checkpoints} --exclude='*/runs/[!b]*/model' "$1"
    return "$code"
}

tests() {
    timeout 540 python -m pytest -n 4 --dist=load tests/training/test_gpu.py >"$out/tests.log" 2>&1
}

throughput() {
    # compilation is most of the first run of a size: all sizes at once
    for size in 126M 19M 1M; do
        for precision in bf16 fp16; do
            timeout 200 python benchmarks/throughput.py --warm "$size" "$precision" >/dev/null 2>&1 &
        done
    done
    wait
    timeout 340 python benchmarks/throughput.py >"$out/throughput.log" 2>&1 && cp benchmarks/results/throughput_*.json "$out"
}

original() {
    study gpu_original 500 &&
        timeout 60 python benchmarks/original_study.py outputs/gpu_original >"$out/original.log" 2>&1 &&
        cp benchmarks/results/original_study_*.json "$out"
}

ladder() {
    study gpu_seed_ladder 560
}

(($#)) || { sed -n 's/^# *bash/usage: bash/p' "$0" >&2; exit 2; }
out=$(realpath "$1")
shift
(($#)) || set -- tests throughput original ladder
for part; do
    case $part in tests | throughput | original | ladder) ;; *) echo "gpu.sh: no part '$part'" >&2; exit 2 ;; esac
done
mkdir -p "$out"
failed=0
for part; do
    start=$SECONDS
    "$part"
    code=$?
    ((code == 0)) || failed=1
    echo "$part: exit code $code, $((SECONDS - start)) s"
done
exit "$failed"
