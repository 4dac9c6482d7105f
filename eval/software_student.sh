#!/usr/bin/env bash
# The model inside the package beside its teacher: scores, risks, careless typing, speed, latency and memory.
# usage: eval/software_student.sh [RUNS_FOLDER]
#   the machine must do nothing else meanwhile; the teacher is the folder of this repository, in float32
set -euo pipefail
runs=${1:-runs}
bin=${BIN:-.venv/bin}
corpus="$("$bin/nmt-distill" prepare-data software_student --out "$runs/software_student")"
"$bin/nmt-distill" evaluate --from en --to de --to es --to fr \
  --system teacher=recipes/software_teacher/model --system student=software_student \
  --test-set "held-out=$corpus/{source}-{target}/test.{source},$corpus/{source}-{target}/test.{target}" \
  --speed-repetitions 3 --efficiency-sentences 200 --noise all ${MORE:-} \
  --title "The model inside the package and its teacher" --report "${REPORT:-eval/reports/software_student}" \
  --note "Both as \`translate\` runs them. Held-out strings of software: pairs with the sources of \`software_student\` \
that nothing was trained on or chosen by. The teacher is \`recipes/software_teacher/model\`, converted to CTranslate2 in \
float32; in int8 it is faster and smaller. Of everyday sentences both make nonsense: recipes/software_student/README.md."
