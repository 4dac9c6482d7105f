#!/usr/bin/env bash
# What each kind of distillation is worth: students that differ in one thing, at equal data and equal steps.
# usage: [JOBS=N] eval/kd_pays.sh TATOEBA_FOLDER [RUNS_FOLDER]
#   21 runs, resumable one by one and within each; JOBS=N trains N of them at a time
#   a GPU divides its time among processes, so that few at a time are as fast as many
set -euo pipefail
tatoeba=${1:?folder with the files that eval/suites/tatoeba.yaml names}
runs=${2:-runs/kd_pays}
export BIN=${BIN:-.venv/bin}
jobs=${JOBS:-1}
seeds=${SEEDS:-1 2 3}
read -ra common <<< "${SETS:-}" # more overrides for every run, such as training.device=cuda
phase="training.phases[0]"
rows=() commands=()

make() { # verb, run folder, overrides: one run up to the verb's stage
  local verb=$1 folder=$2 sets=() override; shift 2
  for override in "${common[@]}" "$@"; do sets+=(--set "$override"); done
  printf '%q ' "$BIN/nmt-distill" "$verb" eval/recipes/kd_pays.yaml --out "$folder" "${sets[@]}"
}
labels() { # name, overrides: a corpus with labels of one kind and a vocabulary, which runs then share
  local name=$1; shift
  eval "$(make train-vocabulary "$runs/$name" "$@")" > /dev/null
}
row() { # title, seeds, labels, description, then overrides
  local title=$1 wanted=$2 labels=$3 description=$4 folders=() seed folder command; shift 4
  for seed in $wanted; do
    folder="$runs/${title//[^a-zA-Z0-9]/_}_$seed"
    command="$(make export "$folder" "reuse=$labels" "training.seed=$seed" "description=$description" "$@") > /dev/null"
    if [[ $title == *on-policy* || $title == *hidden* ]]; then # the teacher runs along: the longest begin first
      commands=("$command" "${commands[@]}")
    else
      commands+=("$command")
    fi
    folders+=("$folder")
  done
  rows+=(--row "$title=$(IFS=,; echo "${folders[*]}")")
}

labels teacher
labels human reuse=teacher distillation.targets=human "$phase.kd_weight=0"
labels forced reuse=teacher distillation.targets=forced

first=${seeds%% *}
human=(distillation.targets=human "$phase.kd_weight=0")
hybrid=("$phase.kd_weight=0.5")
row "no teacher" "$seeds" human "human translations, plain training" "${human[@]}"
row "sequence level" "$seeds" teacher "the greedy translations of the teacher, plain training" "$phase.kd_weight=0"
row "word level" "$seeds" forced "human translations, KL from the teacher's next-token probabilities" \
  distillation.targets=forced "$phase.kd_weight=1"
row "hybrid" "$seeds" teacher "translations of the teacher, half the loss KL from its next-token probabilities" \
  "${hybrid[@]}"
for divergence in reverse_kl js tvd skew_kl; do
  row "hybrid, $divergence" "$first" teacher "as hybrid, with another divergence" "${hybrid[@]}" \
    "$phase.divergence=$divergence"
done
row "hybrid, hidden" "$first" teacher "as hybrid, and the last encoder layer imitates the teacher's" "${hybrid[@]}" \
  "$phase.hidden=[{side: encoder, teacher_layer: 6, student_layer: 3, weight: 1.0}]"
row "hybrid, on-policy" "$first" teacher "as hybrid, and a fifth of the batches has targets that the student samples" \
  "${hybrid[@]}" "$phase.on_policy_share=0.2"
row "hybrid, embeddings" "$first" teacher \
  "as hybrid, from the teacher's embeddings, narrowed by singular value decomposition" \
  "${hybrid[@]}" student.initialization=embeddings
post_norm=("${hybrid[@]}" student.graph=marian) # the teacher's graph, the only one that can take its layers
row "post-norm, hybrid" "$first" teacher "as hybrid, in the teacher's graph" "${post_norm[@]}"
row "post-norm, hybrid, layers" "$first" teacher \
  "as post-norm, hybrid, from the teacher's embeddings and layers, narrowed by singular value decomposition" \
  "${post_norm[@]}" student.initialization=teacher

printf '%s\0' "${commands[@]}" | xargs -0 -P "$jobs" -I{} bash -c '{}'

"$BIN/nmt-distill" compare "${rows[@]}" --against "no teacher" --against "sequence level" \
  --report eval/reports/kd_pays --title "What distillation pays, English to Portuguese" \
  --made-by "eval/kd_pays.sh TATOEBA_FOLDER" \
  --set "evaluation.suites=[{suite: eval/suites/tatoeba.yaml, folder: $tatoeba}]"
