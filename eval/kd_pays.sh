#!/usr/bin/env bash
# What each kind of distillation is worth: students that differ in one thing, at equal data and equal steps.
# usage: [JOBS=N] [SETTINGS="bilingual multilingual"] eval/kd_pays.sh TATOEBA_FOLDER [RUNS_FOLDER]
#   bilingual: 17 runs under the quickstart's teacher; multilingual: 20 smaller ones under `software_teacher`
#   resumable run by run and within each; JOBS=N trains N of them at a time: with OMP_NUM_THREADS=1 two at a time on two
#   cores are faster than one after another with both; a GPU divides its time among processes
set -euo pipefail
tatoeba=${1:?folder with the files that eval/suites/tatoeba.yaml names}
folder=${2:-runs}
export BIN=${BIN:-.venv/bin}
jobs=${JOBS:-1}
seeds=${SEEDS:-1 2 3}
first=${seeds%% *}
read -ra common <<< "${SETS:-}" # more overrides for every run, such as training.device=cuda
phase="training.phases[0]"
human=(distillation.targets=human "$phase.kd_weight=0")
forced=(distillation.targets=forced "$phase.kd_weight=1")
sequence=("$phase.kd_weight=0")
hybrid=("$phase.kd_weight=0.5")

make() { # verb, run folder, overrides: one run up to the verb's stage
  local verb=$1 run=$2 sets=() override; shift 2
  for override in "${common[@]}" "$@"; do sets+=(--set "$override"); done
  printf '%q ' "$BIN/nmt-distill" "$verb" "eval/recipes/$name.yaml" --out "$run" "${sets[@]}"
}
labels() { # name, overrides: a corpus with labels of one kind and a vocabulary, which runs then share
  local kind=$1; shift
  eval "$(make train-vocabulary "$folder/$name/$kind" "$@")" > /dev/null
}
row() { # title, seeds, labels, description, then overrides
  local title=$1 wanted=$2 kind=$3 description=$4 runs=() seed run command; shift 4
  for seed in $wanted; do
    run="$folder/$name/${title//[^a-zA-Z0-9]/_}_$seed"
    command="$(make export "$run" "reuse=$folder/$name/$kind" "training.seed=$seed" "description=$description" "$@")"
    if [[ $title == *on-policy* || $title == *hidden* ]]; then # the teacher runs along: the longest begin first
      commands=("$command > /dev/null" "${commands[@]}")
    else
      commands+=("$command > /dev/null")
    fi
    runs+=("$run")
  done
  rows+=(--row "$title=$(IFS=,; echo "${runs[*]}")")
}
rows_of_both() { # before them the labels of the teacher and two that reuse its corpus
  labels teacher
  labels human reuse="$folder/$name/teacher" "${human[@]}"
  labels forced reuse="$folder/$name/teacher" distillation.targets=forced
  row "no teacher" "$seeds" human "human translations, plain training" "${human[@]}"
  row "sequence level" "$seeds" teacher "the greedy translations of the teacher, plain training" "${sequence[@]}"
  row "hybrid" "$seeds" teacher "translations of the teacher, half the loss KL from its next-token probabilities" \
    "${hybrid[@]}"
  row "word level" "$seeds" forced "human translations, KL from the teacher's next-token probabilities" "${forced[@]}"
  row "hybrid, hidden" "$first" teacher "as hybrid, and the last encoder layer imitates the teacher's" "${hybrid[@]}" \
    "$phase.hidden=[{side: encoder, teacher_layer: 6, student_layer: 3, weight: 1.0}]"
  row "hybrid, on-policy" "$first" teacher \
    "as hybrid, and a fifth of the batches has targets that the student samples" \
    "${hybrid[@]}" "$phase.on_policy_share=0.2"
  row "hybrid, embeddings" "$first" teacher \
    "as hybrid, from the teacher's embeddings, narrowed by singular value decomposition" \
    "${hybrid[@]}" student.initialization=embeddings
}
report() { # title, more options: trains what is not trained yet, then compares
  local title=$1; shift
  printf '%s\0' "${commands[@]}" | xargs -0 -P "$jobs" -I{} bash -c '{}'
  "$BIN/nmt-distill" compare "${rows[@]}" --against "no teacher" --against "sequence level" "$@" \
    --report "eval/reports/$name" --title "$title" --made-by "eval/kd_pays.sh TATOEBA_FOLDER" \
    --set "evaluation.suites=[{suite: eval/suites/tatoeba.yaml, folder: $tatoeba}]"
}

bilingual() {
  name=kd_pays rows=() commands=()
  rows_of_both
  local post_norm=("${hybrid[@]}" student.graph=marian) # the teacher's graph, the only one that can take its layers
  row "post-norm, hybrid" "$first" teacher "as hybrid, in the teacher's graph" "${post_norm[@]}"
  row "post-norm, hybrid, layers" "$first" teacher \
    "as post-norm, hybrid, from the teacher's embeddings and layers, narrowed by singular value decomposition" \
    "${post_norm[@]}" student.initialization=teacher
  report "What distillation pays, English to Portuguese"
}
multilingual() {
  name=kd_pays_multilingual rows=() commands=()
  rows_of_both
  row "hybrid, layers" "$first" teacher \
    "as hybrid, from the teacher's embeddings and layers, narrowed by singular value decomposition" \
    "${hybrid[@]}" student.initialization=teacher
  for divergence in reverse_kl js skew_kl tvd; do
    row "hybrid, $divergence" "$first" teacher "as hybrid, with another divergence" "${hybrid[@]}" \
      "$phase.divergence=$divergence"
  done
  report "What distillation pays, one student for German, Spanish and French" --against hybrid
  local run="$folder/$name"
  "$BIN/python" eval/word_map.py "hybrid, embeddings=$run/hybrid__embeddings_$first" "hybrid=$run/hybrid_$first" \
    "sequence level=$run/sequence_level_$first" "no teacher=$run/no_teacher_$first" \
    --languages en de es fr --out eval/reports/embedding_transfer
}

for setting in ${SETTINGS:-bilingual multilingual}; do "$setting"; done
