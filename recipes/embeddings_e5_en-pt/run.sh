#!/usr/bin/env bash
# Makes everything the README of this folder claims; arguments go to the last `nmt-distill run`, such as --set or --out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PATH="$PWD/.venv/bin:$PATH"

nmt-distill run quickstart # the student that this one starts from; what is valid is kept
nmt-distill train-vocabulary embeddings_en-pt # corpus and labels
nmt-distill run embeddings_e5_en-pt "$@"
