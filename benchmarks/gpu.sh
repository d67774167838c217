#!/bin/bash
# What one lent GPU is used for, in about ten minutes: the tests that only a GPU can run, throughput, and two studies.
#
#     python recipes/prepare_data.py --config recipes/studies/gpu_seed_ladder.yaml    # on any machine, beforehand
#     python recipes/prepare_data.py --config recipes/studies/gpu_original.yaml
#     bash benchmarks/gpu.sh FOLDER                                                   # there, with outputs/ copied
#
# Logs come into FOLDER, and both studies without their data and weights; unpacked over outputs/ elsewhere, the same
# commands without --train-only conclude them there.
set -u
out=$(realpath "$1")
start=$SECONDS

study() { # NAME SECONDS
    timeout "$2" accelerate launch "recipes/sweep.py" --config "recipes/studies/$1.yaml" --train-only >"$out/$1.log" 2>&1
    echo "$1: exit code $?, $((SECONDS - start)) s since the start"
    tar czf "$out/$1.tgz" -C outputs --exclude={dataset,tokens,trunks,checkpoints} --exclude='*/runs/[!b]*/model' "$1"
}

# compilation is most of the first run of a size: all sizes at once, while the tests run
for size in 126M 19M 1M; do
    for precision in bf16 fp16; do
        python benchmarks/throughput.py --warm "$size" "$precision" >/dev/null 2>&1 &
    done
done
python -m pytest -n 4 --dist=load tests/training/test_gpu.py >"$out/tests.log" 2>&1
wait
tail -n 1 "$out/tests.log"
timeout 240 python benchmarks/throughput.py >"$out/throughput.log" 2>&1
cp benchmarks/results/throughput_*.json "$out"
echo "throughput: $((SECONDS - start)) s since the start"
study gpu_seed_ladder 330
study gpu_original 130
