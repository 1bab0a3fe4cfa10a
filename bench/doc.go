// Package bench holds the workloads that Frazil is measured by, as ordinary
// functions. The command frazil bench, the benchmarks of this package and the
// report of bench/rivals all call them.
//
//	results, err := bench.Run(ctx, []string{"W1", "W6/full"}, &bench.Options{Size: bench.Full})
//
// Data is made on the fly, the same on every run, straight into Arrow batches;
// the CPU that takes is kept out of the figures. CPU is user plus system time of
// the whole process, garbage collection included: on a machine that does other
// things too it is the figure to compare, not the wall clock.
package bench
