#!/usr/bin/env bash
# Makes everything the README of this folder claims; arguments go to `nmt-distill run`, such as --set or --out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PATH="$PWD/.venv/bin:$PATH"

nmt-distill run quickstart # its export is the teacher
nmt-distill run converted_en-pt "$@"
