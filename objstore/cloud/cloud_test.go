package cloud_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/objstore/cloud"
	"github.com/frazildb/frazil/objstore/objstoretest"
)

func TestMemory(t *testing.T) {
	for _, root := range []string{"s3://bucket", "s3://bucket/some/prefix"} {
		t.Run(root, func(t *testing.T) {
			objstoretest.Run(t, func(t *testing.T) objstore.Store {
				s, err := cloud.New(memblob.OpenBucket(nil), root, &cloud.Options{Driver: "mem"})
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}

func TestOpen(t *testing.T) {
	s, err := cloud.Open(t.Context(), "mem://name/prefix/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Root() != "mem://name/prefix" {
		t.Errorf("root is %s", s.Root())
	}
	for info := range s.List(t.Context(), s.Root()) {
		t.Errorf("the check left %s", info.URI)
	}
	for _, uri := range []string{"file:///tmp", "/tmp", "http://x/y", "s3://u@b", "s3://b/../c"} {
		if _, err := cloud.Open(t.Context(), uri, nil); err == nil {
			t.Errorf("opened %s", uri)
		}
	}
	// No driver for it is linked into this test.
	if _, err := cloud.Open(t.Context(), "gs://bucket", nil); err == nil {
		t.Error("opened gs://bucket")
	}
}

// TestUnsafeDrivers: fileblob checks, then renames; its conditional puts are
// refused whatever the caller says of it, and those of unknown drivers too.
func TestUnsafeDrivers(t *testing.T) {
	file, err := fileblob.OpenBucket(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		bucket *blob.Bucket
		driver string
	}{
		"fileblob":                  {file, "file"},
		"fileblob claimed to be s3": {file, "s3"},
		"unknown":                   {memblob.OpenBucket(nil), ""},
	} {
		s, err := cloud.New(c.bucket, "s3://bucket/x", &cloud.Options{Driver: c.driver})
		if err != nil {
			t.Fatal(err)
		}
		uri := objstore.Join(s.Root(), "k")
		if err := s.Put(t.Context(), uri, []byte("x"), &objstore.PutOptions{IfAbsent: true}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: conditional put: %v", name, err)
		}
		if err := objstore.CheckConditional(t.Context(), s, s.Root()); err == nil {
			t.Errorf("%s: passed the check", name)
		}
		if err := s.Put(t.Context(), uri, []byte("x"), nil); err != nil {
			t.Errorf("%s: plain put: %v", name, err)
		}
	}
}

// apiError stands for the errors of the AWS and Azure clients.
type apiError struct {
	code   string
	status int
}

func (e apiError) Error() string       { return e.code }
func (e apiError) ErrorCode() string   { return e.code }
func (e apiError) HTTPStatusCode() int { return e.status }

// failing is a bucket whose writes report an error, as a driver with the given
// mapping would.
type failing struct {
	driver.Bucket
	err  error
	code gcerrors.ErrorCode
}

func (f failing) ErrorCode(error) gcerrors.ErrorCode { return f.code }
func (f failing) ErrorAs(error, any) bool            { return false }
func (f failing) As(any) bool                        { return false }
func (f failing) Close() error                       { return nil }

func (f failing) NewTypedWriter(context.Context, string, string, *driver.WriterOptions) (driver.Writer, error) {
	return failingWriter{f.err}, nil
}

type failingWriter struct{ err error }

func (w failingWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w failingWriter) Close() error                { return w.err }

func TestWriteOutcomes(t *testing.T) {
	for _, c := range []struct {
		name            string
		err             error
		code            gcerrors.ErrorCode
		ifAbsent, plain error // nil: neither ErrExists nor ErrUnknownOutcome
	}{
		{"412", apiError{"PreconditionFailed", 412}, gcerrors.FailedPrecondition, objstore.ErrExists, nil},
		{"azure 409 exists", apiError{"BlobAlreadyExists", 409}, gcerrors.FailedPrecondition, objstore.ErrExists, nil},
		{"s3 409", apiError{"ConditionalRequestConflict", 409}, gcerrors.Unknown, objstore.ErrUnknownOutcome, objstore.ErrUnknownOutcome},
		{"other 409", apiError{"Conflict", 409}, gcerrors.Unknown, objstore.ErrUnknownOutcome, objstore.ErrUnknownOutcome},
		{"503", apiError{"SlowDown", 503}, gcerrors.ResourceExhausted, objstore.ErrUnknownOutcome, objstore.ErrUnknownOutcome},
		{"500", apiError{"InternalError", 500}, gcerrors.Internal, objstore.ErrUnknownOutcome, objstore.ErrUnknownOutcome},
		{"time-out", context.DeadlineExceeded, gcerrors.DeadlineExceeded, objstore.ErrUnknownOutcome, objstore.ErrUnknownOutcome},
		{"cancelled", context.Canceled, gcerrors.Canceled, objstore.ErrUnknownOutcome, objstore.ErrUnknownOutcome},
		{"reset", io.ErrUnexpectedEOF, gcerrors.Unknown, objstore.ErrUnknownOutcome, objstore.ErrUnknownOutcome},
		{"403", apiError{"AccessDenied", 403}, gcerrors.PermissionDenied, nil, nil},
		{"404", apiError{"NoSuchBucket", 404}, gcerrors.NotFound, nil, nil},
		{"400", apiError{"InvalidRequest", 400}, gcerrors.InvalidArgument, nil, nil},
	} {
		for _, ifAbsent := range []bool{true, false} {
			want := c.plain
			if ifAbsent {
				want = c.ifAbsent
			}
			s, err := cloud.New(blob.NewBucket(failing{err: c.err, code: c.code}), "s3://bucket", &cloud.Options{Driver: "s3"})
			if err != nil {
				t.Fatal(err)
			}
			err = s.Put(t.Context(), "s3://bucket/k", []byte("x"), &objstore.PutOptions{IfAbsent: ifAbsent})
			if err == nil || !errors.Is(err, c.err) {
				t.Errorf("%s: error is %v", c.name, err)
			}
			for _, sentinel := range []error{objstore.ErrExists, objstore.ErrUnknownOutcome} {
				if errors.Is(err, sentinel) != (want == sentinel) {
					t.Errorf("%s, if absent %v: error is %v, want %v", c.name, ifAbsent, err, want)
				}
			}
			s.Close()
		}
	}
}

// TestChangedWhileOpen: a replaced object is an error, never a mixture.
func TestChangedWhileOpen(t *testing.T) {
	s, err := cloud.New(memblob.OpenBucket(nil), "s3://b", &cloud.Options{Driver: "mem"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Put(t.Context(), "s3://b/k", []byte("old"), nil); err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(t.Context(), "s3://b/k")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "s3://b/k", []byte("newer"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := o.ReadAt(t.Context(), make([]byte, 3), 0); !errors.Is(err, objstore.ErrMismatch) {
		t.Errorf("read: %v", err)
	}
}
