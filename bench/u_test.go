package bench

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"testing"
)

const (
	uBaseFirst = "a9555ead2b9658bd9c74ef92008b4dbc00b9b3434dddede88454aff46f1331df"
	uBaseAll   = "6995f16bf409bede65b2f8ff8be450d44c5c65ee9bbe4cd0a461044160e684f7"
)

// uSHA are the published checksums by mix.
var uSHA = map[int]struct{ first, events, all, final string }{
	1: {
		"28470769aa7b7850052360e1e6f3ee998a8637bfc4b28cc477a2066d02330d60",
		"68bc5dfab3a5342064fe27a2d7e05720f48b01cbdd89547465adca0d367d9971",
		"67493de99dccfe1ec442e2240429fcaf9d9acb231c945e8ffcf055c10b414fb6",
		"7bb1bd723aa342794749f81776d8205176ffdb18d821fb3a3d1da616644ea41b",
	},
	2: {
		"cacd75f87a2de1abf97d436790ddf1aa32ef4154238fdc53bf9f95aa7d2996b4",
		"ada6f9e55499af1333ffb12ca185f531e617130be037366aece84358bf6b28fe",
		"0789ad9bb85beaf94c9003718e9fe6d50559c831a907f6391d08ce95b05dd580",
		"595a6eca211100d5065c40d931e01b59da756384e6a0bf2eb615d8101907ffa4",
	},
}

// uFinal are the published sums of the final state by mix.
var uFinal = map[int]USums{
	1: {1000000, 499999500000, 25006580638, 499557305976, 6749196, 1767225600003891, 1767228599999083, "fffff72fc9d09cebef45b0331df88a5f"},
	2: {1972603, 2486546243890, 49297372815, 986579447757, 13312030, 1767225600001937, 1767228599999083, "fffffafb64d6a4e8310020275ca089a3"},
}

func TestUFirstLines(t *testing.T) {
	for _, c := range []struct {
		mix  int
		n    uint64
		want string
	}{
		{1, 0, "0,I,0,43623,975607,PACKED,1767225600000717,431f44a44827ff8e8c4e7ef9c86fabf9\n"},
		{2, 1, "1,I,1,41647,911970,DELIVERED,1767225600001937,89d55bd0ae4d6256e5d11f9b8153026f\n"},
		{1, 1000000, "1000000,U,780089,8302,835931,REFUNDED,1767226600000192,4535924e264ebadd2b2c95e398afa6ba\n"},
		{2, 1000000, "1000000,I,1000000,8302,835931,REFUNDED,1767226600000192,4535924e264ebadd2b2c95e398afa6ba\n"},
		{2, 1000002, "1000002,U,664893,17926,430104,DELIVERED,1767226600002737,7a23dc12c774a00230e83b2375370788\n"},
	} {
		if got := string(U{c.mix}.Line(nil, c.n)); got != c.want {
			t.Errorf("mix %d event %d: %q, want %q", c.mix, c.n, got, c.want)
		}
	}
}

func TestUChecksums(t *testing.T) {
	for mix, want := range uSHA {
		t.Run(fmt.Sprintf("mix%d", mix), func(t *testing.T) {
			t.Parallel()
			u := U{mix}
			if testing.Short() {
				checkSHA(t, "first events", uHash(u, UBase, UBase+1000), want.first)
				return
			}
			all, events, base := sha256.New(), sha256.New(), sha256.New()
			var line []byte
			for n := range uint64(UBase + UEvents) {
				line = u.Line(line[:0], n)
				all.Write(line)
				if n < UBase {
					base.Write(line)
				} else {
					events.Write(line)
				}
				switch n {
				case 999:
					checkSHA(t, "first of base", clone(base), uBaseFirst)
				case UBase + 999:
					checkSHA(t, "first events", clone(events), want.first)
				}
			}
			checkSHA(t, "base", base, uBaseAll)
			checkSHA(t, "events", events, want.events)
			checkSHA(t, "base and events", all, want.all)
			final := sha256.New()
			var sums USums
			u.Final(UBase+UEvents, func(id int64, e uint64) {
				line = u.state(line[:0], e, id)
				final.Write(line)
				sums.add(id, uCustomer(e), uCents(e), uTime(e), uStatus(e), string(uNote(nil, e)))
			})
			checkSHA(t, "final state", final, want.final)
			if sums != uFinal[mix] {
				t.Errorf("sums: %v, want %v", sums, uFinal[mix])
			}
		})
	}
}

func uHash(u U, from, to uint64) hash.Hash {
	h := sha256.New()
	var line []byte
	for n := from; n < to; n++ {
		line = u.Line(line[:0], n)
		h.Write(line)
	}
	return h
}

// clone lets a hash be read on the way.
func clone(h hash.Hash) hash.Hash {
	c, err := h.(hash.Cloner).Clone()
	if err != nil {
		panic(err)
	}
	return c
}

func checkSHA(t *testing.T, what string, h hash.Hash, want string) {
	t.Helper()
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}
