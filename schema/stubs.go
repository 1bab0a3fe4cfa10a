package schema

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func CanPromote(from, to Type, formatVersion int) bool { panic("unwritten") }

func Validate(s *Schema, formatVersion int) error { panic("unwritten") }

func AssignIDs(fields []Field, next func() int) []Field { panic("unwritten") }

func EncodeBound(t Type, v any) ([]byte, error) { panic("unwritten") }

func DecodeBound(t Type, b []byte) (any, error) { panic("unwritten") }

func TruncateLower(t Type, v any, n int) any { panic("unwritten") }

func TruncateUpper(t Type, v any, n int) (any, bool) { panic("unwritten") }

func Compare(t Type, a, b any) int { panic("unwritten") }

func Coerce(t Type, v any) (any, error) { panic("unwritten") }

func ArrowSchema(s *Schema) *arrow.Schema { panic("unwritten") }

func ArrowField(f Field) arrow.Field { panic("unwritten") }

func ArrowType(t Type) arrow.DataType { panic("unwritten") }

func FromArrow(a *arrow.Schema) (*Schema, error) { panic("unwritten") }

func AppendValue(b array.Builder, t Type, v any) error { panic("unwritten") }

func ValueAt(a arrow.Array, t Type, i int) any { panic("unwritten") }

func RowsToBatch(s *Schema, rows []Row, mem memory.Allocator) (arrow.RecordBatch, error) {
	panic("unwritten")
}

// Evolution collects changes to a schema.
type Evolution struct{}

func NewEvolution(s *Schema, lastColumnID, formatVersion int) *Evolution { panic("unwritten") }
func (e *Evolution) Add(parent string, f Field) error                    { panic("unwritten") }
func (e *Evolution) Drop(name string) error                              { panic("unwritten") }
func (e *Evolution) Rename(name, to string) error                        { panic("unwritten") }
func (e *Evolution) Widen(name string, t Type) error                     { panic("unwritten") }
func (e *Evolution) MakeOptional(name string) error                      { panic("unwritten") }
func (e *Evolution) RequireColumn(name string) error                     { panic("unwritten") }
func (e *Evolution) UpdateDoc(name, doc string) error                    { panic("unwritten") }
func (e *Evolution) SetDefault(name string, v any) error                 { panic("unwritten") }
func (e *Evolution) MoveFirst(name string) error                         { panic("unwritten") }
func (e *Evolution) MoveAfter(name, after string) error                  { panic("unwritten") }
func (e *Evolution) MoveBefore(name, before string) error                { panic("unwritten") }
func (e *Evolution) SetIdentifier(names ...string) error                 { panic("unwritten") }
func (e *Evolution) Schema() (*Schema, int, error)                       { panic("unwritten") }

// NameMapping maps column names to field ids.
type NameMapping struct{}

func ParseNameMapping(data []byte) (*NameMapping, error) { panic("unwritten") }
func MappingFor(s *Schema) *NameMapping                  { panic("unwritten") }
func (m *NameMapping) ID(path ...string) (int, bool)     { panic("unwritten") }
func (m *NameMapping) MarshalJSON() ([]byte, error)      { panic("unwritten") }
