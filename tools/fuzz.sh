#!/bin/sh
# fuzz.sh TIME [PATTERN]: runs every fuzz target, or those whose package or name
# matches, for a time each, under a cap on memory that the kernel keeps: what
# allocates without bounds dies and is reported with its input. Inputs that were
# found are kept by the Go tool in the package's testdata/fuzz, for every run of
# the tests to try.
set -eu
time=${1:-20s} pattern=${2:-.}
GO=${GO:-go}
ulimit -v ${FUZZ_KIB:-8388608} # the fuzzer's workers and what they share
targets=0 failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for file in $(grep -rl --include='*_test.go' '^func Fuzz' . | sort); do
	for name in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		pkg=$(dirname "$file")
		echo "$pkg $name" | grep -q "$pattern" || continue
		targets=$((targets + 1))
		if $GO test "$pkg" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -parallel 2 >"$out" 2>&1; then
			echo "$pkg $name $(grep -o 'execs: [0-9]*' "$out" | tail -1)"
		else
			failed=$((failed + 1))
			echo "$pkg $name FAILED"
			cat "$out"
		fi
	done
done
echo "targets=$targets violations=$failed"
[ "$failed" = 0 ]
