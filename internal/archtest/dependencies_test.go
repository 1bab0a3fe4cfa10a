package archtest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
)

var update = flag.Bool("update", false, "write docs/dependencies.md")

// licences that a program which links Frazil can live with, by what their texts
// say.
var licences = []struct {
	name string
	text *regexp.Regexp
}{
	{"Apache-2.0", regexp.MustCompile(`Apache License\s+Version 2\.0`)},
	{"MPL-2.0", regexp.MustCompile(`Mozilla Public License,? [Vv]ersion 2\.0`)},
	{"MIT", regexp.MustCompile(`Permission is hereby granted, free of charge`)},
	{"BSD-3-Clause", regexp.MustCompile(`Redistribution and use in source and binary forms[\s\S]*(Neither the name|[Nn]either name|names of its\s+contributors)`)},
	{"BSD-2-Clause", regexp.MustCompile(`Redistribution and use in source and binary forms`)},
	{"ISC", regexp.MustCompile(`Permission to use, copy, modify, and(/or)? distribute this software for any`)},
}

// linked is a module whose code is in the built command.
type linked struct {
	Path, Version, Dir string
	Indirect           bool
}

// TestDependencies: the modules linked into the command, with their versions and
// licences, are those of docs/dependencies.md. A change of them is so seen in
// review, and a licence that is not known to be fine fails.
func TestDependencies(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`# Dependencies

The modules whose code is linked into the command ` + "`frazil`" + `, made by
` + "`go test ./internal/archtest -run TestDependencies -update`" + ` and compared in every test
run. Programs that import the library alone link fewer (` + "`go test ./bench/footprint -v`" + `).

| module | version | licence | |
|---|---|---|---|
`)
	for _, m := range linkedModules(t) {
		licence, err := licenceOf(m.Dir)
		if err != nil {
			t.Errorf("%s %s: %v", m.Path, m.Version, err)
		}
		kind := "direct"
		if m.Indirect {
			kind = ""
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.Path, m.Version, licence, kind)
	}
	doc := filepath.Join(testenv.Root(), "docs", "dependencies.md")
	if *update {
		if err := os.WriteFile(doc, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(doc); err != nil || !bytes.Equal(got, b.Bytes()) {
		t.Errorf("docs/dependencies.md is not what is linked (%v): look at the difference, then run go test ./internal/archtest -run TestDependencies -update", err)
	}
}

func linkedModules(t *testing.T) []linked {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", `{{with .Module}}{{if not .Main}}{"Path":{{printf "%q" .Path}},"Version":{{printf "%q" .Version}},"Dir":{{printf "%q" .Dir}},"Indirect":{{.Indirect}}}{{end}}{{end}}`, "./cmd/frazil")
	cmd.Dir = testenv.Root()
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []linked
	d := json.NewDecoder(bytes.NewReader(out))
	for {
		var m linked
		if err := d.Decode(&m); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b linked) int { return strings.Compare(a.Path, b.Path) })
	return all
}

func licenceOf(dir string) (string, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		name := strings.ToUpper(f.Name())
		if f.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return "", err
		}
		for _, l := range licences {
			if l.text.Match(text) {
				return l.name, nil
			}
		}
	}
	return "", fmt.Errorf("no licence that is known to be fine: look at %s, then add it to the list", dir)
}
