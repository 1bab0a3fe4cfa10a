package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// canary stands for every secret: nothing that is printed or written may hold it.
const canary = "cAnArY-7f3a91"

// TestSecrets runs the command with secrets wherever a user may put one, on stores
// that answer and on stores that cannot be reached, and looks for them in what it
// prints and in what it leaves on disk.
func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	keys := filepath.Join(dir, "aws")
	for path, text := range map[string]string{
		config: "warehouse: s3://user:" + canary + "@bucket/warehouse\n",
		keys:   "[default]\naws_access_key_id = AK" + canary + "\naws_secret_access_key = " + canary + "\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AK" + canary, "AWS_SECRET_ACCESS_KEY": canary, "AWS_SESSION_TOKEN": canary,
		"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "http://user:" + canary + "@127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1",
		"AWS_SHARED_CREDENTIALS_FILE": keys, "AWS_EC2_METADATA_DISABLED": "true",
		"AZURE_STORAGE_ACCOUNT": "account", "AZURE_STORAGE_KEY": canary, "AZURE_STORAGE_SAS_TOKEN": "sig=" + canary,
		"AZURE_STORAGE_DOMAIN": "127.0.0.1:9", "AZURE_STORAGE_PROTOCOL": "http", "AZURE_STORAGE_IS_LOCAL_EMULATOR": "true",
		"FRAZIL_CATALOG_TOKEN": canary, "HTTPS_PROXY": "http://user:" + canary + "@127.0.0.1:9",
	} {
		t.Setenv(name, value)
	}
	local := filepath.Join(dir, "warehouse")
	rows := filepath.Join(dir, "rows.jsonl")
	if err := os.WriteFile(rows, []byte(`{"id":1,"v":"a"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hostile := []string{
		"s3://user:" + canary + "@bucket/w", "s3://" + canary + "@bucket/w", "s3://bucket/w?X-Amz-Signature=" + canary,
		"s3://user:pa/ss" + canary + "@bucket/w", "gs://user:" + canary + "@bucket/w", "azblob://c/w?sig=" + canary,
		"https://user:" + canary + "@host/w", "https://host/w?token=" + canary, "file://user:" + canary + "@host/w", "mem://u:" + canary + "@h",
	}
	runs := [][]string{
		{"create", "s.t", "--schema", "id long, v string", "--key", "id"},
		{"ingest", "s.t", rows},
		{"scan", "s.t", "--verbose"},
		{"describe", "s.t", "--json"},
		{"metadata", "s.t"},
		{"inspect", "s.t", "snapshots"},
		{"verify", "s.t"},
		{"compact", "s.t"},
		{"ingest", "s.t", filepath.Join(dir, "missing.jsonl"), "--verbose"},
		{"tables", "--warehouse", "s3://bucket/w", "--verbose"},
		{"scan", "s.t", "--warehouse", "s3://bucket/w", "--verbose"},
		{"tables", "--catalog", "https://user:" + canary + "@host/catalog?token=" + canary, "--verbose"},
	}
	for _, h := range hostile {
		runs = append(runs, []string{"tables", "--warehouse", h, "--verbose"}, []string{"scan", h + "/x", "--verbose"},
			[]string{"scan", "s.t", "--allow", h, "--verbose"}, []string{"scan", "s.t", "--map", h + "=" + h, "--verbose"})
	}
	leaks := 0
	for _, args := range runs {
		r := frazil(t, local, args...)
		if out := r.stdout + r.stderr; strings.Contains(out, canary) {
			leaks++
			t.Errorf("frazil %q prints a secret:\n%s", args, out)
		}
	}
	t.Setenv("FRAZIL_CONFIG", config)
	if r := frazil(t, "", "tables", "--verbose"); strings.Contains(r.stdout+r.stderr, canary) {
		leaks++
		t.Errorf("with a configuration file: a secret is printed:\n%s%s", r.stdout, r.stderr)
	}
	files := 0
	err := filepath.WalkDir(local, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), canary) || strings.Contains(path, canary) {
			leaks++
			t.Errorf("%s holds a secret", path)
		}
		return err
	})
	if err != nil || files < 5 {
		t.Errorf("%d files of the table looked at, %v", files, err)
	}
	t.Logf("runs=%d files=%d leaks=%d", len(runs)+1, files, leaks)
}
