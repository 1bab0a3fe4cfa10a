package schema

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
