package cloud

import (
	"errors"
	"fmt"
	"net/http"

	"gocloud.dev/gcerrors"

	"github.com/frazildb/frazil/objstore"
)

// readError names the object and maps what a read reports.
func readError(op, uri string, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return fmt.Errorf("%s %q: %w: %w", op, uri, objstore.ErrNotFound, err)
	}
	return fmt.Errorf("%s %q: %w", op, uri, err)
}

// writeError maps what a write reports to the three outcomes:
//
//	412 on a put-if-absent           ErrExists; it may be our own earlier attempt,
//	                                 sent again by the client after a lost reply
//	409 (S3: a concurrent write or
//	delete of the key is under way)  ErrUnknownOutcome
//	refused for good (400, 401,
//	403, 404, unimplemented)         the bare error: nothing was written
//	anything else: time-outs, 5xx,
//	resets, cancelled, throttled     ErrUnknownOutcome; also a failed connect,
//	                                 which may have followed an attempt that landed
func writeError(op, uri string, err error, ifAbsent bool) error {
	conflict := isConflict(err)
	switch code := gcerrors.Code(err); {
	case ifAbsent && (code == gcerrors.FailedPrecondition || code == gcerrors.AlreadyExists) && !conflict:
		return fmt.Errorf("%s %q: %w: %w", op, uri, objstore.ErrExists, err)
	case !conflict && (code == gcerrors.NotFound || code == gcerrors.PermissionDenied ||
		code == gcerrors.InvalidArgument || code == gcerrors.Unimplemented || code == gcerrors.FailedPrecondition):
		return fmt.Errorf("%s %q: %w", op, uri, err)
	default:
		return fmt.Errorf("%s %q: %w: %w", op, uri, objstore.ErrUnknownOutcome, err)
	}
}

// isConflict recognises the 409 that S3 gives while another conditional request
// for the key is under way, which gocloud reports as an unknown error. The
// interfaces are those of smithy.APIError and the AWS response error, which are
// not imported for it.
func isConflict(err error) bool {
	var named interface{ ErrorCode() string }
	if errors.As(err, &named) {
		switch named.ErrorCode() {
		case "ConditionalRequestConflict", "OperationAborted":
			return true
		}
	}
	var coded interface{ HTTPStatusCode() int }
	return errors.As(err, &coded) && coded.HTTPStatusCode() == http.StatusConflict &&
		gcerrors.Code(err) != gcerrors.FailedPrecondition // Azure: 409 BlobAlreadyExists
}
