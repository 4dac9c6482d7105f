#!/usr/bin/env bash
# How near the longer recipe brings the student to its teacher.
# usage: eval/bergamot_en-pt_long.sh TATOEBA_FOLDER [RUNS_FOLDER]     up to 2 hours on 2 cores, resumable
set -euo pipefail
tatoeba=${1:?folder with the files that eval/suites/tatoeba.yaml names}
runs=${2:-runs}
bin=${BIN:-.venv/bin}

"$bin/nmt-distill" run bergamot_en-pt --out "$runs/bergamot_en-pt" > /dev/null
"$bin/nmt-distill" compare "$runs/bergamot_en-pt" --report eval/reports/bergamot_en-pt_long \
  --title "English to Portuguese: as near to the teacher as the longer recipe brings" \
  --note "One run with one seed. The teacher searches with beam 4, as it labelled; the student greedily, as it is \
exported, and in a row of its own with beam 4; rows `plain` read lines as the teacher does. Speeds stand in the run's own report, not here." \
  --made-by "eval/bergamot_en-pt_long.sh TATOEBA_FOLDER" \
  --peer "student int8, plain=$bin/nmt-distill translate --model $runs/bergamot_en-pt/export/int8 --plain" \
  --peer "student int8, plain, beam 4=$bin/nmt-distill translate --model $runs/bergamot_en-pt/export/int8 --plain --beam-size 4" \
  --set evaluation.speed_repetitions=0 \
  --set "evaluation.suites=[{suite: eval/suites/tatoeba.yaml, folder: $tatoeba}]"
