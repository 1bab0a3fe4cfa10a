// Package objstoretest is the conformance suite of objstore.Store, and has a store
// that other tests read tables through.
package objstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/frazildb/frazil/objstore"
)

// Run checks the stores that open makes; each call must return an empty store,
// which the suite closes. A store without compare-and-swap says so by an error
// that is errors.ErrUnsupported.
func Run(t *testing.T, open func(t *testing.T) objstore.Store) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s objstore.Store)
	}{
		{"PutAndRead", testPutAndRead},
		{"ReadAt", testReadAt},
		{"Missing", testMissing},
		{"Replace", testReplace},
		{"OpenObjectSurvives", testOpenObjectSurvives},
		{"IfAbsent", testIfAbsent},
		{"IfMatch", testIfMatch},
		{"Create", testCreate},
		{"Abort", testAbort},
		{"List", testList},
		{"ListDir", testListDir},
		{"Delete", testDelete},
		{"Outside", testOutside},
		{"Cancelled", testCancelled},
		{"CallerKeepsBuffer", testCallerKeepsBuffer},
		{"RaceIfAbsent", testRaceIfAbsent},
		{"RaceIfMatch", testRaceIfMatch},
		{"RacePutDelete", testRacePutDelete},
		{"CheckConditional", testCheckConditional},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			c.run(t, s)
		})
	}
}

var absent = &objstore.PutOptions{IfAbsent: true}

func put(t *testing.T, s objstore.Store, name, data string, opts *objstore.PutOptions) {
	t.Helper()
	if err := s.Put(t.Context(), objstore.Join(s.Root(), name), []byte(data), opts); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, s objstore.Store, name, want string) {
	t.Helper()
	got, err := objstore.ReadAll(t.Context(), s, objstore.Join(s.Root(), name), 0)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Fatalf("%s holds %q, want %q", name, got, want)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func wantNames(t *testing.T, s objstore.Store, prefix string, want ...string) {
	t.Helper()
	var got []string
	for info, err := range s.List(t.Context(), objstore.Join(s.Root(), prefix)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, info.URI[len(s.Root())+1:])
	}
	if !slices.Equal(got, want) {
		t.Fatalf("list of %q is %q, want %q", prefix, got, want)
	}
}

func testPutAndRead(t *testing.T, s objstore.Store) {
	names := []string{"a", "d/e/f", "p=1/q=x%2Fy/ü z.parquet", "h#?&+=@~,;!'()", ".hidden"}
	for i, name := range names {
		put(t, s, name, fmt.Sprintf("content %d", i), nil)
	}
	put(t, s, "empty", "", nil)
	for i, name := range names {
		wantContent(t, s, name, fmt.Sprintf("content %d", i))
		info, err := s.Stat(t.Context(), objstore.Join(s.Root(), name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size != int64(len("content 0")) || info.ModTime.IsZero() || info.Dir || info.URI != objstore.Join(s.Root(), name) {
			t.Errorf("%s: info %+v", name, info)
		}
	}
	wantContent(t, s, "empty", "")
	_, err := objstore.ReadAll(t.Context(), s, objstore.Join(s.Root(), "a"), 3)
	if err == nil {
		t.Error("ReadAll took more than its limit")
	}
}

func testReadAt(t *testing.T, s objstore.Store) {
	ctx := t.Context()
	data := make([]byte, 300_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	uri := objstore.Join(s.Root(), "blob")
	if err := s.Put(ctx, uri, data, nil); err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(ctx, uri)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if o.Size() != int64(len(data)) || o.URI() != uri {
		t.Fatalf("size %d, uri %s", o.Size(), o.URI())
	}
	var wg sync.WaitGroup
	for range 20 {
		off, n := r.IntN(len(data)), r.IntN(5000)
		wg.Go(func() {
			p := make([]byte, n)
			got, err := o.ReadAt(ctx, p, int64(off))
			want := data[off:min(off+n, len(data))]
			if !bytes.Equal(p[:got], want) {
				t.Errorf("read of %d at %d returned %d bytes, other than stored", n, off, got)
			}
			if short := got < n; short != (err != nil) || short && !errors.Is(err, io.EOF) {
				t.Errorf("read of %d at %d: %d bytes and error %v", n, off, got, err)
			}
		})
	}
	wg.Wait()
	if n, err := o.ReadAt(ctx, make([]byte, 1), int64(len(data))); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read at the end: %d, %v", n, err)
	}
	if _, err := o.ReadAt(ctx, make([]byte, 1), -1); err == nil {
		t.Error("read at a negative offset succeeded")
	}
}

func testMissing(t *testing.T, s objstore.Store) {
	put(t, s, "dir/file", "x", nil)
	for _, name := range []string{"nothing", "dir", "dir/file/below", "no/such/dir"} {
		uri := objstore.Join(s.Root(), name)
		_, err := s.Open(t.Context(), uri)
		wantError(t, err, objstore.ErrNotFound)
		_, err = s.Stat(t.Context(), uri)
		wantError(t, err, objstore.ErrNotFound)
		wantError(t, s.Delete(t.Context(), uri), objstore.ErrNotFound)
	}
	wantNames(t, s, "no/such/dir")
	wantNames(t, s, "", "dir/file")
}

func testReplace(t *testing.T, s objstore.Store) {
	put(t, s, "a/b", "one", nil)
	first, err := s.Stat(t.Context(), objstore.Join(s.Root(), "a/b"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a/b", "two", nil)
	wantContent(t, s, "a/b", "two")
	second, err := s.Stat(t.Context(), objstore.Join(s.Root(), "a/b"))
	if err != nil {
		t.Fatal(err)
	}
	if first.ETag != "" && first.ETag == second.ETag {
		t.Errorf("two versions have the ETag %s", first.ETag)
	}
	put(t, s, "a/b", "volatile", &objstore.PutOptions{Volatile: true})
	wantContent(t, s, "a/b", "volatile")
	wantNames(t, s, "", "a/b")
}

func testOpenObjectSurvives(t *testing.T, s objstore.Store) {
	put(t, s, "a", "old", nil)
	o, err := s.Open(t.Context(), objstore.Join(s.Root(), "a"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", "newer", nil)
	p := make([]byte, o.Size())
	if _, err := o.ReadAt(t.Context(), p, 0); err == nil && string(p) != "old" {
		t.Errorf("an open object turned into %q: it must stay or fail", p)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
}

func testIfAbsent(t *testing.T, s objstore.Store) {
	put(t, s, "deep/er/k", "first", absent)
	uri := objstore.Join(s.Root(), "deep/er/k")
	wantError(t, s.Put(t.Context(), uri, []byte("second"), absent), objstore.ErrExists)
	wantContent(t, s, "deep/er/k", "first")
	if err := s.Delete(t.Context(), uri); err != nil {
		t.Fatal(err)
	}
	put(t, s, "deep/er/k", "third", absent)
	wantContent(t, s, "deep/er/k", "third")
	wantNames(t, s, "", "deep/er/k")
}

func testIfMatch(t *testing.T, s objstore.Store) {
	uri := objstore.Join(s.Root(), "k")
	err := s.Put(t.Context(), uri, []byte("x"), &objstore.PutOptions{IfMatch: "none"})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Logf("%T has no compare-and-swap: the rest of this test does not apply", s)
		return
	}
	wantError(t, err, objstore.ErrMismatch)
	if err := s.Put(t.Context(), uri, nil, &objstore.PutOptions{IfMatch: "a", IfAbsent: true}); err == nil {
		t.Error("IfAbsent and IfMatch together were accepted")
	}
	put(t, s, "k", "one", nil)
	info, err := s.Stat(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", "two", &objstore.PutOptions{IfMatch: info.ETag})
	wantError(t, s.Put(t.Context(), uri, []byte("three"), &objstore.PutOptions{IfMatch: info.ETag}), objstore.ErrMismatch)
	wantContent(t, s, "k", "two")
}

func testCreate(t *testing.T, s objstore.Store) {
	ctx := t.Context()
	uri := objstore.Join(s.Root(), "x/y")
	w, err := s.Create(ctx, uri, absent)
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for i := range 50 {
		chunk := bytes.Repeat([]byte{byte(i)}, i*400)
		want = append(want, chunk...)
		if n, err := w.Write(chunk); n != len(chunk) || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := s.Stat(ctx, uri); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("visible before Close: %v", err)
	}
	wantNames(t, s, "")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Errorf("abort after close: %v", err)
	}
	wantContent(t, s, "x/y", string(want))

	// Two streams to one name: the first to close wins.
	other := objstore.Join(s.Root(), "x/z")
	a, err := s.Create(ctx, other, absent)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Create(ctx, other, absent)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(a, "a")
	io.WriteString(b, "b")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wantError(t, a.Close(), objstore.ErrExists)
	wantContent(t, s, "x/z", "b")
	wantNames(t, s, "", "x/y", "x/z")
}

func testAbort(t *testing.T, s objstore.Store) {
	put(t, s, "k", "old", nil)
	for _, name := range []string{"k", "new/k"} {
		w, err := s.Create(t.Context(), objstore.Join(s.Root(), name), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, 200_000)); err != nil {
			t.Fatal(err)
		}
		if err := w.Abort(); err != nil {
			t.Fatal(err)
		}
		if err := w.Abort(); err != nil {
			t.Errorf("second abort: %v", err)
		}
		if err := w.Close(); err == nil {
			t.Error("close after abort succeeded")
		}
	}
	wantContent(t, s, "k", "old")
	wantNames(t, s, "", "k")
}

func testList(t *testing.T, s objstore.Store) {
	names := []string{"a-b/x", "a.txt", "a/b/c", "a/b.c", "a/b", "a/é", "ab", "b/1", "b/10", "b/2"}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "a/b" }) // a file cannot be a directory too
	for _, i := range rand.New(rand.NewPCG(3, 4)).Perm(len(names)) {
		put(t, s, names[i], names[i], nil)
	}
	sorted := slices.Sorted(slices.Values(names))
	wantNames(t, s, "", sorted...)
	wantNames(t, s, "a", "a/b.c", "a/b/c", "a/é")
	wantNames(t, s, "a/", "a/b.c", "a/b/c", "a/é")
	wantNames(t, s, "b", "b/1", "b/10", "b/2")
	wantNames(t, s, "a/b.c")
	n := 0
	for info, err := range s.List(t.Context(), s.Root()) {
		if err != nil || info.Size != int64(len(info.URI)-len(s.Root())-1) {
			t.Errorf("%+v %v", info, err)
		}
		if n++; n == 2 {
			break // an early stop must not upset the store
		}
	}
}

func testListDir(t *testing.T, s objstore.Store) {
	for _, name := range []string{"d/a/1", "d/a/2", "d/a-b", "d/b/c/d", "d/z", "e"} {
		put(t, s, name, "x", nil)
	}
	var got []string
	for info, err := range s.ListDir(t.Context(), objstore.Join(s.Root(), "d")) {
		if err != nil {
			t.Fatal(err)
		}
		name := info.URI[len(s.Root())+1:]
		if info.Dir {
			name += "/"
		} else if info.Size != 1 {
			t.Errorf("%s: size %d", name, info.Size)
		}
		got = append(got, name)
	}
	if want := []string{"d/a-b", "d/a/", "d/b/", "d/z"}; !slices.Equal(got, want) {
		t.Errorf("children are %q, want %q", got, want)
	}
	for info, err := range s.ListDir(t.Context(), objstore.Join(s.Root(), "none")) {
		t.Errorf("missing directory: %+v, %v", info, err)
	}
}

func testDelete(t *testing.T, s objstore.Store) {
	put(t, s, "a/b/c", "x", nil)
	put(t, s, "a/d", "x", nil)
	uri := objstore.Join(s.Root(), "a/b/c")
	if err := s.Delete(t.Context(), uri); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.Delete(t.Context(), uri), objstore.ErrNotFound)
	wantNames(t, s, "", "a/d")
	for info, err := range s.ListDir(t.Context(), objstore.Join(s.Root(), "a")) {
		if info.Dir || err != nil {
			t.Errorf("the directory outlived its last object: %+v, %v", info, err)
		}
	}
	put(t, s, "a/b/c", "again", nil)
	wantContent(t, s, "a/b/c", "again")
	// What was a directory may become an object.
	if err := s.Delete(t.Context(), uri); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a/b", "file", nil)
	wantContent(t, s, "a/b", "file")
}

func testOutside(t *testing.T, s objstore.Store) {
	root := s.Root()
	for _, uri := range []string{
		"", "relative", "/somewhere/else", "http://169.254.169.254/latest", root + "-evil/x",
		root + "/../x", root + "/a/../../x", root + "/%2e%2e/x", root + "/a/%2E./x", root + "\\x", root + "/a\x00b", root + "/a\nb",
		"user@" + root + "/x", "file://otherhost/etc/passwd", root, root + "/",
	} {
		_, err := s.Open(t.Context(), uri)
		wantError(t, err, objstore.ErrOutside)
		_, err = s.Stat(t.Context(), uri)
		wantError(t, err, objstore.ErrOutside)
		wantError(t, s.Put(t.Context(), uri, nil, nil), objstore.ErrOutside)
		_, err = s.Create(t.Context(), uri, nil)
		wantError(t, err, objstore.ErrOutside)
		wantError(t, s.Delete(t.Context(), uri), objstore.ErrOutside)
		if uri == root || uri == root+"/" {
			continue
		}
		for _, list := range []func(context.Context, string) func(func(objstore.Info, error) bool){
			func(ctx context.Context, p string) func(func(objstore.Info, error) bool) { return s.List(ctx, p) },
			func(ctx context.Context, p string) func(func(objstore.Info, error) bool) { return s.ListDir(ctx, p) },
		} {
			n := 0
			for _, err := range list(t.Context(), uri) {
				n++
				wantError(t, err, objstore.ErrOutside)
			}
			if n != 1 {
				t.Errorf("list of %q yielded %d times", uri, n)
			}
		}
	}
}

func testCancelled(t *testing.T, s objstore.Store) {
	put(t, s, "k", "old", nil)
	uri, fresh := objstore.Join(s.Root(), "k"), objstore.Join(s.Root(), "n/k")
	ctx, cancel := context.WithCancel(t.Context())
	w, err := s.Create(ctx, fresh, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "half")
	o, err := s.Open(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	cancel()
	if err := w.Close(); err == nil {
		t.Error("close after cancel succeeded")
	}
	w.Abort()
	if err := s.Put(ctx, uri, []byte("new"), nil); err == nil || errors.Is(err, objstore.ErrUnknownOutcome) {
		t.Errorf("put that never began: %v", err)
	}
	if _, err := s.Open(ctx, uri); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	if _, err := s.Stat(ctx, uri); !errors.Is(err, context.Canceled) {
		t.Errorf("stat: %v", err)
	}
	if _, err := o.ReadAt(ctx, make([]byte, 1), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if err := s.Delete(ctx, uri); err == nil {
		t.Error("delete succeeded")
	}
	wantContent(t, s, "k", "old")
	wantNames(t, s, "", "k")
}

func testCallerKeepsBuffer(t *testing.T, s objstore.Store) {
	data := []byte("mine")
	if err := s.Put(t.Context(), objstore.Join(s.Root(), "k"), data, nil); err != nil {
		t.Fatal(err)
	}
	copy(data, "XXXX")
	wantContent(t, s, "k", "mine")
}

// testRaceIfAbsent has 16 goroutines create the same names: each has exactly
// one winner, and the object is the winner's.
func testRaceIfAbsent(t *testing.T, s objstore.Store) {
	const keys, racers = 60, 16
	winners := make([]atomic.Int32, keys)
	var double atomic.Int32
	start := make(chan struct{})
	var wg sync.WaitGroup
	for g := range racers {
		wg.Go(func() {
			<-start
			for k := range keys {
				err := s.Put(t.Context(), objstore.Join(s.Root(), "race", fmt.Sprint(k)), fmt.Appendf(nil, "racer %d", g), absent)
				switch {
				case err == nil && !winners[k].CompareAndSwap(0, int32(g+1)):
					double.Add(1)
				case err != nil && !errors.Is(err, objstore.ErrExists):
					t.Errorf("key %d: %v", k, err)
				}
			}
		})
	}
	close(start)
	wg.Wait()
	if n := double.Load(); n > 0 {
		t.Errorf("%d creates of an existing object succeeded", n)
	}
	for k := range keys {
		wantContent(t, s, fmt.Sprintf("race/%d", k), fmt.Sprintf("racer %d", winners[k].Load()-1))
	}
}

// testRaceIfMatch increments a counter from 4 goroutines: no update is lost.
func testRaceIfMatch(t *testing.T, s objstore.Store) {
	const racers, each = 4, 12
	ctx, uri := t.Context(), objstore.Join(s.Root(), "counter")
	put(t, s, "counter", "0", nil)
	if err := s.Put(ctx, objstore.Join(s.Root(), "x"), nil, &objstore.PutOptions{IfMatch: "none"}); errors.Is(err, errors.ErrUnsupported) {
		t.Logf("%T has no compare-and-swap: this test does not apply", s)
		return
	}
	increment := func() error {
		for {
			info, err := s.Stat(ctx, uri)
			if err != nil {
				return err
			}
			data, err := objstore.ReadAll(ctx, s, uri, 0)
			if err != nil {
				return err
			}
			var n int
			if _, err := fmt.Sscan(string(data), &n); err != nil {
				return err
			}
			// The tag was read before the contents, so an update between the two
			// makes the put fail.
			err = s.Put(ctx, uri, fmt.Append(nil, n+1), &objstore.PutOptions{IfMatch: info.ETag, Volatile: true})
			if !errors.Is(err, objstore.ErrMismatch) {
				return err
			}
		}
	}
	var wg sync.WaitGroup
	for range racers {
		wg.Go(func() {
			for range each {
				if err := increment(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	wantContent(t, s, "counter", fmt.Sprint(racers*each))
}

// testRacePutDelete makes and deletes objects of one directory at once: the
// directory coming and going must not fail a put.
func testRacePutDelete(t *testing.T, s objstore.Store) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			uri := objstore.Join(s.Root(), "p/q/r", fmt.Sprint(g))
			for range 10 {
				if err := s.Put(t.Context(), uri, []byte("x"), &objstore.PutOptions{IfAbsent: true, Volatile: g%2 == 0}); err != nil {
					t.Error(err)
					return
				}
				if err := s.Delete(t.Context(), uri); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	wantNames(t, s, "")
}

func testCheckConditional(t *testing.T, s objstore.Store) {
	if err := objstore.CheckConditional(t.Context(), s, s.Root()); err != nil {
		t.Error(err)
	}
	wantNames(t, s, "")
}
