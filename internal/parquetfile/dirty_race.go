//go:build race

package parquetfile

const dirtyMemory = true
