#!/bin/bash
# Sweep on a Slurm cluster, for sbatch: Ray on all nodes of the job, and the launch on the first.
# README.md, "Slurm", says what to fill in. Before the time limit, or when the job is preempted, all
# trials take checkpoints, the job is queued again, and goes on.
#
# Checked without a cluster: shellcheck; run by hand under Slurm 22.05 on one machine that it took for
# two nodes, through a requeue, when it still sent SIGINT to the launch. SIGTERM was tried with a real
# launch, a real `ray start` and stand-ins for Slurm. Not run: more machines, GPUs.

#SBATCH --job-name=colorsweep
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=colorsweep-%j.log

set -euo pipefail

sweep=${1:?is missing: sbatch slurm.sh SWEEP.yaml}
# Must be the same directory on all nodes.
export COLORSWEEP_RUNS=${COLORSWEEP_RUNS:-$SLURM_SUBMIT_DIR/runs}

# Nothing trains yet; later the trap is that of the launch.
trap 'scontrol requeue "$SLURM_JOB_ID"; exit' TERM

# Of this job alone: several may share a machine.
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export RAY_ADDRESS=$head:$((20000 + SLURM_JOB_ID % 10000))
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN
# Ray's sockets are in it: a short path, on the node's own disk.
directory=/tmp/ray-$SLURM_JOB_ID
resources=(--num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="${SLURM_GPUS_ON_NODE:-0}")

srun --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --block --port="${RAY_ADDRESS#*:}" --temp-dir="$directory" \
    --include-dashboard=false --disable-usage-stats "${resources[@]}" &
first=$!
# `ray health-check` is content before the head can be joined.
until python -c 'import ray; ray.init()' >/dev/null 2>&1; do
    kill -0 "$first"
    sleep 2
done
if ((SLURM_JOB_NUM_NODES > 1)); then
    srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) \
        --exclude="$head" \
        ray start --block --address="$RAY_ADDRESS" --disable-usage-stats "${resources[@]}" &
fi

colorsweep launch "$sweep" &
launch=$!
again=false
# It takes checkpoints of all trials, as Ctrl-C does, or ends a launch that has not begun to train.
# SIGINT would be ignored until then: bash starts background commands so.
trap 'again=true; kill -TERM "$launch"' TERM
code=0
wait "$launch" || code=$?
# A signal ends `wait` before the launch has ended.
while kill -0 "$launch" 2>/dev/null; do
    code=0
    wait "$launch" || code=$?
done
if $again; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
