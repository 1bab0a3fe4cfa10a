package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/frazildb/frazil/bench"
	"github.com/frazildb/frazil/internal/e2e/spark"
)

// sparkSystem is Apache Spark on one JVM of two threads, where FRAZIL_SPARK names
// what "make spark" makes.
const sparkSystem = "Spark"

func sparkHome() string { return os.Getenv("FRAZIL_SPARK") }

// sparkCompact is W10: Spark rewrites a table that Frazil wrote. What starting it
// and a first small rewrite take is not counted, so that it is warm.
func sparkCompact(ctx context.Context, c bench.CompactionCase, o *bench.Options) (r bench.Result, err error) {
	dir, err := os.MkdirTemp(o.Dir, "spark-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	if err := bench.PrepareCompaction(ctx, dir, c, o); err != nil {
		return r, err
	}
	s, err := spark.Start(ctx, &spark.Options{Home: sparkHome(), Warehouse: dir, Temp: dir, JVM: []string{"-XX:TieredStopAtLevel=4", "-Xmx6g"}})
	if err != nil {
		return r, err
	}
	defer s.Close()
	name := "h." + bench.CompactionTable
	for _, sql := range []string{
		"CREATE TABLE h.bench.warm (id bigint, v string) USING iceberg",
		"INSERT INTO h.bench.warm VALUES (1, 'a')", "INSERT INTO h.bench.warm VALUES (2, 'b')",
		"CALL h.system.rewrite_data_files(table => 'bench.warm', options => map('min-input-files', '1'))",
	} {
		if _, err := s.SQL(sql); err != nil {
			return r, err
		}
	}
	rows, err := s.SQL("SELECT sum(record_count) n FROM " + name + ".data_files")
	if err != nil {
		return r, err
	}
	before, err := bench.ProcessUsage(s.PID())
	if err != nil {
		return r, err
	}
	start := time.Now()
	_, err = s.SQL("CALL h.system.rewrite_data_files(table => '" + bench.CompactionTable + "', options => map('min-input-files', '1', 'delete-file-threshold', '1', 'remove-dangling-deletes', 'true'))")
	if err != nil {
		return r, err
	}
	seconds := time.Since(start).Seconds()
	u, err := bench.ProcessUsage(s.PID())
	if err != nil {
		return r, err
	}
	u.Seconds, u.CPU = seconds, u.CPU-before.CPU
	n, err := number(rows)
	if err != nil {
		return r, err
	}
	r = u.Result("W10", c.Name, n)
	live, err := s.SQL("SELECT count(*) n FROM " + name)
	if err != nil {
		return r, err
	}
	if n, err = number(live); err == nil && n != c.Live(o) {
		err = fmt.Errorf("%d rows afterwards, expected %d", n, c.Live(o))
	}
	return r, err
}

// number reads the one number of one row, as the runner writes it.
func number(rows []string) (int64, error) {
	if len(rows) != 1 {
		return 0, fmt.Errorf("%d rows where one was expected", len(rows))
	}
	return strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(rows[0], `{"n":`), "}"), 10, 64)
}
