// Package cloud opens object stores through gocloud.dev/blob.
package cloud

import (
	"context"

	"gocloud.dev/blob"

	"github.com/frazildb/frazil/objstore"
)

// Options configures Open and New; nil means the defaults.
type Options struct {
	// Query is appended to the bucket's URL for its driver, e.g.
	// "region=eu-central-1".
	Query string
	// Driver names the driver of a bucket given to New: "s3", "gs", "azblob" or
	// "mem". With any other value conditional puts are refused.
	Driver string
}

// Open opens s3://bucket/prefix, gs://…, azblob://… or mem://. The program must
// import the driver, e.g. _ "gocloud.dev/blob/s3blob".
func Open(ctx context.Context, uri string, opts *Options) (objstore.Store, error) {
	panic("unwritten")
}

// New returns a store over an open bucket, which it closes; root is the URI of
// the bucket or of a prefix in it.
func New(bucket *blob.Bucket, root string, opts *Options) (objstore.Store, error) {
	panic("unwritten")
}
