#!/usr/bin/env bash
# Run the campaign of this folder in an AiiDA profile of its own: run.sh DIRECTORY NAME [options of launch]
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: $0 DIRECTORY NAME [options of aiida-mliptransport launch]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
directory=$1 name=$2
shift 2
if [ -e "$directory/study.aiida" ]; then
    echo "$directory holds an earlier run; remove it first: make clean" >&2
    exit 1
fi
mkdir -p "$directory"
AIIDA_PATH=$(cd "$directory" && pwd)
export AIIDA_PATH

if ! verdi profile show "$name" >/dev/null 2>&1; then
    verdi presto --use-zeromq --profile-name "$name"
fi
aiida-mliptransport setup
trap 'verdi daemon stop --timeout 120 >/dev/null' EXIT
verdi daemon start
started=$(aiida-mliptransport launch "$here/campaign.yaml" "$@")
echo "$started"
pk=$(sed -n 's/^campaign .* is process //p' <<<"$started")
aiida-mliptransport status "$pk" --follow
aiida-mliptransport report "$pk" -o "$directory/report.html"
aiida-mliptransport export "$pk" -o "$directory/study.aiida"
aiida-mliptransport summary "$pk" --name "$name" --mobile Li
