#!/usr/bin/env bash
# What growing and guiding are worth: one small student trained on, and larger ones grown from it, at equal updates.
# usage: [JOBS=N] [SEEDS="1 2 3"] eval/growing.sh TATOEBA_FOLDER [RUNS_FOLDER]
#   starts from the row `no teacher` of kd_pays: run `SETTINGS=bilingual eval/kd_pays.sh TATOEBA_FOLDER` first
#   resumable run by run and within each; JOBS=N trains N runs at a time
set -euo pipefail
tatoeba=${1:?folder with the files that eval/suites/tatoeba.yaml names}
folder=${2:-runs}
bin=${BIN:-.venv/bin}
seeds=${SEEDS:-1}
phase="training.phases[0]"
continued=("$phase.num_steps=1000" "$phase.learning_rate=2.0e-3" "$phase.warmup_steps=100" training.validate_every=250)
alone=(distillation.targets=human "$phase.kd_weight=0")
guided=(distillation.targets=forced distillation.keep_states=false "$phase.kd_weight=0.5" "$phase.kd_weight_end=0")
wider=(student.ffn_inner_dim=1024)
deeper=(student.num_encoder_layers=6)
commands=()
declare -A runs=()

make() { # verb, run folder, overrides
  local verb=$1 run=$2 sets=() override; shift 2
  for override in "$@"; do sets+=(--set "$override"); done
  printf '%q ' "$bin/nmt-distill" "$verb" eval/recipes/kd_pays.yaml --out "$run" "${sets[@]}"
}
row() { # title, labels, seed, start, description, then overrides
  local title=$1 labels=$2 seed=$3 start=$4 description=$5 run; shift 5
  run="$folder/growing/${title//[^a-zA-Z0-9]/_}_$seed"
  commands+=("$(make export "$run" "reuse=$labels" "training.seed=$seed" "description=$description" \
    student.initialization=teacher "student.initialize_from=$start" "${continued[@]}" "$@") > /dev/null")
  runs[$title]=${runs[$title]:+${runs[$title]},}$run
}
grown() { # name, small student, options of the verb: made once
  local out=$1 small=$2; shift 2
  [ -e "$out" ] || "$bin/nmt-distill" grow "$small" --out "$out" "$@"
}

for seed in $seeds; do
  small="$folder/kd_pays/no_teacher_$seed/student" human="$folder/kd_pays/human" start="$folder/growing/start"
  guide="$folder/growing/guide_$seed"
  as_teacher=("teacher={kind: transformers, name: $small, origin: row no teacher of kd_pays, licence: that of its corpus}")
  eval "$(make train-vocabulary "$guide" "reuse=$human" "${as_teacher[@]}" "${guided[@]}")" > /dev/null
  grown "${start}_wider_$seed" "$small" --ffn-inner-dim 1024
  grown "${start}_deeper_$seed" "$small" --num-encoder-layers 6
  row "small, trained on" "$human" "$seed" "$small" "the small student as it is" "${alone[@]}"
  row "wider" "$human" "$seed" "${start}_wider_$seed" "twice the width inside the feed-forward blocks" \
    "${alone[@]}" "${wider[@]}"
  row "wider, guided" "$guide" "$seed" "${start}_wider_$seed" "as wider, the small student its teacher at the beginning" \
    "${guided[@]}" "${as_teacher[@]}" "${wider[@]}"
  row "deeper" "$human" "$seed" "${start}_deeper_$seed" "six layers of the encoder for three, by identity blocks" \
    "${alone[@]}" "${deeper[@]}"
  row "deeper, guided" "$guide" "$seed" "${start}_deeper_$seed" \
    "as deeper, the small student its teacher at the beginning" "${guided[@]}" "${as_teacher[@]}" "${deeper[@]}"
done
printf '%s\0' "${commands[@]}" | xargs -0 -P "${JOBS:-1}" -I{} bash -c '{}'

start=$(printf "$folder/kd_pays/no_teacher_%s," $seeds)
rows=(--row "the start=${start%,}")
for title in "small, trained on" "wider" "wider, guided" "deeper" "deeper, guided"; do
  rows+=(--row "$title=${runs[$title]}")
done
"$bin/nmt-distill" compare "${rows[@]}" --against "small, trained on" --against wider --against deeper \
  --report eval/reports/growing --title "What growing pays, English to Portuguese" \
  --made-by "eval/growing.sh TATOEBA_FOLDER" \
  --set "evaluation.suites=[{suite: eval/suites/tatoeba.yaml, folder: $tatoeba}]"
