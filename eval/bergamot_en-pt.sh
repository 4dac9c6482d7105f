#!/usr/bin/env bash
# What distillation is worth: the quickstart's student against the same student without teacher, at equal steps.
# usage: eval/bergamot_en-pt.sh TATOEBA_FOLDER [RUNS_FOLDER]     some 45 minutes on 2 cores, resumable
set -euo pipefail
tatoeba=${1:?folder with the files that eval/suites/tatoeba.yaml names}
runs=${2:-runs}
bin=${BIN:-.venv/bin}

row() { # name, then overrides
  local name=$1; shift
  local sets=()
  for override in "$@"; do sets+=(--set "$override"); done
  "$bin/nmt-distill" run quickstart --out "$runs/$name" --set name="$name" --set reuse=quickstart \
    --set evaluation.speed_repetitions=0 "${sets[@]}" > /dev/null
}
likelihood=("training.phases[0].kd_weight=0" "training.phases[0].state_weight=0" "training.phases[0].num_sampled=8192")
random=(student.initialization=random "training.phases[0].trainable=all" "training.phases[0].learning_rate=1.0e-3")

"$bin/nmt-distill" run quickstart --out "$runs/quickstart" > /dev/null
row a_copied_human "description='(a) same copied weights, human pairs only'" distillation.targets=human "${likelihood[@]}"
row b_random_human "description='(b) random weights, human pairs only'" distillation.targets=human "${likelihood[@]}" \
  "${random[@]}"
row c_random_distilled "description='(c) random weights, distilled'" "${random[@]}" "training.phases[0].kd_weight=0.5" \
  "training.phases[0].state_weight=0" "training.phases[0].num_sampled=8192"

"$bin/nmt-distill" compare "$runs/quickstart" "$runs/a_copied_human" "$runs/b_random_human" "$runs/c_random_distilled" \
  --report eval/reports/bergamot_en-pt --title "English to Portuguese: what distillation gains at equal steps" \
  --note "One run of each row with one seed: it speaks about these students, not about the method. Every row had 800 \
updates of at most 1,500 target positions and kept the weights with the best chrF on 500 held-out catalogue strings; \
rows with copied weights trained all decoder layers, rows with random weights everything. Speeds are not compared here." \
  --note "From random weights 800 updates are too few for either kind of target: rows (b) and (c) say nothing about \
distillation yet, and (c) is not better than (b)." \
  --made-by "eval/bergamot_en-pt.sh TATOEBA_FOLDER" \
  --peer "native=$bin/python benchmarks/native_engine.py --folder $runs/native" \
  --set evaluation.speed_repetitions=0 \
  --set "evaluation.suites=[{suite: eval/suites/tatoeba.yaml, folder: $tatoeba}]"
