//go:build !race

package parquetfile

const dirtyMemory = false
