package metadata

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

type snapshotJSON struct {
	ID             *id64          `json:"snapshot-id"`
	ParentID       *id64          `json:"parent-snapshot-id"`
	SequenceNumber int64          `json:"sequence-number"`
	TimestampMS    *int64         `json:"timestamp-ms"`
	ManifestList   string         `json:"manifest-list"`
	Manifests      []string       `json:"manifests"`
	Summary        textMap        `json:"summary"`
	SchemaID       *int           `json:"schema-id"`
	FirstRowID     *int64         `json:"first-row-id"`
	AddedRows      *int64         `json:"added-rows"`
	KeyID          string         `json:"key-id"`
	Unknown        jsontext.Value `json:",embed"`
}

// parseSnapshot reads a snapshot object and keeps raw, which must not change.
func parseSnapshot(raw jsontext.Value) (Snapshot, error) {
	var j snapshotJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		return Snapshot{}, err
	}
	if j.ID == nil || j.TimestampMS == nil {
		return Snapshot{}, errors.New("snapshot without snapshot-id or timestamp-ms")
	}
	s := Snapshot{
		ID: int64(*j.ID), ParentID: (*int64)(j.ParentID), SequenceNumber: j.SequenceNumber, TimestampMS: *j.TimestampMS,
		ManifestList: j.ManifestList, Manifests: j.Manifests, Summary: j.Summary, SchemaID: j.SchemaID,
		FirstRowID: j.FirstRowID, AddedRows: j.AddedRows, KeyID: j.KeyID, raw: raw,
	}
	if s.SequenceNumber < 0 {
		return Snapshot{}, fmt.Errorf("snapshot %d: negative sequence number %d", s.ID, s.SequenceNumber)
	}
	if s.Summary != nil {
		s.Operation = s.Summary["operation"]
		delete(s.Summary, "operation")
	}
	var err error
	s.Extra, err = splitUnknown(j.Unknown)
	return s, err
}

// encode returns the snapshot's JSON, made from its fields.
func (s *Snapshot) encode() ([]byte, error) {
	e := encoder{b: append(make([]byte, 0, 1024), '{')}
	if s.SequenceNumber > 0 {
		e.int("sequence-number", s.SequenceNumber)
	}
	e.int("snapshot-id", s.ID)
	e.optInt("parent-snapshot-id", s.ParentID)
	e.int("timestamp-ms", s.TimestampMS)
	if s.Operation != "" || s.Summary != nil {
		e.open("summary", '{')
		if s.Operation != "" {
			e.str("operation", s.Operation)
		}
		for _, k := range sortedKeys(s.Summary) {
			if k != "operation" {
				e.str(k, s.Summary[k])
			}
		}
		e.close('}')
	}
	if s.ManifestList != "" {
		e.str("manifest-list", s.ManifestList)
	} else if s.Manifests != nil {
		e.name("manifests")
		e.value(s.Manifests)
	}
	if s.SchemaID != nil {
		e.int("schema-id", int64(*s.SchemaID))
	}
	e.optInt("first-row-id", s.FirstRowID)
	e.optInt("added-rows", s.AddedRows)
	if s.KeyID != "" {
		e.str("key-id", s.KeyID)
	}
	e.extra(s.Extra)
	e.close('}')
	return e.bytes()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

type refJSON struct {
	SnapshotID         *id64          `json:"snapshot-id"`
	Type               string         `json:"type"`
	MinSnapshotsToKeep *int           `json:"min-snapshots-to-keep"`
	MaxSnapshotAgeMS   *int64         `json:"max-snapshot-age-ms"`
	MaxRefAgeMS        *int64         `json:"max-ref-age-ms"`
	Unknown            jsontext.Value `json:",embed"`
}

func parseRef(raw jsontext.Value) (Ref, error) {
	var j refJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		return Ref{}, err
	}
	if j.SnapshotID == nil {
		return Ref{}, errors.New("no snapshot-id")
	}
	r := Ref{
		SnapshotID: int64(*j.SnapshotID), Type: j.Type, MinSnapshotsToKeep: j.MinSnapshotsToKeep,
		MaxSnapshotAgeMS: j.MaxSnapshotAgeMS, MaxRefAgeMS: j.MaxRefAgeMS,
	}
	if r.Type != "branch" && r.Type != "tag" {
		return Ref{}, fmt.Errorf("type %q is neither branch nor tag", r.Type)
	}
	if len(j.Unknown) > 0 {
		r.raw = raw
	}
	return r, nil
}

// members appends the ref's members to an open object.
func (r Ref) members(e *encoder) {
	e.int("snapshot-id", r.SnapshotID)
	e.str("type", r.Type)
	if r.MinSnapshotsToKeep != nil {
		e.int("min-snapshots-to-keep", int64(*r.MinSnapshotsToKeep))
	}
	e.optInt("max-snapshot-age-ms", r.MaxSnapshotAgeMS)
	e.optInt("max-ref-age-ms", r.MaxRefAgeMS)
}

type statisticsJSON struct {
	SnapshotID  *id64          `json:"snapshot-id"`
	Path        string         `json:"statistics-path"`
	FileSize    int64          `json:"file-size-in-bytes"`
	FooterSize  int64          `json:"file-footer-size-in-bytes"`
	KeyMetadata *string        `json:"key-metadata,omitempty"`
	Blobs       []blobJSON     `json:"blob-metadata"`
	Unknown     jsontext.Value `json:",embed"`
}

type blobJSON struct {
	Type           string  `json:"type"`
	SnapshotID     id64    `json:"snapshot-id"`
	SequenceNumber int64   `json:"sequence-number"`
	Fields         []int   `json:"fields"`
	Properties     textMap `json:"properties,omitempty"`
}

func parseStatistics(raw jsontext.Value) (Statistics, error) {
	var j statisticsJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		return Statistics{}, err
	}
	if j.SnapshotID == nil || j.Path == "" {
		return Statistics{}, errors.New("statistics without snapshot-id or statistics-path")
	}
	s := Statistics{
		SnapshotID: int64(*j.SnapshotID), Path: j.Path, FileSizeInBytes: j.FileSize, FileFooterSize: j.FooterSize,
		KeyMetadata: j.KeyMetadata, raw: raw,
	}
	for _, b := range j.Blobs {
		s.Blobs = append(s.Blobs, BlobMetadata{
			Type: b.Type, SnapshotID: int64(b.SnapshotID), SequenceNumber: b.SequenceNumber, Fields: b.Fields, Properties: b.Properties,
		})
	}
	return s, nil
}

func (s *Statistics) encode() ([]byte, error) {
	id := id64(s.SnapshotID)
	j := statisticsJSON{
		SnapshotID: &id, Path: s.Path, FileSize: s.FileSizeInBytes, FooterSize: s.FileFooterSize,
		KeyMetadata: s.KeyMetadata, Blobs: []blobJSON{},
	}
	for _, b := range s.Blobs {
		fields := b.Fields
		if fields == nil {
			fields = []int{}
		}
		j.Blobs = append(j.Blobs, blobJSON{b.Type, id64(b.SnapshotID), b.SequenceNumber, fields, b.Properties})
	}
	return json.Marshal(j, json.Deterministic(true))
}

type partitionStatisticsJSON struct {
	SnapshotID *id64  `json:"snapshot-id"`
	Path       string `json:"statistics-path"`
	FileSize   int64  `json:"file-size-in-bytes"`
}

func parsePartitionStatistics(raw jsontext.Value) (PartitionStatistics, error) {
	var j partitionStatisticsJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		return PartitionStatistics{}, err
	}
	if j.SnapshotID == nil || j.Path == "" {
		return PartitionStatistics{}, errors.New("partition statistics without snapshot-id or statistics-path")
	}
	return PartitionStatistics{SnapshotID: int64(*j.SnapshotID), Path: j.Path, FileSizeInBytes: j.FileSize, raw: raw}, nil
}

func (s *PartitionStatistics) encode() ([]byte, error) {
	id := id64(s.SnapshotID)
	return json.Marshal(partitionStatisticsJSON{&id, s.Path, s.FileSizeInBytes})
}

type keyJSON struct {
	KeyID    string `json:"key-id"`
	Metadata string `json:"encrypted-key-metadata"`
	// Older is the member's name in an example of the spec.
	Older      string         `json:"key-metadata,omitempty"`
	ByID       string         `json:"encrypted-by-id,omitempty"`
	Properties textMap        `json:"properties,omitempty"`
	Unknown    jsontext.Value `json:",embed"`
}

func parseKey(raw jsontext.Value) (EncryptionKey, error) {
	var j keyJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		return EncryptionKey{}, err
	}
	if j.Metadata == "" {
		j.Metadata = j.Older
	}
	return EncryptionKey{j.KeyID, j.Metadata, j.ByID, j.Properties, raw}, nil
}

func (k *EncryptionKey) encode() ([]byte, error) {
	return json.Marshal(keyJSON{KeyID: k.KeyID, Metadata: k.EncryptedKeyMetadata, ByID: k.EncryptedByID, Properties: k.Properties}, json.Deterministic(true))
}
