#!/usr/bin/env bash
# Makes everything the README of this folder tells of; arguments go to the last `nmt-distill run`, such as --set or --out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PATH="$PWD/.venv/bin:$PATH"

nmt-distill run quickstart # the corpus comes from there; what is valid is kept
nmt-distill run quickstart_small
if [ ! -e runs/quickstart_small/grown ]; then
  nmt-distill grow runs/quickstart_small/student --ffn-inner-dim 3072 --out runs/quickstart_small/grown
fi
nmt-distill run grown_en-pt "$@"
