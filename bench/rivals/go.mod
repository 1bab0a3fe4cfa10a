module github.com/frazildb/frazil/bench/rivals

go 1.26.0

require (
	github.com/apache/iceberg-go v0.7.0
	github.com/frazildb/frazil v0.0.0
)

replace github.com/frazildb/frazil => ../..
