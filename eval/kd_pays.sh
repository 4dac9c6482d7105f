#!/usr/bin/env bash
# What each kind of distillation is worth: students that differ in one thing, at equal data and equal steps.
# usage: eval/kd_pays.sh TATOEBA_FOLDER [RUNS_FOLDER]     14 runs, resumable one by one and within each
# Not yet run as it stands: with 1,200 updates (9 minutes a run on one core) the row without teacher has 0.7 BLEU and
# the others are as far from a translation, so that nothing could be compared; 6,000 are some 45 minutes a run.
set -euo pipefail
tatoeba=${1:?folder with the files that eval/suites/tatoeba.yaml names}
runs=${2:-runs/kd_pays}
bin=${BIN:-.venv/bin}
seeds=${SEEDS:-1 2 3}
phase="training.phases[0]"

"$bin/nmt-distill" train-vocabulary eval/recipes/kd_pays.yaml --out "$runs/base" > /dev/null
rows=()
row() { # title, seeds, description, then overrides
  local title=$1 wanted=$2 description=$3 folders=() sets=() seed folder override; shift 3
  for override in "$@"; do sets+=(--set "$override"); done
  for seed in $wanted; do
    folder="$runs/${title//[^a-zA-Z0-9]/_}_$seed"
    "$bin/nmt-distill" export eval/recipes/kd_pays.yaml --out "$folder" --set reuse=base \
      --set "training.seed=$seed" --set "description=$description" "${sets[@]}" > /dev/null
    folders+=("$folder")
  done
  rows+=(--row "$title=$(IFS=,; echo "${folders[*]}")")
}
first=${seeds%% *}

row "no teacher" "$seeds" "human translations, plain training" distillation.targets=human "$phase.kd_weight=0"
row "sequence level" "$seeds" "the greedy translations of the teacher, plain training" "$phase.kd_weight=0"
row "word level" "$seeds" "human translations, KL from the teacher's next-token probabilities" \
  distillation.targets=forced "$phase.kd_weight=1"
row "hybrid" "$seeds" "translations of the teacher, half the loss KL from its next-token probabilities" "$phase.kd_weight=0.5"
for divergence in reverse_kl js tvd skew_kl; do
  row "hybrid, $divergence" "$first" "as hybrid, with another divergence" "$phase.kd_weight=0.5" \
    "$phase.divergence=$divergence"
done
row "hybrid, hidden" "$first" "as hybrid, and the last encoder layer imitates the teacher's" "$phase.kd_weight=0.5" \
  "$phase.hidden=[{side: encoder, teacher_layer: 6, student_layer: 3, weight: 1.0}]"
row "hybrid, on-policy" "$first" "as hybrid, and a fifth of the batches has targets that the student samples" \
  "$phase.kd_weight=0.5" "$phase.on_policy_share=0.2"
row "hybrid, embeddings" "$first" "as hybrid, from the teacher's embeddings, narrowed by singular value decomposition" \
  "$phase.kd_weight=0.5" student.initialization=embeddings
row "hybrid, layers" "$first" "as hybrid, from the teacher's embeddings and layers, narrowed by the same" \
  "$phase.kd_weight=0.5" student.initialization=teacher

"$bin/nmt-distill" compare "${rows[@]}" --against "no teacher" --against "sequence level" \
  --report eval/reports/kd_pays --title "What distillation pays, English to Portuguese" \
  --made-by "eval/kd_pays.sh TATOEBA_FOLDER" \
  --set "evaluation.suites=[{suite: eval/suites/tatoeba.yaml, folder: $tatoeba}]"
