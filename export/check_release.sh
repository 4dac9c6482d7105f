#!/usr/bin/env bash
# Checks an export folder before it is given away: files, checksums, model card, and whether it translates.
#
#   export/check_release.sh FOLDER [TEXT] [OPTION ...]
#
# TEXT is a sentence in the model's source language (default: Turn on the light); an OPTION goes to
# `nmt-distill translate`, such as --to de where the model has several target languages. Prints every fault and ends with status 2 if there is one; else prints the
# translation and the sizes. Needs the base install of nmt-distill, in .venv or on the PATH.
set -euo pipefail

if [[ $# -lt 1 || $1 == -h || $1 == --help ]]; then
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
  [[ $# -ge 1 ]] && exit 0
  exit 2
fi

folder=${1%/}
text="Turn on the light"
options=("${@:2}")
if [[ $# -ge 2 && $2 != --* ]]; then
  text=$2
  options=("${@:3}")
fi
PATH="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.venv/bin:$PATH"
faults=0

fault() {
  echo "fault: $1" >&2
  faults=$((faults + 1))
}

finish() {
  if ((faults)); then
    echo "$folder: $faults fault(s); not fit for release" >&2
    exit 2
  fi
}

command -v nmt-distill >/dev/null || fault "nmt-distill is not installed; run make quickstart, or pip install nmt-distill"
[[ -d $folder ]] || fault "$folder is no folder; give one like runs/quickstart/export/int8"
finish

# What a person needs who gets nothing but the folder.
for name in model.bin config.json shared_vocabulary.json languages.json README.md checksums.json; do
  [[ -s $folder/$name ]] || fault "$folder/$name is missing or empty; export the model again"
done
spm=("$folder"/*.spm)
[[ ${#spm[@]} -eq 1 && -s ${spm[0]} ]] || fault "$folder must hold one SentencePiece model (*.spm)"
if [[ -s $folder/README.md ]]; then
  if grep -qx -- '- distillation' "$folder/README.md"; then  # else people's translations were its only teacher
    grep -qi 'teacher' "$folder/README.md" || fault "$folder/README.md does not name the teacher"
  fi
  [[ $(head -n 1 "$folder/README.md") == --- ]] || fault "$folder/README.md lacks the head that the hub reads"
  link=$(sed -n 's/^license_link: //p' "$folder/README.md")
  [[ -z $link || $link == http* || -s $folder/$link ]] || fault "$folder/README.md names $link, which is missing or empty"
  grep -qi 'licen[cs]e' "$folder/README.md" || fault "$folder/README.md says nothing of licences"
fi
finish

# What is there must be what was exported, and nothing else.
while IFS= read -r path; do
  name=${path#"$folder"/}
  if [[ $name != checksums.json ]] && ! grep -qF "\"$name\":" "$folder/checksums.json"; then
    fault "$folder/$name is not in checksums.json; remove it, or export the model again"
  fi
done < <(find "$folder" -mindepth 1 ! -type d)

# Three lines in, three lines out: the sentence, nothing, the sentence again.
if answers=$(printf '%s\n\n%s\n' "$text" "$text" |
  nmt-distill translate --model "$folder" --verify --strict ${options[@]+"${options[@]}"} && echo .); then
  mapfile -t lines <<<"${answers%.}"
  first=${lines[0]}
  if [[ ${#lines[@]} -ne 4 ]]; then  # the last LF opens a fourth, empty one
    fault "three lines were answered with $((${#lines[@]} - 1))"
  elif [[ -n ${lines[1]} || ${lines[2]} != "$first" ]]; then
    fault "an empty line or a repeated one was not answered in its place: ${lines[*]@Q}"
  elif [[ -z ${first//[[:space:]]/} ]]; then
    fault "the translation of \`$text\` is empty"
  elif [[ $first == "$text" ]]; then
    fault "\`$text\` came back untranslated; give a sentence in the model's source language"
  fi
else
  fault "nmt-distill translate ended with status $?"
fi
finish

echo "$text"
echo "$first"
echo
find "$folder" -type f -printf '%s %P\n' | sort -rn | awk '
  { printf "%10.2f MB  %s\n", $1 / 1e6, $2; total += $1 }
  END { printf "%10.2f MB  in all\n", total / 1e6 }'
echo "$folder: fit for release, as far as a program can tell"
