#!/usr/bin/env bash
# What distillation is worth: students with a teacher against the same students without, at equal steps.
# usage: eval/bergamot_en-pt.sh TATOEBA_FOLDER [RUNS_FOLDER]     some 80 minutes on 2 cores, resumable
set -euo pipefail
tatoeba=${1:?folder with the files that eval/suites/tatoeba.yaml names}
runs=${2:-runs}
bin=${BIN:-.venv/bin}

row() { # name, then overrides
  local name=$1; shift
  local sets=()
  for override in "$@"; do sets+=(--set "$override"); done
  "$bin/nmt-distill" run quickstart --out "$runs/$name" --set name="$name" --set reuse=quickstart \
    --set evaluation.speed_repetitions=0 "${sets[@]}" --allow-drop > /dev/null
}
likelihood=("training.phases[0].kd_weight=0" "training.phases[0].state_weight=0" "training.phases[0].num_sampled=8192")
# What starts from nothing needs a student that learns within so many updates, and more of them than copied weights do.
random=(student.initialization=random student.preset=micro student.graph=nllb student.dropout=0.1
  "training.phases[0].trainable=all" "training.phases[0].num_steps=1500" "training.phases[0].batch_tokens=4000"
  "training.phases[0].learning_rate=4.0e-3" "training.phases[0].warmup_steps=300"
  "training.phases[0].label_smoothing=0.1" training.validate_every=300)

"$bin/nmt-distill" run quickstart --out "$runs/quickstart" > /dev/null
row a_copied_human "description='(a) same copied weights, human pairs only'" distillation.targets=human "${likelihood[@]}"
row b_random_human "description='(b) random weights, human pairs only'" distillation.targets=human "${likelihood[@]}" \
  "${random[@]}"
row c_random_distilled "description='(c) random weights, distilled'" "${likelihood[@]}" "${random[@]}" \
  "training.phases[0].kd_weight=0.5"

"$bin/nmt-distill" compare "$runs/quickstart" "$runs/a_copied_human" "$runs/b_random_human" "$runs/c_random_distilled" \
  --report eval/reports/bergamot_en-pt --title "English to Portuguese: what distillation gains at equal steps" \
  --note "One run of each row with one seed: it speaks about these students, not about the method. The quickstart and (a) \
are the same student from the same copied weights: 800 updates of at most 1,500 target positions, all decoder layers \
trained. Rows (b) and (c) are the same small student (preset micro in the nllb graph) from random weights: 1,500 updates \
of at most 4,000 positions; (c) learns both levels from its teacher. (a) and (b) have the 11,545 sentences with a human \
translation, the others all 31,414 that the teacher labelled. All kept the weights with the best chrF on 500 \
held-out catalogue strings. Compare (a) with the quickstart, and (b) with (c). Speeds are not compared here." \
  --made-by "eval/bergamot_en-pt.sh TATOEBA_FOLDER" \
  --peer "native=$bin/python benchmarks/native_engine.py --folder $runs/native" \
  --set evaluation.speed_repetitions=0 \
  --set "evaluation.suites=[{suite: eval/suites/tatoeba.yaml, folder: $tatoeba}]"
